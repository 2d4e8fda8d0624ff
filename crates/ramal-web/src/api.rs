//! The v1 API (contract sections B to D): one module per resource.
//!
//! Each handler is registered with its `#[utoipa::path]`, so that no operation can be served without
//! being in the document.

mod keys;
mod messages;
mod numbers;
mod pairing;
mod projects;
mod webhooks;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::Web;

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .merge(numbers::router())
        .merge(pairing::router())
        .merge(keys::router())
        .merge(webhooks::router())
        .merge(messages::router())
        .merge(projects::router())
}

/// It is done; there is nothing else to say.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    ok: bool,
}

impl Done {
    pub(crate) const OK: Self = Self { ok: true };
}
