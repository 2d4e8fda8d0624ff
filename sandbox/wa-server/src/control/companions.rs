//! `/phones/{number}/companions`: the linked devices of a phone.

use axum::extract::{Path, State};
use serde::Serialize;

use super::{ControlError, body::Json, number::Number};
use crate::{WaServer, hub::Companion};

#[derive(Serialize)]
pub(super) struct Done {
    ok: bool,
}

pub(super) async fn list(
    State(server): State<WaServer>,
    Number(number): Number,
) -> Json<Vec<Companion>> {
    Json(server.companions(&number))
}

pub(super) async fn unlink(
    State(server): State<WaServer>,
    Number(number): Number,
    Path((_, device)): Path<(String, String)>,
) -> Result<Json<Done>, ControlError> {
    let device = device.parse().ok().ok_or(ControlError::UnknownCompanion)?;
    server.unlink(&number, device)?;
    Ok(Json(Done { ok: true }))
}
