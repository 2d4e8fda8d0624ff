//! `/phones/{number}/conduct`: receipts, and being out of reach.

use axum::extract::State;

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    hub::{Conduct, ConductChange},
};

pub(super) async fn show(State(server): State<WaServer>, Number(number): Number) -> Json<Conduct> {
    Json(server.conduct(&number))
}

pub(super) async fn change(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(change): Json<ConductChange>,
) -> Result<Json<Conduct>, ControlError> {
    Ok(Json(server.set_conduct(&number, change)?))
}
