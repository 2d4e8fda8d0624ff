//! `/network`: faults between clients and server.

use axum::extract::State;

use super::body::Json;
use crate::{NetworkChange, NetworkState, WaServer};

pub(super) async fn show(State(server): State<WaServer>) -> Json<NetworkState> {
    Json(server.network())
}

pub(super) async fn change(
    State(server): State<WaServer>,
    Json(change): Json<NetworkChange>,
) -> Json<NetworkState> {
    Json(server.change_network(change))
}
