//! Reading Meta's JSON leniently: what has another type than expected is not there.

use ramal_domain::Timestamp;
use serde_json::Value;

/// From here on a number of seconds would lie beyond the year 5000, so it is one of milliseconds.
const MILLIS_FROM: i64 = 100_000_000_000;

/// A text; Meta writes ids as text, and sometimes as numbers.
pub(crate) fn text(node: &Value, name: &str) -> Option<String> {
    match node.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text with something in it.
pub(crate) fn words(node: &Value, name: &str) -> Option<String> {
    text(node, name).filter(|text| !text.is_empty())
}

/// The items of a list.
pub(crate) fn items<'a>(node: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    node.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A claim that is not made is not true.
pub(crate) fn is_true(node: &Value, name: &str) -> bool {
    node.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// A time: seconds, or milliseconds, as a number or as text.
pub(crate) fn time(node: &Value, name: &str) -> Option<Timestamp> {
    let number: i64 = text(node, name)?.parse().ok()?;
    Some(if number < MILLIS_FROM {
        Timestamp::from_secs(number)
    } else {
        Timestamp::from_millis(number)
    })
}

/// The ASCII digits in a text.
pub(crate) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The digits of a phone number, however it is written; nothing if there are letters in it.
pub(crate) fn phone(node: &Value, name: &str) -> Option<String> {
    let text = text(node, name)?;
    let digits = digits(&text);
    (!digits.is_empty() && !text.contains(char::is_alphabetic)).then_some(digits)
}
