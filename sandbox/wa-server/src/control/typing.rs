//! `/phones/{number}/typing`: who types.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    hub::{Typing, TypingState},
    number::PhoneNumber,
};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Type {
    to: String,
    state: TypingState,
}

pub(super) async fn list(
    State(server): State<WaServer>,
    Number(number): Number,
) -> Json<Vec<Typing>> {
    Json(server.typing(&number))
}

pub(super) async fn start(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<Type>,
) -> Result<Json<Type>, ControlError> {
    server.type_to(&number, &PhoneNumber::parse(&body.to)?, body.state);
    Ok(Json(body))
}
