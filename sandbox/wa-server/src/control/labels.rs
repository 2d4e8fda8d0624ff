//! `/phones/{number}/labels`: which chats have which labels.

use axum::extract::State;

use super::{body::Json, number::Number};
use crate::{WaServer, hub::Label};

pub(super) async fn list(
    State(server): State<WaServer>,
    Number(number): Number,
) -> Json<Vec<Label>> {
    Json(server.labels(&number))
}
