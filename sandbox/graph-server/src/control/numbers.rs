//! `/numbers`: phone numbers of businesses, and what Meta says of them.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ControlError,
    account::Raw,
    body::{Json, merge, told},
    business::free_number,
};
use crate::{GraphServer, state::Number, webhooks};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Create {
    waba_id: String,
    number: Option<String>,
    name: Option<String>,
    registered: Option<bool>,
    pin: Option<String>,
    #[serde(default)]
    phone: Map<String, Value>,
}

pub(super) async fn create(
    State(server): State<GraphServer>,
    Json(wish): Json<Create>,
) -> Result<impl IntoResponse, ControlError> {
    let made = server.with(|state| {
        let waba = state.wabas.get(&wish.waba_id).ok_or(ControlError::UnknownWaba)?;
        let name = wish.name.unwrap_or_else(|| waba.name().to_owned());
        let digits = match &wish.number {
            Some(number) => free_number(state, number)?,
            None => state.mint_number(),
        };
        let id = state.mint_id();
        let mut number = Number::new(id.clone(), wish.waba_id, digits, &name, &state.clock);
        if wish.registered == Some(false) {
            number.unregister();
        }
        number.pin = wish.pin;
        merge(&mut number.node, wish.phone)?;
        state.numbers.insert(id, number.clone());
        Ok::<Number, ControlError>(number)
    })?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Changes fields of the node, `pin` and `onboardedAt`, without telling anybody.
pub(super) async fn change(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(mut changes): Json<Map<String, Value>>,
) -> Result<Json<Number>, ControlError> {
    let pin = match changes.remove("pin") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(Value::String(pin)) => Some(Some(pin)),
        Some(_) => return Err(ControlError::Body("pin is a string or null".to_owned())),
    };
    server.with(|state| {
        let number = state.numbers.get_mut(&id).ok_or(ControlError::UnknownPhone)?;
        let joins = changes.get("is_on_biz_app") == Some(&json!(true)) && !number.is_on_biz_app();
        merge(&mut number.node, changes)?;
        number.pin = pin.unwrap_or(number.pin.take());
        if joins {
            number.onboarded_at = state.clock.seconds();
            number.syncs.clear();
        }
        Ok(Json(number.clone()))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Quality {
    event: Option<String>,
    /// The new rating, which the node shows.
    rating: Option<String>,
    current_limit: Option<String>,
    old_limit: Option<String>,
}

/// Changes the quality: the node shows it, and `phone_number_quality_update` is posted.
pub(super) async fn quality(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(wish): Json<Quality>,
) -> Result<Json<Value>, ControlError> {
    server.with(|state| {
        let number = state.numbers.get_mut(&id).ok_or(ControlError::UnknownPhone)?;
        let limit_field = "whatsapp_business_manager_messaging_limit";
        let before = wish.old_limit.unwrap_or_else(|| number.text(limit_field).to_owned());
        let limit = wish.current_limit.unwrap_or_else(|| before.clone());
        if let Some(rating) = &wish.rating {
            number.set("quality_rating", json!(rating));
            number.set("quality_score", json!({ "score": rating }));
        }
        number.set(limit_field, json!(limit));
        let event = wish.event.unwrap_or_else(|| match wish.rating.as_deref() {
            Some("RED") => "FLAGGED".to_owned(),
            Some("GREEN") => "UNFLAGGED".to_owned(),
            Some(_) => "DOWNGRADE".to_owned(),
            None => "THROUGHPUT_UPGRADE".to_owned(),
        });
        match event.as_str() {
            "FLAGGED" => number.set("status", json!("FLAGGED")),
            "UNFLAGGED" => number.set("status", json!("CONNECTED")),
            _ => {}
        }
        let (waba, digits) = (number.waba_id.clone(), number.digits.clone());
        let value = json!({
            "display_phone_number": digits,
            "event": event,
            "old_limit": before,
            "current_limit": limit,
            "max_daily_conversations_per_business": limit,
        });
        Ok(told(webhooks::about_account(state, &waba, "phone_number_quality_update", value)))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NameReview {
    decision: String,
    name: Option<String>,
    reason: Option<String>,
}

/// Decides about a display name; an approved one is shown after the next registration.
pub(super) async fn name(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(wish): Json<NameReview>,
) -> Result<Json<Value>, ControlError> {
    server.with(|state| {
        let number = state.numbers.get_mut(&id).ok_or(ControlError::UnknownPhone)?;
        let name = wish.name.unwrap_or_else(|| number.text("verified_name").to_owned());
        let status = match wish.decision.as_str() {
            "APPROVED" => "APPROVED",
            "REJECTED" => "DECLINED",
            "DEFERRED" | "PENDING" => "PENDING_REVIEW",
            _ => return Err(ControlError::Body("decision: there is no such one".to_owned())),
        };
        if name == number.text("verified_name") {
            number.set("name_status", json!(status));
        } else {
            number.set("new_name_status", json!(status));
        }
        if status == "APPROVED" {
            number.approved_name = Some(name.clone());
        }
        let (waba, digits) = (number.waba_id.clone(), number.digits.clone());
        let value = json!({
            "display_phone_number": digits,
            "decision": wish.decision,
            "requested_verified_name": name,
            "rejection_reason": wish.reason,
        });
        Ok(told(webhooks::about_account(state, &waba, "phone_number_name_update", value)))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    /// `null`: its owner does not share it.
    threads: Option<Vec<Value>>,
}

/// What a number of the business app shares when it is asked to.
pub(super) async fn history(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(wish): Json<History>,
) -> Result<Json<Number>, ControlError> {
    server.with(|state| {
        let number = state.numbers.get_mut(&id).ok_or(ControlError::UnknownPhone)?;
        number.history = wish.threads.map(Value::Array);
        Ok(Json(number.clone()))
    })
}

/// Posts any change of a number; `messaging_product` and `metadata` are added.
pub(super) async fn raw(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(raw): Json<Raw>,
) -> Result<Json<Value>, ControlError> {
    raw.check()?;
    server.with(|state| {
        if !state.numbers.contains_key(&id) {
            return Err(ControlError::UnknownPhone);
        }
        Ok(told(webhooks::about_number(state, &id, &raw.field, raw.value)))
    })
}
