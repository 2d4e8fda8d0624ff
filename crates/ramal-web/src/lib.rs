//! HTTP of Ramal: the v1 API, health and metrics.
//!
//! Handlers parse, call one use case of [`ramal_app::App`], and print. Layers, outermost first:
//! request id, trace span, panic catcher, body limit.

mod address;
mod api;
mod assets;
mod body;
mod connect;
mod dashboard;
mod download;
mod error;
mod extract;
mod guard;
mod health;
mod idempotent;
mod layers;
mod meta;
mod openapi;
mod qr;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use ramal_app::App;
use tokio_util::sync::CancellationToken;

pub use address::ClientAddress;
pub use dashboard::enter;
pub use guard::AuthOptions;
pub use health::Readiness;
pub use openapi::document as openapi_document;
pub use qr::{QrPicture, terminal_qr};

/// What handlers share.
#[derive(Clone)]
pub struct Web {
    pub(crate) app: App,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Ends streams when the server stops.
    pub(crate) closing: CancellationToken,
    pub(crate) auth: AuthOptions,
    /// Whether virtual phones can be seen and used: the sandbox serves them under `/sandbox`.
    pub(crate) sandbox: bool,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl Web {
    /// Wires the web layer; `metrics` renders the page at `/metrics`, `closing` ends open streams.
    pub fn new(
        app: App,
        readiness: Readiness,
        metrics: Arc<dyn Fn() -> String + Send + Sync>,
        closing: CancellationToken,
    ) -> Self {
        Self { app, readiness, metrics, closing, auth: AuthOptions::default(), sandbox: false }
    }

    /// Lets in others than the default ones.
    #[must_use]
    pub fn with_auth(self, auth: AuthOptions) -> Self {
        Self { auth, ..self }
    }

    /// Shows the virtual phones that `dress` serves under `/sandbox`.
    #[must_use]
    pub fn with_phones(self) -> Self {
        Self { sandbox: true, ..self }
    }

    /// Every route of the product. `dress` may add to them, under the same layers: the sandbox adds
    /// its control API there.
    pub fn router(self, dress: impl FnOnce(Router) -> Router) -> Router {
        // The contract's prose writes both prefixes.
        let mut api: Router<Self> = api::router().into();
        if self.auth.refuse_browsers {
            api = api.layer(from_fn(guard::refuse_browsers));
        }
        let limit = from_fn_with_state(self.clone(), address::limit);
        let public = Router::from(api::public_router()).layer(limit.clone());
        let api = api.merge(public);
        let routes = Router::new()
            .nest("/v1", api.clone())
            .nest("/api/v1", api)
            .merge(connect::router().layer(limit))
            .merge(dashboard::router())
            .merge(meta::router())
            .merge(health::router())
            .merge(openapi::router(self.auth.refuse_browsers))
            .fallback(error::no_such_route)
            .method_not_allowed_fallback(error::no_such_method)
            .with_state(self);
        layers::apply(dress(routes))
    }
}
