//! Keys of session records: parts that peers may have chosen, joined so that no two lists of parts
//! share a key.

use std::fmt::Write as _;

/// Between parts; escaped inside them.
const SEPARATOR: char = '/';

/// Joins `parts`. Control characters are escaped as well: PostgreSQL refuses NUL in text, and a peer
/// that names a message so must not be able to block the queue.
pub(super) fn join(parts: &[&str]) -> String {
    let mut key = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            key.push(SEPARATOR);
        }
        for symbol in part.chars() {
            if symbol == SEPARATOR || symbol == '%' || symbol.is_control() {
                // Writing to a String cannot fail.
                let _infallible = write!(key, "%{:02X};", u32::from(symbol));
            } else {
                key.push(symbol);
            }
        }
    }
    key
}

/// What all keys start with whose first part is `part`.
pub(super) fn prefix(part: &str) -> String {
    let mut key = join(&[part]);
    key.push(SEPARATOR);
    key
}

/// A number as a key; sorts as numbers do.
pub(super) fn number(id: u32) -> String {
    format!("{id:010}")
}

/// Bytes as a key part.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_parts_never_share_a_key() {
        let keys = [
            join(&["a", "b"]),
            join(&["a/b"]),
            join(&["a%2F;b"]),
            join(&["a", "", "b"]),
            join(&["a", "b", ""]),
            join(&["", "a", "b"]),
        ];

        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{key}");
        }
    }

    #[test]
    fn a_prefix_finds_its_own_part_only() {
        assert!(join(&["group", "device"]).starts_with(&prefix("group")));
        assert!(!join(&["group2", "device"]).starts_with(&prefix("group")));
    }

    #[test]
    fn no_control_character_reaches_the_database() {
        assert_eq!(join(&["a\0b\n"]), "a%00;b%0A;");
    }

    #[test]
    fn numbers_sort_as_numbers() {
        assert!(number(9) < number(10));
        assert!(number(999_999) < number(u32::MAX));
    }
}
