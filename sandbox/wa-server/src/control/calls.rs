//! `/phones/{number}/calls`: calling, and what became of it.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;

use super::{ControlError, body::Json, number::Number};
use crate::{WaServer, hub::Call, number::PhoneNumber};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    to: String,
    #[serde(default)]
    video: bool,
}

pub(super) async fn list(
    State(server): State<WaServer>,
    Number(number): Number,
) -> Json<Vec<Call>> {
    Json(server.calls(&number))
}

pub(super) async fn start(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<Start>,
) -> Result<impl IntoResponse, ControlError> {
    let to = PhoneNumber::parse(&body.to)?;
    Ok((StatusCode::CREATED, Json(server.call(&number, &to, body.video)?)))
}

pub(super) async fn hang_up(
    State(server): State<WaServer>,
    Number(number): Number,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Call>, ControlError> {
    Ok(Json(server.hang_up(&number, &id)?))
}
