//! The body of `POST /{phone}/messages`.

use serde_json::{Map, Value};

use super::part::{Part, invalid, missing};
use crate::graph::GraphError;

const TYPES: [&str; 11] = [
    "audio",
    "contacts",
    "document",
    "image",
    "interactive",
    "location",
    "reaction",
    "sticker",
    "template",
    "text",
    "video",
];
const ENVELOPE: [&str; 9] = [
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
    "recipient_identity_key_hash",
    "ttl",
];
const CAPTION: usize = 1024;
/// The lists of a contact: what an entry must hold, and what it may hold.
const CONTACT_LISTS: [(&str, &[&str], &[&str]); 4] = [
    ("phones", &["phone"], &["wa_id"]),
    ("emails", &["email"], &[]),
    ("urls", &["url"], &[]),
    ("addresses", &[], &["city", "country", "country_code", "state", "street", "zip"]),
];

/// The type of a message; texts need not say it.
pub(crate) fn kind_of(message: &Map<String, Value>) -> Result<&str, GraphError> {
    match message.get("type") {
        None => Ok("text"),
        Some(Value::String(kind)) if TYPES.contains(&kind.as_str()) => Ok(kind),
        Some(other) => {
            let shown = other.as_str().map_or_else(|| other.to_string(), str::to_uppercase);
            let types = TYPES.map(str::to_uppercase).join(", ");
            Err(GraphError::parameter(format!(
                "Param type must be one of {{{types}}} - got \"{shown}\"."
            )))
        }
    }
}

/// Checks a whole message, but not whether the template exists.
pub(crate) fn check(message: &Map<String, Value>) -> Result<(), GraphError> {
    let kind = kind_of(message)?;
    let whole = Part { name: "message", object: message };
    let known: Vec<&str> = ENVELOPE.into_iter().chain([kind]).collect();
    whole.keys(&known)?;
    match whole.text_if_any("recipient_type", 20)? {
        None | Some("individual") => {}
        Some(other) => return Err(invalid(format!("recipient_type {other} is not supported."))),
    }
    whole.text_if_any("biz_opaque_callback_data", 512)?;
    if message.contains_key("context") {
        let context = whole.part("context")?;
        context.keys(&["message_id"])?;
        context.text("message_id", 512)?;
    }
    match message.get(kind) {
        None => return Err(missing(format!("Parameter '{kind}' is mandatory for type '{kind}'"))),
        Some(Value::Array(_)) if kind == "contacts" => return contacts(whole),
        Some(_) => {}
    }
    let part = whole.part(kind)?;
    match kind {
        "text" => {
            part.keys(&["body", "preview_url"])?;
            part.text("body", 4096).map(drop)
        }
        "image" | "video" => media(part, &["caption"]),
        "audio" => media(part, &["voice"]),
        "document" => media(part, &["caption", "filename"]),
        "sticker" => media(part, &[]),
        "location" => location(part),
        "reaction" => {
            part.keys(&["message_id", "emoji"])?;
            part.text("message_id", 512)?;
            // Empty: the reaction is taken back.
            let emoji = part.text_if_any("emoji", 32)?;
            emoji.map(drop).ok_or_else(|| missing("Parameter 'emoji' is mandatory."))
        }
        "interactive" => interactive(part),
        "template" => template(part),
        _ => Err(GraphError::parameter("Param contacts must be a JSON array.")),
    }
}

fn media(part: Part<'_>, more: &[&str]) -> Result<(), GraphError> {
    let known: Vec<&str> = ["id", "link"].into_iter().chain(more.iter().copied()).collect();
    part.keys(&known)?;
    part.text_if_any("caption", CAPTION)?;
    part.text_if_any("filename", 240)?;
    let (id, link) = (part.text_if_any("id", 64)?, part.text_if_any("link", 2048)?);
    match (id, link) {
        (Some(_), None) => Ok(()),
        (None, Some(link)) if link.starts_with("http://") || link.starts_with("https://") => Ok(()),
        (None, Some(_)) => Err(invalid(format!("Param {}['link'] is not an address.", part.name))),
        (Some(_), Some(_)) => {
            let sentence = format!("Only one of id and link is allowed on param {}.", part.name);
            Err(GraphError::parameter(sentence))
        }
        (None, None) => {
            let sentence = format!("One of id or link is required on param {}.", part.name);
            Err(GraphError::parameter(sentence))
        }
    }
}

fn location(part: Part<'_>) -> Result<(), GraphError> {
    part.keys(&["latitude", "longitude", "name", "address"])?;
    for (name, most) in [("latitude", 90.0), ("longitude", 180.0)] {
        let degrees = part.object.get(name).and_then(|value| match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        if degrees.is_none_or(|degrees| degrees.abs() > most) {
            return Err(invalid(format!("Param location['{name}'] must be in degrees.")));
        }
    }
    part.text_if_any("name", 1000)?;
    part.text_if_any("address", 1000).map(drop)
}

fn contacts(whole: Part<'_>) -> Result<(), GraphError> {
    for contact in whole.parts("contacts", 1..=257)? {
        contact.keys(&["addresses", "birthday", "emails", "name", "org", "phones", "urls"])?;
        contact.text_if_any("birthday", 10)?;
        let name = contact.part("name")?;
        name.text("formatted_name", 1000)?;
        texts(
            name,
            &["formatted_name", "first_name", "last_name", "middle_name", "prefix", "suffix"],
        )?;
        for (list, own, rest) in CONTACT_LISTS {
            if !contact.object.contains_key(list) {
                continue;
            }
            for entry in contact.parts(list, 0..=50)? {
                let known: Vec<&str> = ["type"].iter().chain(own).chain(rest).copied().collect();
                texts(entry, &known)?;
                if let Some(own) = own.first() {
                    entry.text(own, 1000)?;
                }
                if !matches!(entry.text_if_any("type", 20)?, None | Some("HOME" | "WORK")) {
                    let sentence = format!("Param {list}['type'] must be one of {{HOME, WORK}}");
                    return Err(GraphError::parameter(sentence));
                }
            }
        }
        if contact.object.contains_key("org") {
            texts(contact.part("org")?, &["company", "department", "title"])?;
        }
    }
    Ok(())
}

/// An object of these texts and nothing else; none must be there.
fn texts(part: Part<'_>, known: &[&str]) -> Result<(), GraphError> {
    part.keys(known)?;
    known.iter().try_for_each(|key| part.text_if_any(key, 1000).map(drop))
}

fn interactive(part: Part<'_>) -> Result<(), GraphError> {
    part.keys(&["type", "header", "body", "footer", "action"])?;
    let kind = part.text("type", 40)?;
    part.part("body")?.text("text", 1024)?;
    if part.object.contains_key("footer") {
        part.part("footer")?.text("text", 60)?;
    }
    if part.object.contains_key("header") {
        header(part.part("header")?)?;
    }
    let action = part.part("action")?;
    match kind {
        "button" => buttons(action),
        "list" => sections(action),
        "cta_url" => {
            if action.text("name", 20)? != "cta_url" {
                return Err(GraphError::parameter("Param action['name'] must be one of {cta_url}"));
            }
            let parameters = action.part("parameters")?;
            parameters.text("display_text", 20)?;
            parameters.text("url", 2000).map(drop)
        }
        "location_request_message" => action.text("name", 20).map(drop),
        other => {
            let sentence = format!("Param interactive['type'] is not supported here: {other}");
            Err(GraphError::parameter(sentence))
        }
    }
}

fn header(header: Part<'_>) -> Result<(), GraphError> {
    match header.text("type", 20)? {
        "text" => header.text("text", 60).map(drop),
        kind @ ("image" | "video") => media(header.part(kind)?, &[]),
        kind @ "document" => media(header.part(kind)?, &["filename"]),
        other => {
            let sentence = format!(
                "Param header['type'] must be one of {{text, image, video, document}} - got {other}"
            );
            Err(GraphError::parameter(sentence))
        }
    }
}

fn buttons(action: Part<'_>) -> Result<(), GraphError> {
    let mut ids = Vec::new();
    for button in action.parts("buttons", 1..=3)? {
        if button.text("type", 20)? != "reply" {
            return Err(GraphError::parameter("Param buttons['type'] must be one of {reply}"));
        }
        let reply = button.part("reply")?;
        let (id, title) = (reply.text("id", 256)?, reply.text("title", 20)?);
        if ids.iter().any(|known: &(&str, &str)| known.0 == id || known.1 == title) {
            return Err(invalid("Ids and titles of buttons must be unique."));
        }
        ids.push((id, title));
    }
    Ok(())
}

fn sections(action: Part<'_>) -> Result<(), GraphError> {
    action.text("button", 20)?;
    let sections = action.parts("sections", 1..=10)?;
    let (several, mut ids) = (sections.len() > 1, Vec::new());
    for section in sections {
        if several {
            section.text("title", 24)?;
        } else {
            section.text_if_any("title", 24)?;
        }
        for row in section.parts("rows", 1..=10)? {
            row.text("title", 24)?;
            row.text_if_any("description", 72)?;
            let id = row.text("id", 200)?;
            if ids.contains(&id) {
                return Err(invalid("Ids of rows must be unique."));
            }
            ids.push(id);
        }
    }
    if ids.len() > 10 {
        return Err(invalid("A list has at most 10 rows in all its sections."));
    }
    Ok(())
}

fn template(part: Part<'_>) -> Result<(), GraphError> {
    part.keys(&["name", "language", "components", "namespace"])?;
    part.text("name", 512)?;
    part.part("language")?.text("code", 20)?;
    if !part.object.contains_key("components") {
        return Ok(());
    }
    for component in part.parts("components", 0..=20)? {
        let kind = component.text("type", 40)?.to_lowercase();
        if !matches!(kind.as_str(), "header" | "body" | "button") {
            let sentence = format!("Param components['type'] is not supported here: {kind}");
            return Err(GraphError::parameter(sentence));
        }
        if kind == "button" {
            component.text("sub_type", 40)?;
            if !component.object.contains_key("index") {
                return Err(missing("Parameter 'index' is mandatory for buttons."));
            }
        }
        if component.object.contains_key("parameters") {
            for parameter in component.parts("parameters", 0..=50)? {
                parameter.text("type", 40)?;
            }
        }
    }
    Ok(())
}

/// The ids of the uploaded files that a message names.
pub(crate) fn media_ids(message: &Map<String, Value>) -> Vec<&str> {
    let Ok(kind) = kind_of(message) else { return Vec::new() };
    let header = message.get("interactive").and_then(|part| part.get("header"));
    let in_header = ["image", "video", "document"].into_iter().filter_map(|kind| header?.get(kind));
    let own = message.get(kind).filter(|_| kind != "template" && kind != "interactive");
    own.into_iter().chain(in_header).filter_map(|part| part.get("id")?.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::check;

    fn code(mut message: Value) -> Option<i64> {
        message["messaging_product"] = json!("whatsapp");
        message["to"] = json!("+16505551234");
        check(message.as_object().unwrap()).err().map(|error| error.code)
    }

    #[test]
    fn messages_as_the_dossier_has_them_are_taken() {
        for message in [
            json!({ "type": "text", "text": { "body": "hi", "preview_url": false } }),
            json!({ "text": { "body": "hi" } }),
            json!({ "type": "image", "image": { "link": "https://e/x.png", "caption": "c" } }),
            json!({ "type": "document", "document": { "id": "1", "filename": "a.pdf" } }),
            json!({ "type": "reaction", "reaction": { "message_id": "wamid.x", "emoji": "" } }),
            json!({ "type": "location", "location": { "latitude": 1.5, "longitude": 2.5 } }),
            json!({ "type": "contacts", "contacts": [{ "name": { "formatted_name": "J" } }] }),
            json!({ "type": "template",
                "template": { "name": "hello_world", "language": { "code": "en_US" } } }),
            json!({ "type": "interactive", "interactive": { "type": "button",
                "body": { "text": "q" }, "action": { "buttons": [
                    { "type": "reply", "reply": { "id": "a", "title": "A" } }] } } }),
            json!({ "type": "interactive", "interactive": { "type": "list",
                "body": { "text": "q" }, "action": { "button": "Menu", "sections": [
                    { "rows": [{ "id": "1", "title": "R" }] }] } } }),
            json!({ "type": "interactive", "interactive": { "type": "cta_url",
                "body": { "text": "q" }, "action": { "name": "cta_url", "parameters":
                    { "display_text": "Go", "url": "https://e" } } } }),
        ] {
            assert_eq!(code(message.clone()), None, "{message}");
        }
    }

    #[test]
    fn each_mistake_has_its_code() {
        let button =
            |title: &str| json!({ "type": "reply", "reply": { "id": title, "title": title } });
        let asked = |buttons: Value| {
            json!({ "type": "interactive", "interactive": { "type": "button",
                "body": { "text": "q" }, "action": { "buttons": buttons } } })
        };
        for (expected, message) in [
            (131_008, json!({ "type": "text" })),
            (131_008, json!({ "type": "image", "text": { "body": "hi" } }).take_key("text")),
            (100, json!({ "type": "image", "text": { "body": "hi" } })),
            (100, json!({ "type": "text", "text": { "body": "hi" }, "foo": 1 })),
            (100, json!({ "type": "text", "text": { "bdy": "hi" } })),
            (100, json!({ "type": "text", "text": { "body": "" } })),
            (100, json!({ "type": "text", "text": { "body": "x".repeat(4097) } })),
            (100, json!({ "type": "poem", "poem": {} })),
            (100, json!({ "type": "image", "image": { "caption": "c" } })),
            (100, json!({ "type": "image", "image": { "id": "1", "link": "https://e" } })),
            (100, json!({ "type": "audio", "audio": { "id": "1", "caption": "c" } })),
            (131_009, json!({ "type": "image", "image": { "link": "file:///x" } })),
            (
                131_009,
                json!({ "type": "location", "location": { "latitude": 91, "longitude": 0 } }),
            ),
            (131_008, json!({ "type": "template", "template": { "name": "x" } })),
            (100, asked(json!([button(&"A".repeat(21))]))),
            (131_009, asked(json!([button("1"), button("2"), button("3"), button("4")]))),
            (131_009, asked(json!([button("1"), button("1")]))),
        ] {
            assert_eq!(code(message.clone()), Some(expected), "{message}");
        }
    }

    trait TakeKey {
        fn take_key(self, key: &str) -> Self;
    }

    impl TakeKey for Value {
        fn take_key(mut self, key: &str) -> Self {
            self.as_object_mut().unwrap().remove(key);
            self
        }
    }
}
