//! `/{phone}/messages`: sending, read receipts, typing.

use serde_json::{Map, Value, json};

use super::{GraphError, Reply, Request, title};
use crate::{
    ids, send,
    state::{Contact, Number, Person, Sent, State, WindowErrors},
    webhooks::statuses,
};

/// Every write says which product it is for.
pub(crate) fn check_product(request: &Request) -> Result<(), GraphError> {
    match request.required("messaging_product")?.to_lowercase().as_str() {
        "whatsapp" => Ok(()),
        _ => Err(GraphError::parameter("Param messaging_product must be one of {WHATSAPP}")),
    }
}

pub(crate) fn post(
    state: &mut State,
    request: &Request,
    fail: Option<i64>,
) -> Result<Reply, GraphError> {
    check_product(request)?;
    if request.json.contains_key("status") {
        return mark_read(state, request);
    }
    let id = request.segment(0);
    let message = &request.json;
    let number =
        state.numbers.get(id).ok_or_else(|| GraphError::unknown_object("post", id))?.clone();
    send::check(message)?;
    let (to, input) = recipient(state, &number, message)?;
    check_sender(&number)?;
    if to.number == number.digits {
        return Err(GraphError::cloud(131_021, "The sender and the recipient are the same."));
    }
    for media in send::media_ids(message) {
        if state.media.get(media).is_none_or(|media| media.phone_id != id) {
            return Err(GraphError::cloud(131_009, format!("Media with id {media} not found.")));
        }
    }
    let is_template = send::kind_of(message)? == "template";
    let category = if is_template {
        let waba = state.wabas.get(&number.waba_id);
        let templates = waba.map(|waba| waba.templates.as_slice()).unwrap_or_default();
        Some(send::check_template(templates, message)?.category)
    } else {
        None
    };
    let in_window = state.window_is_open(id, &to.number);
    let failure = fail.or_else(|| {
        let absent = state.contacts.get(&to.number).is_some_and(|contact| contact.absent);
        absent.then_some(131_026).or((!in_window && !is_template).then_some(131_047))
    });
    if failure == Some(131_047) && state.settings.window_errors == WindowErrors::Sync {
        return Err(GraphError::cloud(131_047, window_details()));
    }
    let sent = Sent {
        id: ids::outbound_message(&to.wa_id),
        phone_id: id.to_owned(),
        to: to.number.clone(),
        by_user_id: message.get("to").is_none(),
        message: Value::Object(message.clone()),
        at: state.clock.millis(),
        place: state.mint_place(),
        status: "accepted",
        changes: Vec::new(),
        category: category.map(|it| it.to_lowercase()),
        in_window,
        told_at: 0,
    };
    let answer = accepted(&sent, &to, &input);
    state.sent.push(sent);
    let index = state.sent.len() - 1;
    statuses::follow(state, index, failure);
    Ok(Reply::Json(answer))
}

fn accepted(sent: &Sent, to: &Person, input: &str) -> Value {
    let contact = if sent.by_user_id {
        json!({ "input": input, "user_id": to.user_id })
    } else {
        json!({ "input": input, "wa_id": to.wa_id })
    };
    let mut message = json!({ "id": sent.id });
    if let (Some(_), Some(message)) = (&sent.category, message.as_object_mut()) {
        message.insert("message_status".into(), json!("accepted"));
    }
    json!({ "messaging_product": "whatsapp", "contacts": [contact], "messages": [message] })
}

pub(crate) fn window_details() -> &'static str {
    "Message failed to send because more than 24 hours have passed since the customer last replied \
     to this number."
}

fn check_sender(number: &Number) -> Result<(), GraphError> {
    if !number.is_registered() {
        let details = "The phone number is not registered on the WhatsApp Business Platform.";
        return Err(GraphError::cloud(133_010, details));
    }
    match number.text("status") {
        "CONNECTED" | "FLAGGED" => Ok(()),
        "BANNED" | "RESTRICTED" => {
            Err(GraphError::cloud(131_031, "The account has been restricted from sending."))
        }
        "RATE_LIMITED" => Err(GraphError::cloud(131_048, "Too many messages were unwanted.")),
        _ => Err(GraphError::cloud(133_010, title(133_010))),
    }
}

/// Whom a message is for, and what was said of them. `to` wins over `recipient`.
fn recipient(
    state: &mut State,
    number: &Number,
    message: &Map<String, Value>,
) -> Result<(Person, String), GraphError> {
    let text = |name: &str| message.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    let business = state.business_of(number);
    let hidden = state.settings.bsuid_only;
    if let Some(to) = text("to") {
        let digits = digits_of(to, number.text("country_dial_code"))?;
        let contact = state.contacts.values().find(|it| it.wa_id.as_deref() == Some(&digits));
        let digits = contact.map_or(digits, |contact| contact.number.clone());
        let known = state.contacts.entry(digits.clone()).or_insert_with(|| Contact::new(&digits));
        return Ok((known.seen_by(&business, hidden), to.to_owned()));
    }
    let Some(user_id) = text("recipient") else {
        return Err(GraphError::parameter("The parameter to is required."));
    };
    state
        .contacts
        .values()
        .map(|contact| contact.seen_by(&business, hidden))
        .find(|person| person.user_id == user_id)
        .map(|person| (person, user_id.to_owned()))
        .ok_or_else(|| {
            GraphError::cloud(131_009, "The recipient is not a user id of this business.")
        })
}

/// Without a `+`, the number is one of the sender's own country.
fn digits_of(to: &str, dial_code: &str) -> Result<String, GraphError> {
    let invalid = || GraphError::cloud(131_009, "Param to is not a valid phone number.");
    if !to.chars().all(|it| it.is_ascii_digit() || "+ -()".contains(it)) {
        return Err(invalid());
    }
    let digits: String = to.chars().filter(char::is_ascii_digit).collect();
    let digits =
        if to.trim_start().starts_with('+') { digits } else { format!("{dial_code}{digits}") };
    if (8..=15).contains(&digits.len()) { Ok(digits) } else { Err(invalid()) }
}

/// A read receipt, and perhaps the sign that an answer is being typed.
fn mark_read(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    if request.required("status")? != "read" {
        return Err(GraphError::parameter("Param status must be one of {READ}"));
    }
    let known = ["messaging_product", "status", "message_id", "typing_indicator"];
    if let Some(key) = request.json.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(GraphError::parameter(format!(
            "Unexpected key \"{key}\" on param \"message\"."
        )));
    }
    let typing = match request.json.get("typing_indicator") {
        None => false,
        Some(indicator) if indicator.get("type") == Some(&json!("text")) => true,
        Some(_) => {
            let sentence = "Param typing_indicator['type'] must be one of {TEXT}";
            return Err(GraphError::parameter(sentence));
        }
    };
    let message_id = request.required("message_id")?;
    let now = state.clock.millis();
    let found = state
        .received
        .iter_mut()
        .find(|message| message.id == message_id && message.phone_id == request.segment(0));
    let Some(found) = found else {
        return Err(GraphError::cloud(131_009, "Message id is invalid."));
    };
    found.read_at.get_or_insert(now);
    if typing {
        found.typing_at.push(now);
    }
    Ok(Reply::success())
}
