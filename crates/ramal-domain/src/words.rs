//! What is written for what is no text: places, and people.

/// A place in words: what it is called, if it is called anything, and where it is, in degrees north and
/// east.
pub fn place_words(name: Option<&str>, latitude: f64, longitude: f64) -> String {
    match name.filter(|name| !name.trim().is_empty()) {
        Some(name) => format!("{name} ({latitude}, {longitude})"),
        None => format!("{latitude},{longitude}"),
    }
}

/// A contact card in words: the name, and the phone numbers as they are written. Empty if there is
/// neither.
pub fn person_words(name: Option<&str>, phones: &[String]) -> String {
    let phones = phones.join(", ");
    match name.filter(|name| !name.trim().is_empty()) {
        // Who has no name is often called by the number.
        Some(name) if phones.is_empty() || name == phones => name.to_owned(),
        Some(name) => format!("{name} ({phones})"),
        None => phones,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_where_it_is() {
        assert_eq!(place_words(Some("MASP"), -23.561, -46.656), "MASP (-23.561, -46.656)");
        for nameless in [None, Some(""), Some(" ")] {
            assert_eq!(place_words(nameless, -23.5, 7.0), "-23.5,7");
        }
    }

    #[test]
    fn a_person_comes_with_every_number() {
        let phones = |phones: &[&str]| phones.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let one = phones(&["+5511999990004"]);
        assert_eq!(person_words(Some("Ana"), &one), "Ana (+5511999990004)");
        assert_eq!(person_words(Some("Ana"), &phones(&["+1", "+2"])), "Ana (+1, +2)");
        assert_eq!(person_words(Some("Ana"), &[]), "Ana");
        assert_eq!(person_words(Some("+5511999990004"), &one), "+5511999990004");
        assert_eq!(person_words(None, &one), "+5511999990004");
        assert_eq!(person_words(Some(" "), &[]), "");
    }
}
