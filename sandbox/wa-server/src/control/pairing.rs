//! `/pairing`: what clients are offered that want to be linked.

use axum::extract::State;

use super::{ControlError, body::Json};
use crate::{WaServer, hub::PairingOffer};

pub(super) async fn show(State(server): State<WaServer>) -> Json<PairingOffer> {
    Json(server.pairing_offer())
}

pub(super) async fn change(
    State(server): State<WaServer>,
    Json(offer): Json<PairingOffer>,
) -> Result<Json<PairingOffer>, ControlError> {
    Ok(Json(server.set_pairing_offer(offer)?))
}
