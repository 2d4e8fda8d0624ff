//! Typed, sortable, unguessable ids: a prefix and a `UUIDv7` in Crockford base32 (the `TypeID` format,
//! <https://github.com/jetify-com/typeid/tree/main/spec>).

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// Crockford's alphabet, lower case, as the `TypeID` specification has it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in base32: 26 symbols, the first of which carries only three bits.
const SUFFIX_LEN: usize = 26;

/// Why a text is not an id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not start with the prefix of this kind of id.
    #[error("the id does not start with `{expected}`")]
    WrongPrefix {
        /// The prefix that was expected.
        expected: &'static str,
    },
    /// What follows the prefix is not 26 symbols of Crockford base32 that fit 128 bits.
    #[error("the id is malformed")]
    Malformed,
}

fn encode(id: Uuid) -> String {
    let mut rest = id.as_u128();
    let mut symbols = [b'0'; SUFFIX_LEN];
    for symbol in symbols.iter_mut().rev() {
        let index = usize::try_from(rest & 31).unwrap_or_default();
        *symbol = ALPHABET.get(index).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    symbols.iter().map(|&symbol| char::from(symbol)).collect()
}

fn decode(text: &str) -> Option<Uuid> {
    // The first symbol carries three bits: more would overflow 128.
    if text.len() != SUFFIX_LEN || text.as_bytes().first()? > &b'7' {
        return None;
    }
    let mut value = 0_u128;
    for symbol in text.bytes() {
        let digit = ALPHABET.iter().position(|&known| known == symbol)?;
        value = (value << 5) | u128::try_from(digit).ok()?;
    }
    Some(Uuid::from_u128(value))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What the printed form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Mints a new id: time-ordered, with 74 random bits.
            pub fn mint() -> Self {
                #[expect(clippy::disallowed_methods, reason = "this is the one place that mints ids")]
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let suffix = text
                    .strip_prefix(Self::PREFIX)
                    .ok_or(IdError::WrongPrefix { expected: Self::PREFIX })?;
                decode(suffix).map(Self).ok_or(IdError::Malformed)
            }
        }
    )*};
}

ids! {
    /// A customer account: owns numbers, keys and webhooks.
    TenantId = "ten_";
    /// A WhatsApp number connected, or to be connected, to Ramal.
    NumberId = "wa_";
    /// An API key (not its secret token).
    KeyId = "key_";
    /// A customer's webhook endpoint.
    WebhookId = "wh_";
    /// A message, sent or received, in our own numbering.
    MessageId = "msg_";
    /// What ties a message to its status events for callers that bring no id of their own.
    CorrelationId = "corr_";
    /// An event, as told to customers.
    EventId = "evt_";
    /// One event on its way to one webhook.
    DeliveryId = "dlv_";
    /// A hosted pairing link (not its secret token).
    PairingLinkId = "lnk_";
    /// An older grouping of a tenant's things (contract C.22).
    ProjectId = "prj_";
    /// A template of a tenant's own.
    TemplateId = "tpl_";
    /// A person who signs in to the dashboard.
    UserId = "usr_";
    /// A line of the audit log.
    AuditId = "aud_";
    /// An uploaded picture.
    LogoId = "logo_";
    /// A running process of Ramal, as the owner of sessions.
    NodeId = "node_";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_printed_form_is_the_type_id_format() {
        // Vectors of the TypeID specification (`valid.json`).
        for (bits, suffix) in [
            (1, "00000000000000000000000001"),
            (32, "00000000000000000000000010"),
            (u128::MAX, "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
        ] {
            assert_eq!(NumberId(Uuid::from_u128(bits)).to_string(), format!("wa_{suffix}"));
        }
    }

    #[test]
    fn ids_of_another_kind_are_refused() {
        let text = KeyId::mint().to_string();

        assert_eq!(text.parse::<NumberId>(), Err(IdError::WrongPrefix { expected: "wa_" }));
    }

    proptest! {
        #[test]
        fn ids_round_trip(bits in any::<u128>()) {
            let id = MessageId(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,40}") {
            for text in [text.clone(), format!("wa_{text}")] {
                if let Ok(id) = text.parse::<NumberId>() {
                    prop_assert_eq!(id.to_string(), text);
                }
            }
        }
    }
}
