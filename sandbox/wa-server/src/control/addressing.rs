//! `/phones/{number}/addressing`: by LID or by phone number.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    hub::{Addressing, ChatAddressing},
    number::PhoneNumber,
};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    to: String,
    mode: Addressing,
    #[serde(default = "yes")]
    alternate: bool,
}

fn yes() -> bool {
    true
}

pub(super) async fn set(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<Address>,
) -> Result<Json<Address>, ControlError> {
    let to = PhoneNumber::parse(&body.to)?;
    let addressing = ChatAddressing { mode: body.mode, alternate: body.alternate };
    server.set_addressing(&number, &to, addressing)?;
    Ok(Json(body))
}
