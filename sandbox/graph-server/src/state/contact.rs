//! The people on the other side.

use serde::Serialize;

use crate::ids;

/// A person with WhatsApp, known by the phone number.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact {
    /// In digits.
    pub(crate) number: String,
    pub(crate) name: String,
    pub(crate) username: Option<String>,
    /// WhatsApp's name for the number where it differs, as in Brazil and Mexico.
    pub(crate) wa_id: Option<String>,
    /// Businesses do not see the number.
    pub(crate) hidden: bool,
    /// Not on WhatsApp: what is sent there fails.
    pub(crate) absent: bool,
}

/// A person as one business sees them.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// In digits: what this server knows them by.
    pub(crate) number: String,
    pub(crate) wa_id: String,
    pub(crate) user_id: String,
    pub(crate) name: String,
    pub(crate) username: Option<String>,
    pub(crate) hidden: bool,
}

impl Contact {
    pub(crate) fn new(number: &str) -> Self {
        let tail: Vec<char> = number.chars().rev().take(4).collect();
        let name = format!("Contact {}", tail.iter().rev().collect::<String>());
        let number = number.to_owned();
        Self { number, name, username: None, wa_id: None, hidden: false, absent: false }
    }

    /// As a business sees them; `hidden` hides everybody's number.
    pub(crate) fn seen_by(&self, business: &str, hidden: bool) -> Person {
        let (country, _) = country(&self.number);
        Person {
            number: self.number.clone(),
            wa_id: self.wa_id.clone().unwrap_or_else(|| self.number.clone()),
            user_id: ids::business_scoped(country, business, &self.number),
            name: self.name.clone(),
            username: self.username.clone(),
            hidden: hidden || self.hidden,
        }
    }
}

/// The country and the dialling code of a number in digits; of the larger countries only.
pub(crate) fn country(digits: &str) -> (&'static str, &'static str) {
    const CODES: [(&str, &str); 20] = [
        ("351", "PT"),
        ("27", "ZA"),
        ("31", "NL"),
        ("33", "FR"),
        ("34", "ES"),
        ("39", "IT"),
        ("44", "GB"),
        ("49", "DE"),
        ("51", "PE"),
        ("52", "MX"),
        ("54", "AR"),
        ("55", "BR"),
        ("56", "CL"),
        ("57", "CO"),
        ("61", "AU"),
        ("62", "ID"),
        ("81", "JP"),
        ("91", "IN"),
        ("7", "KZ"),
        ("1", "US"),
    ];
    let found = CODES.iter().find(|(code, _)| digits.starts_with(code));
    found.map_or(("ZZ", ""), |(code, country)| (*country, *code))
}

/// A number in digits as people write it: `+1 631-555-5555`, `+55 11 99999-0001`.
pub(crate) fn display(digits: &str) -> String {
    let (_, code) = country(digits);
    let rest = digits.strip_prefix(code).unwrap_or(digits);
    let area = if code == "1" { 3 } else { 2 };
    let length = rest.chars().count();
    if code.is_empty() || length < area + 5 {
        return format!("+{code} {rest}").replace("+ ", "+");
    }
    let mut shown = format!("+{code} ");
    for (index, digit) in rest.chars().enumerate() {
        if index == area {
            shown.push(if code == "1" { '-' } else { ' ' });
        }
        if index == length - 4 {
            shown.push('-');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{Contact, display};

    #[test]
    fn numbers_are_shown_as_people_write_them() {
        assert_eq!(display("16315555555"), "+1 631-555-5555");
        assert_eq!(display("5511999990001"), "+55 11 99999-0001");
        assert_eq!(display("9991"), "+9991");
    }

    #[test]
    fn a_person_has_one_id_for_each_business_portfolio() {
        let contact = Contact::new("16505551234");

        let (one, other) = (contact.seen_by("1", false), contact.seen_by("2", false));

        assert_eq!(one.user_id, contact.seen_by("1", true).user_id);
        assert_ne!(one.user_id, other.user_id);
        assert!(one.user_id.starts_with("US."));
    }
}
