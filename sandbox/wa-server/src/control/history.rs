//! `/phones/{number}/history`: old messages for companions that are linked later.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::{ControlError, body::Json, number::Number};
use crate::{WaServer, hub::HistorySize, phone::OldChat};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    chats: Vec<OldChat>,
}

pub(super) async fn show(State(server): State<WaServer>, Number(number): Number) -> Json<History> {
    Json(History { chats: server.history(&number) })
}

pub(super) async fn set(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<History>,
) -> Result<Json<HistorySize>, ControlError> {
    Ok(Json(server.set_history(&number, body.chats)?))
}
