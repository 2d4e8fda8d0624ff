//! The dashboard: what an operator sees and does in a browser. Pages are rendered here, on the server;
//! one small script makes them live. Each page has a module, a template and its texts.

mod answer;
mod assets;
mod audit;
mod frame;
mod keys;
mod links;
mod live;
mod logo;
mod messages;
mod number;
mod numbers;
mod official;
mod phones;
mod profile;
mod session;
mod sign_in;
mod template;
mod templates;
mod texts;
mod webhook;
mod webhooks;

use axum::{Router, middleware, routing::get};
use http::Method;

pub use session::enter;

use crate::Web;

/// Every page.
pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/", get(async || axum::response::Redirect::to("/numbers")))
        .merge(sign_in::router())
        .merge(live::router())
        .merge(numbers::router())
        .merge(number::router())
        .merge(messages::router())
        .merge(official::router())
        .merge(links::router())
        .merge(keys::router())
        .merge(webhooks::router())
        .merge(webhook::router())
        .merge(templates::router())
        .merge(template::router())
        .merge(audit::router())
        .merge(profile::router())
        .merge(logo::router())
        .merge(phones::router())
        .layer(middleware::from_fn(answer::dress))
        .merge(assets::router())
}

/// Whether a method changes nothing.
const fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
