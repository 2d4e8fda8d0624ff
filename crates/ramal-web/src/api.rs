//! The v1 API (contract sections B to D): one module per resource.

mod keys;
mod messages;
mod numbers;
mod pairing;
mod projects;
mod webhooks;

use axum::Router;

use crate::Web;

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .merge(numbers::router())
        .merge(pairing::router())
        .merge(keys::router())
        .merge(webhooks::router())
        .merge(messages::router())
        .merge(projects::router())
}
