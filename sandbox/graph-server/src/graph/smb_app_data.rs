//! `/{phone}/smb_app_data`: a number of the business app shares its contacts and its history, once.

use serde_json::{Value, json};

use super::{GraphError, Reply, Request};
use crate::{ids, state::State, webhooks};

/// So long after it joined, in seconds.
const SYNC_SECONDS: i64 = 24 * 60 * 60;
/// Types of messages that are files.
const FILES: [&str; 5] = ["audio", "document", "image", "sticker", "video"];

pub(crate) fn request(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    super::messages::check_product(request)?;
    let kind = request.required("sync_type")?;
    if !matches!(kind.as_str(), "smb_app_state_sync" | "history") {
        let sentence = "Param sync_type must be one of {smb_app_state_sync, history}";
        return Err(GraphError::parameter(sentence));
    }
    let now = state.clock.seconds();
    let id = request.segment(0).to_owned();
    let number =
        state.numbers.get_mut(&id).ok_or_else(|| GraphError::unknown_object("post", &id))?;
    if !number.is_on_biz_app() {
        return Err(GraphError::cloud(100, "The number is not on the WhatsApp Business app."));
    }
    if now - number.onboarded_at > SYNC_SECONDS {
        let details = "The number joined more than 24 hours ago.";
        return Err(GraphError::cloud(2_593_108, details));
    }
    if !number.syncs.insert(kind.clone()) {
        return Err(GraphError::cloud(2_593_107, "This was requested before."));
    }
    let history = number.history.clone();
    match kind.as_str() {
        "history" => share_history(state, &id, history),
        _ => share_contacts(state, &id),
    }
    let request_id = ids::nonce();
    Ok(Reply::Json(json!({ "messaging_product": "whatsapp", "request_id": request_id })))
}

fn share_contacts(state: &mut State, phone_id: &str) {
    let at = state.clock.seconds().to_string();
    let shared: Vec<Value> = state
        .contacts
        .values()
        .map(|contact| {
            json!({
                "type": "contact",
                "contact": {
                    "full_name": contact.name,
                    "first_name": contact.name.split(' ').next(),
                    "phone_number": contact.number,
                },
                "action": "add",
                "metadata": { "timestamp": at },
            })
        })
        .collect();
    webhooks::about_number(state, phone_id, "smb_app_state_sync", json!({ "state_sync": shared }));
}

/// The threads, and what is in place of them when the owner declines. Files follow by themselves.
fn share_history(state: &mut State, phone_id: &str, mut threads: Option<Value>) {
    let files = threads.as_mut().map(take_files).unwrap_or_default();
    let history = match threads {
        None => json!([{ "errors": [{
            "code": 2_593_109,
            "title": super::title(2_593_109),
            "message": super::title(2_593_109),
            "error_data": { "details": "History sharing is turned off by the business" },
        }] }]),
        Some(threads) => json!([{
            "metadata": { "phase": 0, "chunk_order": 1, "progress": 100 },
            "threads": threads,
        }]),
    };
    webhooks::about_number(state, phone_id, "history", json!({ "history": history }));
    for message in files {
        webhooks::about_number(state, phone_id, "history", json!({ "messages": [message] }));
    }
}

/// Leaves a placeholder for each message with a file, under its id; returns those messages whole.
fn take_files(threads: &mut Value) -> Vec<Value> {
    let threads = threads.as_array_mut().into_iter().flatten();
    let messages = threads.filter_map(|thread| thread.get_mut("messages")?.as_array_mut());
    messages.flatten().filter_map(take_file).collect()
}

fn take_file(message: &mut Value) -> Option<Value> {
    let kind = message.get("type")?.as_str().filter(|kind| FILES.contains(kind))?.to_owned();
    let whole = message.clone();
    let place = message.as_object_mut()?;
    place.remove(&kind);
    place.insert("type".into(), json!("media_placeholder"));
    Some(whole)
}
