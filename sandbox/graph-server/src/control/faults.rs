//! `/faults`: what goes wrong with the next calls.

use axum::extract::State;
use serde::Deserialize;

use super::{ControlError, body::Json};
use crate::{
    GraphServer,
    state::{Cutting, Fault, Mishap},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    route: String,
    method: Option<String>,
    id: Option<String>,
    times: Option<u32>,
    code: Option<i64>,
    subcode: Option<i64>,
    status: Option<u16>,
    hang: Option<bool>,
    drop: Option<Cutting>,
    fail: Option<i64>,
}

pub(super) async fn show(State(server): State<GraphServer>) -> Json<Vec<Fault>> {
    Json(server.with(|state| state.faults.clone()))
}

pub(super) async fn add(
    State(server): State<GraphServer>,
    Json(wish): Json<Wish>,
) -> Result<Json<Vec<Fault>>, ControlError> {
    if wish.subcode.is_some() && wish.code.is_none() {
        return Err(ControlError::Body("a subcode belongs to a code".to_owned()));
    }
    let refusal = |code| match wish.subcode {
        Some(subcode) => Mishap::Subcode { code, subcode },
        None => Mishap::Code(code),
    };
    let mishaps = [
        wish.code.map(refusal),
        wish.status.map(Mishap::Status),
        wish.hang.filter(|hang| *hang).map(Mishap::Hang),
        wish.drop.map(Mishap::Drop),
        wish.fail.map(Mishap::Fail),
    ];
    let mut mishaps = mishaps.into_iter().flatten();
    let (Some(mishap), None) = (mishaps.next(), mishaps.next()) else {
        return Err(ControlError::Body(
            "give exactly one of code, status, hang, drop, fail".to_owned(),
        ));
    };
    let times = wish.times.unwrap_or(1);
    if times == 0 || matches!(&mishap, Mishap::Status(status) if !(400..=599).contains(status)) {
        return Err(ControlError::Body("times is at least 1, status 400 to 599".to_owned()));
    }
    let Wish { route, method, id, .. } = wish;
    let fault = Fault { route, method, id, times, mishap };
    Ok(Json(server.with(|state| {
        state.faults.push(fault);
        state.faults.clone()
    })))
}

pub(super) async fn clear(State(server): State<GraphServer>) -> Json<Vec<Fault>> {
    Json(server.with(|state| {
        state.faults.clear();
        Vec::new()
    }))
}
