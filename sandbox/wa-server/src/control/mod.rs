//! The control API: what the users of virtual phones do, over HTTP with JSON.

mod body;
mod companions;
mod error;
mod messages;
mod network;
mod number;
mod phones;

use axum::{
    Router,
    routing::{delete, get, post},
};

use crate::WaServer;

pub use error::{ControlError, not_found};

/// All routes, without a prefix.
pub(crate) fn router(server: WaServer) -> Router {
    Router::new()
        .route("/phones", get(phones::list).post(phones::create))
        .route("/phones/{number}/absent", post(phones::absent))
        .route("/phones/{number}/scan", post(phones::scan))
        .route("/phones/{number}/pairing-code", post(phones::pairing_code))
        .route("/phones/{number}/companions", get(companions::list))
        .route("/phones/{number}/companions/{device}", delete(companions::unlink))
        .route("/phones/{number}/messages", get(messages::list).post(messages::send))
        .route("/phones/{number}/messages/{id}/read", post(messages::read))
        .route("/network", get(network::show).post(network::change))
        .fallback(not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(server)
}
