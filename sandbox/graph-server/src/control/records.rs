//! What the server has seen and done, its switches and its clock.

use std::time::Duration;

use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ControlError, body::Json};
use crate::{
    GraphServer,
    state::{Call, Received, Sent, Settings, State as World},
    webhooks::Delivery,
};

/// Everything but messages, calls and webhooks.
pub(super) async fn state(State(server): State<GraphServer>) -> Json<Value> {
    Json(server.with(|state| {
        json!({
            "apps": state.apps,
            "tokens": state.tokens.values().collect::<Vec<_>>(),
            "codes": state.codes.values().collect::<Vec<_>>(),
            "wabas": state.wabas,
            "numbers": state.numbers,
            "media": state.media,
            "contacts": state.contacts,
            "settings": state.settings,
            "faults": state.faults,
        })
    }))
}

pub(super) async fn sent(State(server): State<GraphServer>) -> Json<Vec<Sent>> {
    Json(server.with(|state| state.sent.clone()))
}

pub(super) async fn received(State(server): State<GraphServer>) -> Json<Vec<Received>> {
    Json(server.with(|state| state.received.clone()))
}

#[derive(Deserialize)]
pub(super) struct Which {
    route: Option<String>,
    method: Option<String>,
}

pub(super) async fn calls(
    State(server): State<GraphServer>,
    Query(which): Query<Which>,
) -> Json<Vec<Call>> {
    let fits = |call: &&Call| {
        which.route.as_ref().is_none_or(|route| *route == call.route)
            && which.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&call.method))
    };
    Json(server.with(|state| state.calls.all().filter(fits).cloned().collect()))
}

pub(super) async fn forget_calls(State(server): State<GraphServer>) -> Json<Value> {
    server.with(|state| state.calls.clear());
    Json(json!({}))
}

pub(super) async fn webhooks(State(server): State<GraphServer>) -> Json<Vec<Delivery>> {
    Json(server.with(|state| state.outbox.all().cloned().collect()))
}

pub(super) async fn forget_webhooks(State(server): State<GraphServer>) -> Json<Value> {
    server.with(|state| state.outbox.clear());
    Json(json!({}))
}

pub(super) async fn flush(State(server): State<GraphServer>) -> Json<Value> {
    server.with(World::flush);
    Json(json!({}))
}

pub(super) async fn settings(State(server): State<GraphServer>) -> Json<Settings> {
    Json(server.with(|state| state.settings.clone()))
}

/// Changes the switches that are named; what is collected or held back is posted.
pub(super) async fn change_settings(
    State(server): State<GraphServer>,
    Json(changes): Json<Map<String, Value>>,
) -> Result<Json<Settings>, ControlError> {
    server.with(|state| {
        let mut whole = json!(state.settings);
        if let Some(whole) = whole.as_object_mut() {
            whole.extend(changes);
        }
        state.settings =
            serde_json::from_value(whole).map_err(|error| ControlError::Body(error.to_string()))?;
        state.flush();
        Ok(Json(state.settings.clone()))
    })
}

pub(super) async fn clock(State(server): State<GraphServer>) -> Json<Value> {
    Json(server.with(|state| now(state)))
}

fn now(state: &World) -> Value {
    json!({ "now": state.clock.seconds(), "aheadSeconds": state.clock.ahead().as_secs() })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Advance {
    advance_seconds: u32,
}

/// Lets time pass: windows, tokens, codes and addresses of files run out, retries fall due.
pub(super) async fn advance(
    State(server): State<GraphServer>,
    Json(Advance { advance_seconds }): Json<Advance>,
) -> Json<Value> {
    Json(server.with(|state| {
        state.clock.advance(Duration::from_secs(advance_seconds.into()));
        now(state)
    }))
}
