//! `/phones/{number}/messages`: texting, and what the phone's user sees.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;

use super::{ControlError, body::Json, number::Number};
use crate::{WaServer, number::PhoneNumber, phone::Message};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    to: String,
    text: String,
}

pub(super) async fn list(
    State(server): State<WaServer>,
    Number(number): Number,
) -> Json<Vec<Message>> {
    Json(server.messages(&number))
}

pub(super) async fn send(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<Send>,
) -> Result<impl IntoResponse, ControlError> {
    let to = PhoneNumber::parse(&body.to)?;
    let message = server.send_text(&number, &to, &body.text)?;
    Ok((StatusCode::CREATED, Json(message)))
}

pub(super) async fn read(
    State(server): State<WaServer>,
    Number(number): Number,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Message>, ControlError> {
    Ok(Json(server.mark_read(&number, &id)?))
}
