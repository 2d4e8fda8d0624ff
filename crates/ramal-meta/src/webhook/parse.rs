//! Takes a body apart.

use ramal_domain::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Change, News, account, message};
use crate::node::{items, phone, text, time, words};

/// A body that is no webhook of WhatsApp's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no webhook of WhatsApp's")]
pub struct NotAWebhook;

/// Takes a body apart. An item that is not understood is [`News::Other`].
///
/// # Errors
///
/// [`NotAWebhook`], when it is not JSON, or not about WhatsApp at all.
pub fn parse(raw: &[u8]) -> Result<Vec<Change>, NotAWebhook> {
    let body = read(raw).ok_or(NotAWebhook)?;
    let is_ours = text(&body, "object").is_some_and(|object| object == "whatsapp_business_account");
    if !is_ours || !body.get("entry").is_some_and(Value::is_array) {
        return Err(NotAWebhook);
    }
    let changes = items(&body, "entry")
        .flat_map(|entry| items(entry, "changes").flat_map(move |change| changes(entry, change)));
    Ok(changes.collect())
}

/// Reads JSON as Meta writes it. A text that Meta cut in the middle of an emoji is mended: refused, it
/// would come again for a week, with all that came beside it.
fn read(raw: &[u8]) -> Option<Value> {
    let mut body =
        serde_json::from_slice(raw).or_else(|_broken| serde_json::from_slice(&mended(raw))).ok()?;
    without_nul(&mut body);
    Some(body)
}

/// Replaces halves of surrogate pairs, `\ud83d` without its other half, by U+FFFD.
fn mended(raw: &[u8]) -> Vec<u8> {
    let unit = |at: usize| -> Option<u16> {
        let digits = raw.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut mended = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let next = unit(at + 6);
        let (keep, length): (Option<&[u8]>, usize) = match (byte, unit(at)) {
            (b'\\', Some(0xd800..=0xdbff)) if matches!(next, Some(0xdc00..=0xdfff)) => {
                (raw.get(at..at + 12), 12)
            }
            (b'\\', Some(0xd800..=0xdfff)) => (Some(b"\\ufffd"), 6),
            // The byte after a backslash is not the beginning of an escape.
            (b'\\', _) => (raw.get(at..raw.len().min(at + 2)), 2),
            _ => (raw.get(at..=at), 1),
        };
        mended.extend_from_slice(keep.unwrap_or_default());
        at += length;
    }
    mended
}

/// Databases refuse NUL in texts.
fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(fields) => fields.values_mut().for_each(without_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Where an item stands.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) field: String,
    pub(super) value: &'a Value,
    pub(super) waba: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) display_phone: Option<String>,
    /// When the entry was made, where Meta says it.
    time: Option<Timestamp>,
}

impl Scope<'_> {
    /// An item that WhatsApp has an id for.
    pub(super) fn known(&self, ids: &[&str], at: Option<Timestamp>, news: News) -> Change {
        let mut hasher = Sha256::new();
        hash_text(&mut hasher, self.phone.as_deref().unwrap_or_default());
        for id in ids {
            hash_text(&mut hasher, id);
        }
        self.change(hasher, at, news)
    }

    /// An item that is only known by what it says.
    pub(super) fn nameless(&self, item: &Value, at: Option<Timestamp>, news: News) -> Change {
        let mut hasher = Sha256::new();
        let time = self.time.map(Timestamp::as_millis).unwrap_or_default();
        for text in [&self.waba, &self.phone, &Some(self.field.clone()), &Some(time.to_string())] {
            hash_text(&mut hasher, text.as_deref().unwrap_or_default());
        }
        hash(&mut hasher, item);
        self.change(hasher, at, news)
    }

    pub(super) fn other(&self, item: &Value) -> Change {
        self.nameless(item, None, News::Other { field: self.field.clone() })
    }

    fn change(&self, hasher: Sha256, at: Option<Timestamp>, news: News) -> Change {
        Change {
            waba: self.waba.clone(),
            phone: self.phone.clone(),
            display_phone: self.display_phone.clone(),
            key: hex::encode(hasher.finalize()),
            at: at.or(self.time).unwrap_or_default(),
            news,
        }
    }
}

fn changes(entry: &Value, change: &Value) -> Vec<Change> {
    let Some(value) = change.get("value") else { return Vec::new() };
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let scope = Scope {
        field: text(change, "field").unwrap_or_default(),
        value,
        waba: words(entry, "id"),
        phone: words(metadata, "phone_number_id"),
        display_phone: phone(metadata, "display_phone_number")
            .or_else(|| phone(value, "display_phone_number")),
        time: time(entry, "time"),
    };
    match scope.field.as_str() {
        "messages" | "smb_message_echoes" | "message_echoes" | "smb_app_state_sync" | "history" => {
            message::changes(&scope)
        }
        _ => vec![account::change(scope)],
    }
}

/// Lengths keep `ab`, `c` and `a`, `bc` apart.
fn hash_text(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text);
}

/// The same for the same JSON, in whatever order its fields stand.
fn hash(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            hasher.update(b"{");
            for (name, value) in fields {
                hash_text(hasher, name);
                hash(hasher, value);
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            for item in items {
                hash(hasher, item);
            }
            hasher.update(b"]");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            hash_text(hasher, &value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_emoji_spoils_nothing() {
        let body = |text: &str| {
            format!(
                r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages",
                "value":{{"messages":[{{"id":"wamid.1","timestamp":"1","type":"text","text":{{"body":"{text}"}}}}]}}}}]}}]}}"#
            )
        };
        let cases = [
            (r"caf\u00e9 \/ ok", "café / ok"),
            (r"\ud83d\ude00", "😀"),
            (r"a\ud83d", "a\u{fffd}"),
            (r"\ude00b\ud83d\ud83d\ude00", "\u{fffd}b\u{fffd}😀"),
            (r"\\ud83d \ud83d", "\\ud83d \u{fffd}"),
            (r"a\u0000b", "ab"),
        ];
        for (written, read) in cases {
            let changes = parse(body(written).as_bytes()).unwrap();
            let News::Message(incoming) = &changes[0].news else { panic!("{changes:?}") };
            assert_eq!(incoming.kind.words().as_deref(), Some(read), "{written}");
        }
    }

    #[test]
    fn what_is_not_about_whatsapp_is_no_webhook() {
        for body in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"object":"page","entry":[]}"#,
            r#"{"object":"whatsapp_business_account"}"#,
            r#"{"object":"whatsapp_business_account","entry":{}}"#,
            r#"{"object":"whatsapp_business_account","entry":[]"#,
        ] {
            assert_eq!(parse(body.as_bytes()), Err(NotAWebhook), "{body}");
        }
        assert_eq!(parse(br#"{"object":"whatsapp_business_account","entry":[]}"#), Ok(Vec::new()));
    }

    #[test]
    fn a_key_knows_what_is_said_and_not_how_it_is_written() {
        let of = |time: u64, value: &str| {
            let body = format!(
                r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","time":{time},
                "changes":[{{"field":"security","value":{value}}}]}}]}}"#
            );
            parse(body.as_bytes()).unwrap().remove(0).key
        };

        assert_eq!(of(1, r#"{"a":1,"b":["\u00e9"]}"#), of(1, r#"{ "b": ["é"], "a": 1 }"#));
        assert_ne!(of(1, r#"{"a":1}"#), of(2, r#"{"a":1}"#));
        assert_ne!(of(1, r#"{"a":["bc"]}"#), of(1, r#"{"a":["b","c"]}"#));
        assert_ne!(of(1, r#"{"a":"1"}"#), of(1, r#"{"a":1}"#));
    }
}
