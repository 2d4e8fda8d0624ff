//! `/phones/{number}/passkey`: the gate at linking, and the phone's authenticator.

use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    hub::{PasskeyGate, PasskeyView},
};

/// The options as an object, or as the text that the companion was sent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Challenge {
    request_options: Value,
}

pub(super) async fn show(
    State(server): State<WaServer>,
    Number(number): Number,
) -> Json<PasskeyView> {
    Json(server.passkey(&number))
}

pub(super) async fn set(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(gate): Json<PasskeyGate>,
) -> Result<Json<PasskeyView>, ControlError> {
    Ok(Json(server.set_passkey_gate(&number, gate)?))
}

pub(super) async fn assert(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<Challenge>,
) -> Result<Json<Value>, ControlError> {
    let options = match body.request_options.as_str() {
        Some(text) => {
            serde_json::from_str(text).map_err(|error| ControlError::Body(error.to_string()))?
        }
        None => body.request_options,
    };
    Ok(Json(server.assert_passkey(&number, &options)?))
}
