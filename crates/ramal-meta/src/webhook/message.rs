//! Messages, their statuses, and what the WhatsApp Business app shares.

use std::collections::HashMap;

use ramal_domain::{MediaKind, MessageStatus};
use serde_json::Value;

use super::{
    Change, ContactCard, ContactChange, DeliveryStatus, Incoming, IncomingKind, News, PastItem,
    StatusError, parse::Scope,
};
use crate::node::{is_true, items, phone, text, time, words};

/// Meta's code for an owner who does not share the past.
const HISTORY_DECLINED: i64 = 2_593_109;

/// What a change reports. Each list may be there, whatever the field is called.
pub(super) fn changes(scope: &Scope<'_>) -> Vec<Change> {
    let value = scope.value;
    let mut changes: Vec<Change> = Vec::new();
    let people = People::beside(value);
    let is_past = scope.field == "history";
    for item in items(value, "messages") {
        let change =
            if is_past { past(scope, &people, item, None) } else { message(scope, &people, item) };
        changes.push(change);
    }
    changes.extend(items(value, "message_echoes").map(|item| echo(scope, &people, item)));
    changes.extend(items(value, "statuses").map(|item| status(scope, item)));
    changes.extend(items(value, "state_sync").map(|item| contact(scope, item)));
    for chunk in items(value, "history") {
        changes.extend(history(scope, &people, chunk));
    }
    // Errors in place of messages say that something was lost, and not what.
    changes.extend(items(value, "errors").map(|item| scope.other(item)));
    if changes.is_empty() {
        changes.push(scope.other(value));
    }
    changes
}

/// The other side of a message.
#[derive(Debug, Default)]
struct Side {
    phone: Option<String>,
    user_id: Option<String>,
    name: Option<String>,
}

impl Side {
    fn named(item: &Value, phone_field: &str, user_field: &str) -> Self {
        let phone = phone(item, phone_field);
        let user_id = words(item, user_field)
            .or_else(|| words(item, phone_field).filter(|_| phone.is_none()));
        Self { phone, user_id, name: None }
    }

    fn of_contact(contact: &Value) -> Self {
        let profile = contact.get("profile").unwrap_or(&Value::Null);
        Self {
            phone: phone(contact, "wa_id"),
            user_id: words(contact, "user_id"),
            name: words(profile, "name").or_else(|| words(profile, "username")),
        }
    }
}

/// The people that are named beside the messages, to be found by either name: batches are long.
#[derive(Debug)]
struct People {
    all: Vec<Side>,
    by_phone: HashMap<String, usize>,
    by_user_id: HashMap<String, usize>,
}

impl People {
    fn beside(value: &Value) -> Self {
        let all: Vec<_> = items(value, "contacts").map(Side::of_contact).collect();
        let index = |name: fn(&Side) -> &Option<String>| {
            let named = all.iter().enumerate();
            named.filter_map(|(at, side)| Some((name(side).clone()?, at))).collect()
        };
        let (by_phone, by_user_id) = (index(|side| &side.phone), index(|side| &side.user_id));
        Self { all, by_phone, by_user_id }
    }

    /// Adds what is known of somebody.
    fn complete(&self, side: Side) -> Side {
        let by_phone = side.phone.as_ref().and_then(|phone| self.by_phone.get(phone));
        let by_user_id = side.user_id.as_ref().and_then(|id| self.by_user_id.get(id));
        let found = by_phone.or(by_user_id).and_then(|&at| self.all.get(at));
        // A Brazilian number may be spelled in two ways: of one person it is clear who is meant.
        let only = self.all.first().filter(|_| self.all.len() == 1);
        match found.or(only) {
            Some(person) => Side {
                phone: side.phone.or_else(|| person.phone.clone()),
                user_id: side.user_id.or_else(|| person.user_id.clone()),
                name: side.name.or_else(|| person.name.clone()),
            },
            None => side,
        }
    }
}

fn message(scope: &Scope<'_>, people: &People, item: &Value) -> Change {
    let side = people.complete(Side::named(item, "from", "from_user_id"));
    let Some(incoming) = incoming(item, side) else { return scope.other(item) };
    let at = time(item, "timestamp");
    scope.known(&["message", &incoming.wamid], at, News::Message(incoming.clone()))
}

fn echo(scope: &Scope<'_>, people: &People, item: &Value) -> Change {
    let side = people.complete(Side::named(item, "to", "to_user_id"));
    let Some(incoming) = incoming(item, side) else { return scope.other(item) };
    let at = time(item, "timestamp");
    scope.known(&["echo", &incoming.wamid], at, News::Echo(incoming.clone()))
}

/// One part of the past: threads with messages, or the news that there will be none.
fn history(scope: &Scope<'_>, people: &People, chunk: &Value) -> Vec<Change> {
    let is_declined = items(chunk, "errors")
        .any(|error| error.get("code").and_then(Value::as_i64) == Some(HISTORY_DECLINED));
    if is_declined {
        return vec![scope.nameless(chunk, None, News::HistoryDeclined)];
    }
    let messages: Vec<_> = items(chunk, "threads")
        .flat_map(|thread| {
            items(thread, "messages").map(move |item| past(scope, people, item, Some(thread)))
        })
        .collect();
    if messages.is_empty() { vec![scope.other(chunk)] } else { messages }
}

/// A message of the past. `thread` is who the other side is; media that follow later come without.
fn past(scope: &Scope<'_>, people: &People, item: &Value, thread: Option<&Value>) -> Change {
    let from = phone(item, "from");
    let side = thread.map(|thread| {
        let context = thread.get("context").unwrap_or(&Value::Null);
        let mut side = Side::named(thread, "id", "user_id");
        side.user_id = side.user_id.or_else(|| words(context, "user_id"));
        side.name = words(context, "username");
        side
    });
    let from_me = match (&from, &scope.display_phone, &side) {
        (Some(from), Some(own), _) if from == own => true,
        (Some(from), _, Some(Side { phone: Some(other), .. })) => from != other,
        _ => false,
    };
    let side = side.unwrap_or_else(|| {
        let names = if from_me { ("to", "to_user_id") } else { ("from", "from_user_id") };
        Side::named(item, names.0, names.1)
    });
    let Some(incoming) = incoming(item, people.complete(side)) else {
        return scope.other(item);
    };
    let context = item.get("history_context").unwrap_or(&Value::Null);
    let is_media = matches!(incoming.kind, IncomingKind::Media { .. });
    // The place of media comes first, and then the media, under the same id.
    let ids = ["past", &incoming.wamid, if is_media { "media" } else { "" }];
    let item_of_past =
        PastItem { incoming: incoming.clone(), from_me, status: words(context, "status") };
    scope.known(&ids, time(item, "timestamp"), News::Past(item_of_past))
}

fn contact(scope: &Scope<'_>, item: &Value) -> Change {
    let person = item.get("contact").unwrap_or(&Value::Null);
    let Some(phone) = phone(person, "phone_number") else { return scope.other(item) };
    let metadata = item.get("metadata").unwrap_or(&Value::Null);
    let change = ContactChange {
        phone,
        name: words(person, "full_name").or_else(|| words(person, "first_name")),
        removed: text(item, "action").is_some_and(|action| action == "remove"),
    };
    scope.nameless(item, time(metadata, "timestamp"), News::Contact(change))
}

fn status(scope: &Scope<'_>, item: &Value) -> Change {
    let (Some(wamid), Some(name)) = (words(item, "id"), words(item, "status")) else {
        return scope.other(item);
    };
    let status = match name.as_str() {
        "sent" => MessageStatus::Sent,
        "delivered" => MessageStatus::Delivered,
        "read" | "played" => MessageStatus::Read,
        "failed" => MessageStatus::Failed,
        _ => return scope.other(item),
    };
    let at = time(item, "timestamp");
    let error = items(item, "errors").find_map(|error| {
        Some(StatusError {
            code: error.get("code").and_then(Value::as_i64)?,
            title: words(error, "title").or_else(|| words(error, "message")),
            details: error.get("error_data").and_then(|data| words(data, "details")),
        })
    });
    let recipient = Side::named(item, "recipient_id", "recipient_user_id");
    let change = DeliveryStatus {
        wamid: wamid.clone(),
        status,
        at: at.unwrap_or_default(),
        recipient: recipient.phone,
        recipient_user_id: recipient.user_id,
        tag: words(item, "biz_opaque_callback_data"),
        pricing: pricing(item),
        error,
    };
    scope.known(&["status", &wamid, &name], at, News::Status(change))
}

fn pricing(item: &Value) -> Option<Value> {
    let mut pricing = item.get("pricing")?.as_object()?.clone();
    if let Some(conversation) = item.get("conversation").filter(|it| it.is_object()) {
        pricing.insert("conversation".to_owned(), conversation.clone());
    }
    Some(Value::Object(pricing))
}

fn incoming(item: &Value, side: Side) -> Option<Incoming> {
    Some(Incoming {
        wamid: words(item, "id")?,
        from: side.phone,
        user_id: side.user_id,
        name: side.name,
        at: time(item, "timestamp").unwrap_or_default(),
        kind: kind(item),
        quoted: item.get("context").and_then(|context| words(context, "id")),
        group_id: words(item, "group_id"),
    })
}

fn kind(item: &Value) -> IncomingKind {
    let name = text(item, "type").unwrap_or_default();
    let said = item.get(name.as_str()).unwrap_or(&Value::Null);
    let understood = match name.as_str() {
        "text" => text(said, "body").map(|body| IncomingKind::Text { body }),
        "image" => media(said, MediaKind::Image),
        "video" => media(said, MediaKind::Video),
        "document" => media(said, MediaKind::Document),
        "sticker" => media(said, MediaKind::Sticker),
        "audio" if is_true(said, "voice") => media(said, MediaKind::Voice),
        "audio" | "voice" => media(said, MediaKind::Audio),
        "location" => location(said),
        "contacts" => Some(IncomingKind::Contacts(items(item, "contacts").map(card).collect())),
        "reaction" => words(said, "message_id")
            .map(|message_id| IncomingKind::Reaction { emoji: words(said, "emoji"), message_id }),
        "button" => text(said, "text")
            .map(|text| IncomingKind::Button { text, payload: words(said, "payload") }),
        "interactive" => reply(said),
        "order" => Some(IncomingKind::Order),
        "system" => Some(IncomingKind::System {
            body: words(said, "body"),
            new_wa_id: phone(said, "wa_id").or_else(|| phone(said, "new_wa_id")),
        }),
        "edit" => words(said, "original_message_id").map(|original| {
            let now = said.get("message").map(kind);
            IncomingKind::Edited { original, text: now.and_then(|now| now.words()) }
        }),
        "revoke" => {
            words(said, "original_message_id").map(|original| IncomingKind::Revoked { original })
        }
        _ => None,
    };
    understood.unwrap_or_else(|| IncomingKind::Unsupported { reason: reason(item, name) })
}

fn media(said: &Value, kind: MediaKind) -> Option<IncomingKind> {
    Some(IncomingKind::Media {
        kind,
        id: words(said, "id")?,
        mime: words(said, "mime_type"),
        sha256: words(said, "sha256"),
        caption: words(said, "caption"),
        file_name: words(said, "filename"),
    })
}

fn location(said: &Value) -> Option<IncomingKind> {
    let degrees =
        |name: &str| text(said, name)?.parse::<f64>().ok().filter(|number| number.is_finite());
    Some(IncomingKind::Location {
        latitude: degrees("latitude")?,
        longitude: degrees("longitude")?,
        name: words(said, "name"),
        address: words(said, "address"),
    })
}

fn card(contact: &Value) -> ContactCard {
    let name = contact.get("name").unwrap_or(&Value::Null);
    let phones: Vec<_> = items(contact, "phones")
        .filter_map(|phone| words(phone, "phone").or_else(|| words(phone, "wa_id")))
        .collect();
    ContactCard {
        name: words(name, "formatted_name")
            .or_else(|| words(name, "first_name"))
            .or_else(|| phones.first().cloned())
            .unwrap_or_default(),
        phones,
    }
}

fn reply(said: &Value) -> Option<IncomingKind> {
    let form = said.get("nfm_reply");
    if let Some(form) = form {
        // The answer of a form; what was filled in stays with Meta's own description of it.
        let id = words(form, "name").unwrap_or_else(|| "nfm_reply".to_owned());
        let title = words(form, "body").unwrap_or_default();
        return Some(IncomingKind::Reply { id, title, description: None });
    }
    let reply = said.get("button_reply").or_else(|| said.get("list_reply"))?;
    Some(IncomingKind::Reply {
        id: text(reply, "id")?,
        title: text(reply, "title").unwrap_or_default(),
        description: words(reply, "description"),
    })
}

/// What Meta says of a message that it does not pass on; else the type.
fn reason(item: &Value, name: String) -> String {
    let said = items(item, "errors").find_map(|error| {
        let details = error.get("error_data").and_then(|data| words(data, "details"));
        let title = words(error, "title").or_else(|| words(error, "message"));
        details.or(title)
    });
    said.unwrap_or(name)
}
