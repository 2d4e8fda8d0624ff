//! Phone numbers in E.164.

use std::{fmt, str::FromStr};

use crate::Provider;

/// Fewest digits that a QR-paired number may have (contract C.1: "min 10 digits").
const MIN_DIGITS: usize = 10;
/// Fewest digits that an official number, and whom it writes to, may have ("min 8 for META").
const MIN_DIGITS_OFFICIAL: usize = 8;
/// Most digits that E.164 allows.
const MAX_DIGITS: usize = 15;

/// A phone number in E.164: country code and subscriber number, digits only inside.
///
/// `Debug` shows the last three digits only, so that no log line carries a whole number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

/// Why a text is not an E.164 phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Something other than an optional leading `+` and digits.
    #[error(
        "a phone number is written in E.164: an optional + and digits only, such as +5511999999999"
    )]
    NotDigits,
    /// Too short or too long.
    #[error("a phone number has 10 to 15 digits, country code included")]
    Length,
    /// The same for official numbers.
    #[error("a phone number has 8 to 15 digits, country code included")]
    OfficialLength,
    /// No numbering plan has such a number.
    #[error("no country's numbering plan has this phone number")]
    Unassigned,
}

impl PhoneNumber {
    /// Digits only, as responses print it: `5511999999999`.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// With a leading `+`, as webhook payloads print it: `+5511999999999`.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// For people who may not see the whole number: `+551199****9999`.
    pub fn masked(&self) -> String {
        let head: String = self.0.chars().take(6).collect();
        let tail: String = self.0.chars().skip(self.0.len().saturating_sub(4)).collect();
        format!("+{head}****{tail}")
    }

    /// Whether both name the same line: equal, or Brazilian and equal but for the ninth digit,
    /// which WhatsApp leaves out of older accounts.
    pub fn same_line(&self, other: &Self) -> bool {
        self.without_ninth_digit() == other.without_ninth_digit()
    }

    /// The ways to write this line that WhatsApp may know it by, this one first: a Brazilian mobile
    /// number with and without its ninth digit.
    pub fn spellings(&self) -> Vec<Self> {
        let (head, tail) = self.without_ninth_digit();
        let mobile =
            head.starts_with("55") && tail.len() == 8 && tail.starts_with(['6', '7', '8', '9']);
        let mut spellings = vec![self.clone()];
        if mobile {
            let other =
                if self.0.len() == 13 { format!("{head}{tail}") } else { format!("{head}9{tail}") };
            spellings.push(Self(other));
        }
        spellings
    }

    /// Reads what people type: spaces, dashes, dots, slashes and brackets are left out, and a
    /// leading `00` stands for `+`.
    ///
    /// # Errors
    ///
    /// As [`FromStr`].
    pub fn from_any_format(text: &str) -> Result<Self, PhoneError> {
        Self::of_provider_in_any_format(Provider::Web, text)
    }

    /// The same for numbers of `provider`.
    ///
    /// # Errors
    ///
    /// As [`FromStr`].
    pub fn of_provider_in_any_format(provider: Provider, text: &str) -> Result<Self, PhoneError> {
        let plain: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && !['-', '.', '/', '(', ')'].contains(c))
            .collect();
        Self::of_provider(provider, plain.strip_prefix("00").unwrap_or(&plain))
    }

    /// Reads `+5511999999999` or `5511999999999`, as numbers of `provider` may be: official ones may be
    /// shorter.
    ///
    /// # Errors
    ///
    /// As [`FromStr`].
    pub fn of_provider(provider: Provider, text: &str) -> Result<Self, PhoneError> {
        match provider {
            Provider::Web => Self::read(text, MIN_DIGITS, PhoneError::Length),
            Provider::Meta => Self::read(text, MIN_DIGITS_OFFICIAL, PhoneError::OfficialLength),
        }
    }

    fn read(text: &str, fewest: usize, wrong_length: PhoneError) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneError::NotDigits);
        }
        if !(fewest..=MAX_DIGITS).contains(&digits.len()) {
            return Err(wrong_length);
        }
        // The plan check is on the country code and the shape only: WhatsApp has numbers that
        // number plans lag behind (Brazil's ninth digit among them), so `is_valid` is too strict.
        phonenumber::parse(None, format!("+{digits}")).map_err(|_source| PhoneError::Unassigned)?;
        Ok(Self(digits.to_owned()))
    }

    /// `55`, two digits of area code, then nine digits that start with a 9: the 9 goes.
    fn without_ninth_digit(&self) -> (&str, &str) {
        match (self.0.get(..4), self.0.get(4..5), self.0.get(5..)) {
            (Some(head), Some("9"), Some(tail)) if head.starts_with("55") && tail.len() == 8 => {
                (head, tail)
            }
            _ => self.0.split_at_checked(4).unwrap_or((&self.0, "")),
        }
    }

    /// As people write it, such as `+55 11 99999-9999`.
    pub fn international(&self) -> String {
        match phonenumber::parse(None, self.e164()) {
            Ok(number) => number.format().mode(phonenumber::Mode::International).to_string(),
            Err(_unknown_to_the_plan) => self.e164(),
        }
    }

    /// Takes digits that WhatsApp itself named (the user part of a phone-number JID).
    ///
    /// WhatsApp is the authority on which numbers it has, so only the shape is checked.
    ///
    /// # Errors
    ///
    /// [`PhoneError`] when the text is not 5 to 15 digits.
    pub fn from_whatsapp(user: &str) -> Result<Self, PhoneError> {
        if !user.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneError::NotDigits);
        }
        if (5..=MAX_DIGITS).contains(&user.len()) {
            Ok(Self(user.to_owned()))
        } else {
            Err(PhoneError::Length)
        }
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneError;

    /// Reads `+5511999999999` or `5511999999999`.
    fn from_str(text: &str) -> Result<Self, PhoneError> {
        Self::of_provider(Provider::Web, text)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail: String = self.0.chars().skip(self.0.len().saturating_sub(3)).collect();
        write!(f, "…{tail}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_spellings_are_one_number() {
        let with_plus: PhoneNumber = "+5511999999999".parse().unwrap();

        assert_eq!(Ok(with_plus.clone()), "5511999999999".parse());
        assert_eq!(with_plus.digits(), "5511999999999");
        assert_eq!(with_plus.e164(), "+5511999999999");
        assert_eq!(with_plus.masked(), "+551199****9999");
    }

    #[test]
    fn what_is_not_e164_is_refused_with_the_reason() {
        for (text, expected) in [
            ("", PhoneError::NotDigits),
            ("+", PhoneError::NotDigits),
            ("+55 11 99999-9999", PhoneError::NotDigits),
            ("++5511999999999", PhoneError::NotDigits),
            ("+551199", PhoneError::Length),
            ("+5511999999999999", PhoneError::Length),
            ("+0011999999999", PhoneError::Unassigned),
            ("+٥٥١١٩٩٩٩٩٩٩٩٩", PhoneError::NotDigits),
        ] {
            assert_eq!(text.parse::<PhoneNumber>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn official_numbers_may_be_shorter() {
        let official = |text| PhoneNumber::of_provider(Provider::Meta, text);
        assert_eq!(official("+29012345").unwrap().digits(), "29012345");
        assert_eq!(official("+2901234"), Err(PhoneError::OfficialLength));
        let plain = PhoneNumber::of_provider_in_any_format(Provider::Meta, "+290 12-345");
        assert_eq!(plain, official("29012345"));
        assert_eq!("+29012345".parse::<PhoneNumber>(), Err(PhoneError::Length), "QR-paired");
    }

    #[test]
    fn brazils_ninth_digit_is_no_difference() {
        let phone = |text: &str| text.parse::<PhoneNumber>().unwrap();

        assert!(phone("+5511987654321").same_line(&phone("+551187654321")));
        assert!(!phone("+5511987654321").same_line(&phone("+5512987654321")));
        assert!(!phone("+5511987654321").same_line(&phone("+5511887654321")));
        assert!(!phone("+351912345678").same_line(&phone("+351812345678")));
    }

    #[test]
    fn a_brazilian_mobile_has_two_spellings() {
        let spellings = |text: &str| -> Vec<String> {
            let phone: PhoneNumber = text.parse().unwrap();
            phone.spellings().iter().map(|phone| phone.digits().to_owned()).collect()
        };

        assert_eq!(spellings("+5511967435133"), ["5511967435133", "551167435133"]);
        assert_eq!(spellings("+551167435133"), ["551167435133", "5511967435133"]);
        // A landline has one, and so has everybody else.
        assert_eq!(spellings("+551133334444"), ["551133334444"]);
        assert_eq!(spellings("+351912345678"), ["351912345678"]);
    }

    #[test]
    fn people_read_numbers_in_groups() {
        let read = |text: &str| text.parse::<PhoneNumber>().unwrap().international();

        assert_eq!(read("+5511967435133"), "+55 11 96743-5133");
        assert_eq!(read("+351912345678"), "+351 912 345 678");
    }

    #[test]
    fn people_write_numbers_in_many_ways() {
        for text in ["+55 (11) 96743-5133", "0055 11 96743.5133", "55/11/967435133"] {
            assert_eq!(PhoneNumber::from_any_format(text).unwrap().digits(), "5511967435133");
        }
        for text in ["", "abc", "+55 11 x", "00"] {
            assert!(PhoneNumber::from_any_format(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_hides_all_but_the_last_digits() {
        let phone: PhoneNumber = "+5511999998888".parse().unwrap();

        assert_eq!(format!("{phone:?}"), "…888");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,24}") {
            if let Ok(phone) = text.parse::<PhoneNumber>() {
                prop_assert_eq!(phone.e164().parse(), Ok(phone));
            }
        }
    }
}
