//! The ids that Meta gives: digits, and nothing else may stand in a path.

use std::{fmt, str::FromStr};

/// Fewest and most digits of an id.
const DIGITS: std::ops::RangeInclusive<usize> = 5..=20;

/// A text that cannot be an id of Meta's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of Meta's has 5 to 20 digits")]
pub struct IdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let fits =
                    DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
                if fits { Ok(Self(text.to_owned())) } else { Err(IdError) }
            }
        }
    )*};
}

ids! {
    /// A phone number at Meta (`phone_number_id`).
    PhoneId;
    /// A WhatsApp Business Account.
    WabaId;
    /// An app of Meta's.
    AppId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_five_to_twenty_digits() {
        for text in ["12345", "106540352242922", "12345678901234567890"] {
            assert_eq!(text.parse::<PhoneId>().unwrap().to_string(), text);
        }
        for text in
            ["", "1234", "123456789012345678901", "12345/x", "+12345", "１２３４５", "12 345"]
        {
            assert_eq!(text.parse::<WabaId>(), Err(IdError), "{text}");
        }
    }
}
