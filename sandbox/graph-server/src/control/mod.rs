//! The control API: what people, Meta and the operators of the world do, over HTTP with JSON.

mod account;
mod body;
mod business;
mod contacts;
mod error;
mod faults;
mod inbound;
mod numbers;
mod records;
mod tokens;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::GraphServer;

pub use error::ControlError;

/// Files of people come as base64.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// All routes, without a prefix.
pub(crate) fn router(server: GraphServer) -> Router {
    Router::new()
        .route("/state", get(records::state))
        .route("/businesses", post(business::create))
        .route("/apps", post(business::create_app))
        .route("/apps/{id}", post(business::change_app))
        .route("/wabas", post(account::create))
        .route("/wabas/{id}", post(account::change))
        .route("/wabas/{id}/templates", post(account::add_template))
        .route("/wabas/{id}/account-update", post(account::account_update))
        .route("/wabas/{id}/review", post(account::review))
        .route("/wabas/{id}/webhooks", post(account::raw))
        .route("/numbers", post(numbers::create))
        .route("/numbers/{id}", post(numbers::change))
        .route("/numbers/{id}/messages", post(inbound::message))
        .route("/numbers/{id}/quality", post(numbers::quality))
        .route("/numbers/{id}/name", post(numbers::name))
        .route("/numbers/{id}/history", post(numbers::history))
        .route("/numbers/{id}/webhooks", post(numbers::raw))
        .route("/tokens", post(tokens::create))
        .route("/tokens/revoke", post(tokens::revoke))
        .route("/tokens/expire", post(tokens::expire))
        .route("/codes", post(tokens::create_code))
        .route("/contacts/{number}", post(contacts::change))
        .route("/contacts/{number}/messages", get(contacts::messages))
        .route("/contacts/{number}/read", post(contacts::read))
        .route("/messages", get(records::sent))
        .route("/messages/{id}/status", post(contacts::status))
        .route("/inbound", get(records::received))
        .route("/calls", get(records::calls).delete(records::forget_calls))
        .route("/webhooks", get(records::webhooks).delete(records::forget_webhooks))
        .route("/webhooks/flush", post(records::flush))
        .route("/faults", get(faults::show).post(faults::add).delete(faults::clear))
        .route("/settings", get(records::settings).post(records::change_settings))
        .route("/clock", get(records::clock).post(records::advance))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(server)
}
