//! `/faults` and `/phones/{number}/faults`: logins and sessions that end badly.

use axum::extract::State;

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    hub::{Fault, Faults},
};

pub(super) async fn show(State(server): State<WaServer>, number: Option<Number>) -> Json<Faults> {
    Json(server.faults(of(number.as_ref())))
}

pub(super) async fn add(
    State(server): State<WaServer>,
    number: Option<Number>,
    Json(fault): Json<Fault>,
) -> Result<Json<Faults>, ControlError> {
    Ok(Json(server.add_fault(of(number.as_ref()), fault)?))
}

pub(super) async fn clear(State(server): State<WaServer>, number: Option<Number>) -> Json<Faults> {
    Json(server.clear_faults(of(number.as_ref())))
}

fn of(number: Option<&Number>) -> Option<&crate::PhoneNumber> {
    number.map(|Number(number)| number)
}
