//! Contact cards (vCard), as far as they are read: the phone numbers.

/// The phone numbers on a card: as WhatsApp knows them, else as they are written.
pub(super) fn phones(card: &str) -> Vec<String> {
    // A line that begins with a space goes on with the one before.
    let card = card.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    card.lines().filter_map(phone).collect()
}

/// `item1.TEL;type=CELL;waid=5511999990004:+55 11 99999-0004`
fn phone(line: &str) -> Option<String> {
    let (head, value) = line.split_once(':')?;
    let mut parts = head.split(';');
    let property = parts.next()?.rsplit('.').next()?;
    if !property.eq_ignore_ascii_case("tel") {
        return None;
    }
    let known = parts.find_map(|part| {
        let (name, digits) = part.split_once('=')?;
        name.eq_ignore_ascii_case("waid").then_some(digits.trim())
    });
    let is_number =
        |digits: &&str| !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    if let Some(digits) = known.filter(is_number) {
        return Some(format!("+{digits}"));
    }
    let written = value.trim();
    let written = written.strip_prefix("tel:").unwrap_or(written);
    (!written.is_empty()).then(|| written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_however_they_are_written() {
        let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nN:;Ana;;;\r\nFN:Ana\r\n\
            item1.TEL;waid=5511999990004:+55 11 99999-0004\r\nitem1.X-ABLabel:Mobile\r\n\
            TEL;type=HOME;type=VOICE:(11) 3333-\r\n 4444\r\ntel;VALUE=uri;waid=:tel:+1-555\r\n\
            TEL:\r\nTELEX:1\r\nEND:VCARD";
        assert_eq!(phones(card), ["+5511999990004", "(11) 3333-4444", "+1-555"]);
        for none in ["", "TEL", "BEGIN:VCARD\nFN:TEL\nEND:VCARD"] {
            assert_eq!(phones(none), [""; 0]);
        }
    }
}
