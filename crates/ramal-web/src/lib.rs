//! HTTP of Ramal: the v1 API, health and metrics.
//!
//! Handlers parse, call one use case of [`ramal_app::App`], and print. Layers, outermost first:
//! request id, trace span, panic catcher, body limit.

mod api;
mod body;
mod error;
mod extract;
mod health;
mod idempotent;
mod layers;
mod openapi;
mod qr;

use std::{fmt, sync::Arc};

use axum::Router;
use ramal_app::App;

pub use health::Readiness;
pub use openapi::document as openapi_document;
pub use qr::{QrPicture, terminal_qr};

/// What handlers share.
#[derive(Clone)]
pub struct Web {
    pub(crate) app: App,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl Web {
    /// Wires the web layer; `metrics` renders the page at `/metrics`.
    pub fn new(
        app: App,
        readiness: Readiness,
        metrics: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        Self { app, readiness, metrics }
    }

    /// Every route of the product. `dress` may add to them, under the same layers: the sandbox adds
    /// its control API there.
    pub fn router(self, dress: impl FnOnce(Router) -> Router) -> Router {
        // The contract's prose writes both prefixes.
        let routes = Router::new()
            .nest("/v1", api::router().into())
            .nest("/api/v1", api::router().into())
            .merge(health::router())
            .merge(openapi::router())
            .fallback(error::no_such_route)
            .method_not_allowed_fallback(error::no_such_method)
            .with_state(self);
        layers::apply(dress(routes))
    }
}
