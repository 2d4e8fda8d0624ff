//! What customers read of messages that fail.

use std::collections::BTreeSet;

use ramal_meta::MESSAGE_ERROR_CODES;

/// The codes in the table of why a message failed.
fn documented() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, table) = page.split_once("\n## Why a message failed\n").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let codes = rows.flat_map(|cell| cell.split(", ")).map(|code| code.trim_matches('`'));
    codes.map(str::to_owned).collect()
}

#[test]
fn every_code_of_a_failed_message_is_documented() {
    let documented = documented();
    for code in MESSAGE_ERROR_CODES {
        assert!(documented.contains(*code), "docs/errors.md does not say what {code} means");
    }
    let known: BTreeSet<&str> = MESSAGE_ERROR_CODES.iter().copied().collect();
    let unknown =
        documented.iter().find(|it| it.starts_with("META_") && !known.contains(it.as_str()));
    assert_eq!(unknown, None, "docs/errors.md has a code that nothing fails with");
}
