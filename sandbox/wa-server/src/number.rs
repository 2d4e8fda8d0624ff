//! Phone numbers and the JIDs that stand for them.

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, Server};

/// E.164 allows at most 15 digits; shorter than 8 is no subscriber number.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// A LID is this digit and the number, zero-padded: reversible, so no table is needed.
const LID_PREFIX: &str = "9";
const LID_PAD: usize = 14;

/// A phone number as bare digits, without the plus sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PhoneNumber(String);

/// The text is not a phone number of 8 to 15 digits.
#[derive(Debug, thiserror::Error)]
#[error("not a phone number: expected 8 to 15 digits, optionally after a plus sign")]
pub struct InvalidNumber;

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.e164()
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = InvalidNumber;

    fn try_from(text: String) -> Result<Self, InvalidNumber> {
        Self::parse(&text)
    }
}

impl PhoneNumber {
    /// Reads `+5511…`, `%2B5511…` or bare digits.
    ///
    /// # Errors
    /// [`InvalidNumber`] unless 8 to 15 digits remain, the first of them not zero.
    pub fn parse(text: &str) -> Result<Self, InvalidNumber> {
        let digits = text
            .strip_prefix('+')
            .or_else(|| text.strip_prefix("%2B"))
            .or_else(|| text.strip_prefix("%2b"))
            .unwrap_or(text);
        let well_formed = DIGITS.contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0');
        if well_formed { Ok(Self(digits.to_owned())) } else { Err(InvalidNumber) }
    }

    /// The number's digits, without the plus sign.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The number with its plus sign.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    pub(crate) fn lid_user(&self) -> String {
        format!("{LID_PREFIX}{:0>LID_PAD$}", self.0)
    }

    /// The account that a JID of either address space belongs to; `None` for groups and the like.
    pub(crate) fn of_jid(jid: &Jid) -> Option<Self> {
        if jid.server == Server::Pn {
            return Self::parse(jid.user.as_str()).ok();
        }
        if jid.server == Server::Lid {
            let padded = jid.user.strip_prefix(LID_PREFIX)?;
            return Self::parse(padded.trim_start_matches('0')).ok();
        }
        None
    }

    /// This number's device in the phone-number address space; 0 is the phone itself.
    pub(crate) fn pn_jid(&self, device: u16) -> Jid {
        Jid::pn_device(self.0.as_str(), device)
    }

    /// This number's device in the LID address space.
    pub(crate) fn lid_jid(&self, device: u16) -> Jid {
        Jid::lid_device(self.lid_user(), device)
    }

    /// This number's device in the same address space as `like`.
    pub(crate) fn jid_like(&self, like: &Jid, device: u16) -> Jid {
        if like.server == Server::Lid { self.lid_jid(device) } else { self.pn_jid(device) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_three_spellings() {
        for text in ["+5511999990000", "%2B5511999990000", "5511999990000"] {
            assert_eq!(PhoneNumber::parse(text).unwrap().digits(), "5511999990000");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in
            ["", "+", "1234567", "1234567890123456", "55119999x0000", "++551199999", "0123456789"]
        {
            assert!(PhoneNumber::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn both_address_spaces_lead_back_to_the_number() {
        for text in ["55119999", "5511999990000", "551199999000012"] {
            let number = PhoneNumber::parse(text).unwrap();
            assert_eq!(PhoneNumber::of_jid(&number.pn_jid(3)).unwrap(), number);
            assert_eq!(PhoneNumber::of_jid(&number.lid_jid(3)).unwrap(), number);
        }
    }

    #[test]
    fn groups_belong_to_nobody() {
        assert!(PhoneNumber::of_jid(&Jid::group("5511999990000-1")).is_none());
    }
}
