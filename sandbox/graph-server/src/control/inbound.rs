//! `/numbers/{id}/messages`: what people write to a business.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    ControlError,
    body::{Json, digits},
    contacts::contact,
};
use crate::{
    GraphServer, graph, ids,
    state::{Received, State as World},
    webhooks,
};

/// The picture that is sent when none is given: one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A message of a person. Keys beyond these are parts of the message as webhooks have it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wish {
    from: String,
    /// The person's name from now on.
    name: Option<String>,
    /// A text, in short.
    text: Option<Value>,
    /// The id of the message that this one quotes.
    quote: Option<String>,
    /// The bytes of a file, in base64.
    base64: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Another id than a new one: the same message again.
    id: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

pub(super) async fn message(
    State(server): State<GraphServer>,
    Path(phone_id): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<impl IntoResponse, ControlError> {
    let base = server.graph_url();
    let told = server.with(|state| write(state, &phone_id, wish, &base))?;
    Ok((StatusCode::CREATED, Json(told)))
}

fn write(state: &mut World, phone_id: &str, wish: Wish, base: &str) -> Result<Value, ControlError> {
    let from = digits(&wish.from)?;
    let number = state.numbers.get(phone_id).ok_or(ControlError::UnknownPhone)?.clone();
    let kind = kind_of(&wish)?;
    let file = file_of(&kind, wish.base64.as_deref())?;
    let (business, hidden) = (state.business_of(&number), state.settings.bsuid_only);
    let person = contact(state, &from);
    if let Some(name) = wish.name {
        person.name = name;
    }
    let person = person.seen_by(&business, hidden);
    let at = state.clock.seconds();
    let mut message = Map::new();
    if !person.hidden {
        message.insert("from".into(), json!(person.wa_id));
    }
    message.insert("from_user_id".into(), json!(person.user_id));
    let id = wish.id.unwrap_or_else(|| ids::inbound_message(&person.wa_id));
    message.insert("id".into(), json!(id));
    message.insert("timestamp".into(), json!(at.to_string()));
    message.insert("type".into(), json!(kind));
    if let Some(quoted) = wish.quote {
        let context = json!({ "from": number.digits, "id": quoted });
        message.insert("context".into(), context);
    }
    message.extend(wish.more);
    match wish.text {
        Some(Value::String(text)) => drop(message.insert("text".into(), json!({ "body": text }))),
        Some(whole) => drop(message.insert("text".into(), whole)),
        None => {}
    }
    if let Some((mime, bytes)) = file {
        attach(state, phone_id, &kind, (&mime, bytes, base), &mut message);
    }
    let mut value = json!({ "messages": [message] });
    // What the system says is nobody's message.
    if let (Some(value), true) = (value.as_object_mut(), kind != "system") {
        value.insert("contacts".into(), json!([webhooks::contact(&person)]));
        state.windows.insert((phone_id.to_owned(), from.clone()), at);
    }
    let received = Received {
        id: id.clone(),
        phone_id: phone_id.to_owned(),
        from,
        message: Value::Object(message),
        at: state.clock.millis(),
        place: state.mint_place(),
        read_at: None,
        typing_at: Vec::new(),
    };
    if !state.received.iter().any(|known| known.id == id) {
        state.received.push(received);
    }
    let webhooks = webhooks::about_number(state, phone_id, "messages", value);
    Ok(json!({ "id": id, "userId": person.user_id, "webhooks": webhooks }))
}

/// The type: as given, or that of the one part that is there.
fn kind_of(wish: &Wish) -> Result<String, ControlError> {
    const PARTS: [&str; 15] = [
        "audio",
        "button",
        "contacts",
        "document",
        "edit",
        "image",
        "interactive",
        "location",
        "order",
        "reaction",
        "revoke",
        "sticker",
        "system",
        "unsupported",
        "video",
    ];
    if let Some(kind) = &wish.kind {
        return Ok(kind.clone());
    }
    if wish.text.is_some() {
        return Ok("text".to_owned());
    }
    let found = PARTS.into_iter().find(|part| wish.more.contains_key(*part));
    found.map(str::to_owned).ok_or_else(|| {
        ControlError::Body("give text, or type and the object of that name".to_owned())
    })
}

/// The file of a media message: its type as a default, and its bytes.
fn file_of(kind: &str, base64: Option<&str>) -> Result<Option<(String, Vec<u8>)>, ControlError> {
    let mime = match kind {
        "image" => "image/png",
        "sticker" => "image/webp",
        "audio" => "audio/ogg; codecs=opus",
        "video" => "video/mp4",
        "document" => "application/pdf",
        _ => return Ok(None),
    };
    let bytes = match base64 {
        Some(given) => STANDARD
            .decode(given)
            .map_err(|error| ControlError::Body(format!("base64: {error}")))?,
        None if kind == "image" => STANDARD.decode(PIXEL).unwrap_or_default(),
        None => format!("the bytes of a {kind}").into_bytes(),
    };
    Ok(Some((mime.to_owned(), bytes)))
}

/// Keeps the file, and fills in what the message says of it.
fn attach(
    state: &mut World,
    phone_id: &str,
    kind: &str,
    (mime, bytes, base): (&str, Vec<u8>, &str),
    message: &mut Map<String, Value>,
) {
    let part = message.entry(kind).or_insert_with(|| json!({}));
    let Some(part) = part.as_object_mut() else { return };
    let mime = part
        .get("mime_type")
        .and_then(Value::as_str)
        .map_or_else(|| mime.to_owned(), str::to_owned);
    let sha256 = STANDARD.encode(Sha256::digest(&bytes));
    let id = graph::keep(state, phone_id, &mime, bytes);
    let url = graph::link(state, &id, base);
    part.insert("mime_type".into(), json!(mime));
    part.insert("sha256".into(), json!(sha256));
    part.insert("id".into(), json!(id));
    part.insert("url".into(), json!(url));
    match kind {
        "audio" => drop(part.entry("voice").or_insert(json!(true))),
        "sticker" => drop(part.entry("animated").or_insert(json!(false))),
        "document" => drop(part.entry("filename").or_insert(json!("document.pdf"))),
        _ => {}
    }
}
