//! Messages as Graph wants them, and what Meta would refuse of them.

mod limits;

use ramal_domain::{
    Button, Buttons, Content, FilledTemplate, Header, Media, MediaKind, MediaSource, Menu,
    PhoneNumber, TemplateValue,
};
use serde_json::{Map, Value, json};

pub use self::limits::{ComposeError, check, size_max};

/// Whom a message is for.
#[derive(Clone, Copy, Debug)]
pub enum Recipient<'a> {
    /// A phone number.
    Phone(&'a PhoneNumber),
    /// A user whose phone number is not known, by the id that Meta gives a business (BSUID).
    User(&'a str),
}

/// The body of a request to `/messages`.
///
/// `uploaded` is the id of the content's media where they are not at an address; `reply_to` the message
/// that this one answers; `tag` comes back with the statuses, or is empty.
pub fn message(
    to: Recipient<'_>,
    content: &Content,
    uploaded: Option<&str>,
    reply_to: Option<&str>,
    tag: &str,
) -> Value {
    let (kind, said) = match content {
        Content::Text { body } => ("text", json!({"body": body})),
        Content::Media(media) => (graph_type(media.kind), media_object(media, uploaded)),
        Content::Template(template) => ("template", template_object(template, uploaded)),
        Content::Buttons(buttons) => ("interactive", buttons_object(buttons, uploaded)),
        Content::List(menu) => ("interactive", menu_object(menu)),
    };
    let mut message = Map::new();
    let mut set = |name: &str, value: Value| {
        message.insert(name.to_owned(), value);
    };
    set("messaging_product", "whatsapp".into());
    set("recipient_type", "individual".into());
    match to {
        // Without the plus, Meta puts the sender's own country before it.
        Recipient::Phone(phone) => set("to", phone.e164().into()),
        Recipient::User(id) => set("recipient", id.into()),
    }
    if let Some(wamid) = reply_to {
        set("context", json!({"message_id": wamid}));
    }
    if !tag.is_empty() {
        set("biz_opaque_callback_data", tag.into());
    }
    set("type", kind.into());
    set(kind, said);
    Value::Object(message)
}

/// What Graph calls a kind of media: a voice message is a sound there.
const fn graph_type(kind: MediaKind) -> &'static str {
    kind.event_type()
}

/// Media alone: with their words, name and manner.
fn media_object(media: &Media, uploaded: Option<&str>) -> Value {
    let mut object = source_object(media, uploaded);
    if let Some(caption) = media.caption.as_deref().filter(|caption| !caption.is_empty()) {
        object.insert("caption".to_owned(), caption.into());
    }
    if media.kind == MediaKind::Voice && may_be_voice(&media.source) {
        object.insert("voice".to_owned(), true.into());
    }
    Value::Object(object)
}

/// Where media are, and what a document is called.
fn source_object(media: &Media, uploaded: Option<&str>) -> Map<String, Value> {
    let mut object = Map::new();
    let (name, place) = match (uploaded, &media.source) {
        (Some(id), _) => ("id", id),
        (None, MediaSource::Link(url)) => ("link", url.as_str()),
        // Meta says that this is no id.
        (None, MediaSource::Stored { .. }) => ("id", ""),
    };
    object.insert(name.to_owned(), place.into());
    if let (MediaKind::Document, Some(name)) = (media.kind, &media.file_name) {
        object.insert("filename".to_owned(), name.as_str().into());
    }
    object
}

/// Meta shows Ogg as a voice message, and nothing else; other sounds go as sounds.
fn may_be_voice(source: &MediaSource) -> bool {
    match source {
        MediaSource::Link(_) => true,
        MediaSource::Stored { mime } => limits::essence(mime) == "audio/ogg",
    }
}

/// Media in a header, of a template or above buttons.
fn header_media(media: &Media, uploaded: Option<&str>) -> Value {
    let kind = graph_type(media.kind);
    let mut header = Map::new();
    header.insert("type".to_owned(), kind.into());
    header.insert(kind.to_owned(), Value::Object(source_object(media, uploaded)));
    Value::Object(header)
}

fn template_object(template: &FilledTemplate, uploaded: Option<&str>) -> Value {
    let mut components = Vec::new();
    let header: Vec<Value> = match &template.header {
        Some(media) => vec![header_media(media, uploaded)],
        None => template.header_values.iter().map(parameter).collect(),
    };
    if !header.is_empty() {
        components.push(json!({"type": "header", "parameters": header}));
    }
    if !template.body_values.is_empty() {
        let values: Vec<_> = template.body_values.iter().map(parameter).collect();
        components.push(json!({"type": "body", "parameters": values}));
    }
    for (index, ending) in &template.button_values {
        components.push(json!({
            "type": "button",
            "sub_type": "url",
            "index": index.to_string(),
            "parameters": [{"type": "text", "text": ending}],
        }));
    }
    let mut object = json!({"name": template.name, "language": {"code": template.language}});
    if let (Some(object), false) = (object.as_object_mut(), components.is_empty()) {
        object.insert("components".to_owned(), components.into());
    }
    object
}

fn parameter(value: &TemplateValue) -> Value {
    match &value.name {
        Some(name) => json!({"type": "text", "parameter_name": name, "text": value.value}),
        None => json!({"type": "text", "text": value.value}),
    }
}

fn buttons_object(buttons: &Buttons, uploaded: Option<&str>) -> Value {
    let header = buttons.header.as_ref().map(|header| match header {
        Header::Text(text) => json!({"type": "text", "text": text}),
        Header::Media(media) => header_media(media, uploaded),
    });
    let (kind, action) = match buttons.buttons.as_slice() {
        [Button::Url { label, url }] => (
            "cta_url",
            json!({"name": "cta_url", "parameters": {"display_text": label, "url": url}}),
        ),
        all => {
            let replies: Vec<_> = all.iter().map(reply_button).collect();
            ("button", json!({"buttons": replies}))
        }
    };
    interactive(kind, header, &buttons.body, buttons.footer.as_deref(), action)
}

/// `check` has refused links beside other buttons.
fn reply_button(button: &Button) -> Value {
    let (id, title) = match button {
        Button::Reply { id, label } => (id, label),
        Button::Url { label, url } => (url, label),
    };
    json!({"type": "reply", "reply": {"id": id, "title": title}})
}

fn menu_object(menu: &Menu) -> Value {
    let sections: Vec<_> = menu
        .sections
        .iter()
        .map(|section| {
            let rows: Vec<_> = section
                .rows
                .iter()
                .map(|row| match row.description.as_deref().filter(|text| !text.is_empty()) {
                    Some(text) => json!({"id": row.id, "title": row.title, "description": text}),
                    None => json!({"id": row.id, "title": row.title}),
                })
                .collect();
            if section.title.is_empty() {
                json!({"rows": rows})
            } else {
                json!({"title": section.title, "rows": rows})
            }
        })
        .collect();
    let action = json!({"button": menu.button_text, "sections": sections});
    interactive("list", None, &menu.body, menu.footer.as_deref(), action)
}

fn interactive(
    kind: &str,
    header: Option<Value>,
    body: &str,
    footer: Option<&str>,
    action: Value,
) -> Value {
    let mut object = Map::new();
    object.insert("type".to_owned(), kind.into());
    if let Some(header) = header {
        object.insert("header".to_owned(), header);
    }
    object.insert("body".to_owned(), json!({"text": body}));
    if let Some(footer) = footer.filter(|footer| !footer.is_empty()) {
        object.insert("footer".to_owned(), json!({"text": footer}));
    }
    object.insert("action".to_owned(), action);
    Value::Object(object)
}
