//! `/contacts` and `/messages/{id}/status`: people, and what they do with messages.

use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ControlError,
    body::{Json, digits, told},
};
use crate::{
    GraphServer,
    state::{Contact, State as World},
    webhooks::statuses,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Change {
    name: Option<String>,
    username: Option<String>,
    wa_id: Option<String>,
    hidden: Option<bool>,
    absent: Option<bool>,
}

/// Makes or changes a person. The answer has their id for each business portfolio.
pub(super) async fn change(
    State(server): State<GraphServer>,
    Path(number): Path<String>,
    Json(wish): Json<Change>,
) -> Result<Json<Value>, ControlError> {
    let number = digits(&number)?;
    let wa_id = wish.wa_id.as_deref().map(digits).transpose()?;
    Ok(server.with(|state| {
        let contact = contact(state, &number);
        contact.name = wish.name.unwrap_or_else(|| std::mem::take(&mut contact.name));
        contact.username = wish.username.or(contact.username.take());
        contact.wa_id = wa_id.or(contact.wa_id.take());
        contact.hidden = wish.hidden.unwrap_or(contact.hidden);
        contact.absent = wish.absent.unwrap_or(contact.absent);
        let contact = contact.clone();
        let ids: std::collections::BTreeMap<String, String> = state
            .wabas
            .values()
            .map(|waba| waba.business_id.clone())
            .map(|business| (business.clone(), contact.seen_by(&business, false).user_id))
            .collect();
        let mut shown = json!(contact);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("userIds".into(), json!(ids));
        }
        Json(shown)
    }))
}

/// The person with this number; made when nobody has mentioned them.
pub(super) fn contact<'a>(state: &'a mut World, number: &str) -> &'a mut Contact {
    state.contacts.entry(number.to_owned()).or_insert_with(|| Contact::new(number))
}

/// What a person sees, oldest first.
pub(super) async fn messages(
    State(server): State<GraphServer>,
    Path(number): Path<String>,
) -> Result<Json<Vec<Value>>, ControlError> {
    let number = digits(&number)?;
    Ok(Json(server.with(|state| {
        let got = state.sent.iter().filter(|sent| sent.to == number && sent.status != "failed");
        let got = got.map(|sent| {
            let shown = json!({
                "direction": "in", "id": sent.id, "phoneId": sent.phone_id, "type": sent.kind(),
                "status": sent.status, "message": sent.message, "at": sent.at,
            });
            (sent.place, shown)
        });
        let wrote = state.received.iter().filter(|received| received.from == number);
        let wrote = wrote.map(|received| {
            let shown = json!({
                "direction": "out", "id": received.id, "phoneId": received.phone_id,
                "type": received.message.get("type"), "message": received.message,
                "readAt": received.read_at, "typingAt": received.typing_at, "at": received.at,
            });
            (received.place, shown)
        });
        let mut all: Vec<(u64, Value)> = got.chain(wrote).collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, shown)| shown).collect()
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Read {
    /// Only what this number has sent.
    phone_id: Option<String>,
    /// Only this message.
    id: Option<String>,
}

/// A person reads what they have got and not read.
pub(super) async fn read(
    State(server): State<GraphServer>,
    Path(number): Path<String>,
    Json(wish): Json<Read>,
) -> Result<Json<Value>, ControlError> {
    let number = digits(&number)?;
    Ok(server.with(|state| {
        let fits = |wanted: &Option<String>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == value)
        };
        let unread: Vec<(usize, String)> = state
            .sent
            .iter()
            .enumerate()
            .filter(|(_, sent)| sent.to == number && !matches!(sent.status, "read" | "failed"))
            .filter(|(_, sent)| fits(&wish.phone_id, &sent.phone_id) && fits(&wish.id, &sent.id))
            .map(|(index, sent)| (index, sent.id.clone()))
            .collect();
        let mut webhooks = 0;
        for (index, _) in &unread {
            webhooks += statuses::reach(state, *index, "read", None);
        }
        let ids: Vec<&String> = unread.iter().map(|(_, id)| id).collect();
        Json(json!({ "read": ids, "webhooks": webhooks }))
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Status {
    status: String,
    /// Why it failed.
    code: Option<i64>,
}

/// Makes a message reach a status.
pub(super) async fn status(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(wish): Json<Status>,
) -> Result<Json<Value>, ControlError> {
    let known = ["sent", "delivered", "read", "played", "failed"];
    let Some(status) = known.into_iter().find(|known| *known == wish.status) else {
        return Err(ControlError::Body("status: there is no such one".to_owned()));
    };
    let code = if status == "failed" { Some(wish.code.unwrap_or(131_026)) } else { None };
    server.with(|state| {
        let index = state.sent.iter().position(|sent| sent.id == id);
        let index = index.ok_or(ControlError::UnknownMessage)?;
        Ok(told(statuses::reach(state, index, status, code)))
    })
}
