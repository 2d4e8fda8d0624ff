//! The control API: what the users of virtual phones do, over HTTP with JSON.

mod addressing;
mod body;
mod calls;
mod companions;
mod conduct;
mod error;
mod faults;
mod groups;
mod history;
mod labels;
mod media;
mod messages;
mod network;
mod number;
mod pairing;
mod passkey;
mod phones;
mod typing;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post},
};

use crate::WaServer;

pub use error::{ControlError, not_found};

/// Attachments come as base64; larger ones than this are made up by size.
const MAX_WRITING: usize = 32 * 1024 * 1024;

/// All routes, without a prefix.
pub(crate) fn router(server: WaServer) -> Router {
    Router::new()
        .route("/phones", get(phones::list).post(phones::create))
        .route("/phones/{number}/absent", post(phones::absent))
        .route("/phones/{number}/scan", post(phones::scan))
        .route("/phones/{number}/pairing-code", post(phones::pairing_code))
        .route("/phones/{number}/companions", get(companions::list))
        .route("/phones/{number}/companions/{device}", delete(companions::unlink))
        .route(
            "/phones/{number}/messages",
            get(messages::list).post(messages::send).layer(DefaultBodyLimit::max(MAX_WRITING)),
        )
        .route("/phones/{number}/messages/{id}/read", post(messages::read))
        .route("/phones/{number}/messages/{id}/media", get(messages::media).delete(media::delete))
        .route("/phones/{number}/messages/{id}/media/tamper", post(media::tamper))
        .route("/phones/{number}/labels", get(labels::list))
        .route("/phones/{number}/conduct", get(conduct::show).post(conduct::change))
        .route("/media", get(media::list))
        .route(
            "/media/faults",
            get(media::faults).post(media::add_fault).delete(media::clear_faults),
        )
        .route("/media/expire-auth", post(media::expire))
        .route("/phones/{number}/calls", get(calls::list).post(calls::start))
        .route("/phones/{number}/calls/{id}/hang-up", post(calls::hang_up))
        .route("/phones/{number}/passkey", get(passkey::show).post(passkey::set))
        .route("/phones/{number}/passkey/assertion", post(passkey::assert))
        .route("/phones/{number}/faults", get(faults::show).post(faults::add).delete(faults::clear))
        .route("/faults", get(faults::show).post(faults::add).delete(faults::clear))
        .route(
            "/phones/{number}/status",
            post(groups::post_status).layer(DefaultBodyLimit::max(MAX_WRITING)),
        )
        .route("/phones/{number}/history", get(history::show).post(history::set))
        .route("/phones/{number}/typing", get(typing::list).post(typing::start))
        .route("/phones/{number}/addressing", post(addressing::set))
        .route("/groups", get(groups::list).post(groups::create))
        .route(
            "/groups/{id}/messages",
            post(groups::write).layer(DefaultBodyLimit::max(MAX_WRITING)),
        )
        .route("/channels", get(groups::channels).post(groups::open))
        .route("/channels/{id}/followers", post(groups::follow))
        .route("/channels/{id}/posts", post(groups::post).layer(DefaultBodyLimit::max(MAX_WRITING)))
        .route("/pairing", get(pairing::show).post(pairing::change))
        .route("/network", get(network::show).post(network::change))
        .fallback(not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(server)
}
