//! The v1 API (contract sections B to D): one module per resource.
//!
//! Each handler is registered with its `#[utoipa::path]`, so that no operation can be served without
//! being in the document.

mod branding;
mod crowds;
mod events;
mod keys;
mod media;
mod message_log;
mod messages;
mod numbers;
mod official;
mod pairing;
mod projects;
mod remote_pairing;
mod signup;
mod templates;
mod webhooks;

pub(crate) use pairing::stream as pairing_stream;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::Web;

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .merge(numbers::router())
        .merge(official::router())
        .merge(pairing::router())
        .merge(keys::router())
        .merge(branding::router())
        .merge(webhooks::router())
        .merge(messages::router())
        .merge(message_log::router())
        .merge(media::router())
        .merge(crowds::router())
        .merge(templates::router())
        .merge(events::router())
        .merge(projects::router())
        .merge(remote_pairing::router())
}

/// What people's browsers may call without a key: a token in the path is the credential.
pub(crate) fn public_router() -> OpenApiRouter<Web> {
    remote_pairing::public_router().merge(signup::public_router())
}

/// It is done; there is nothing else to say.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    ok: bool,
}

impl Done {
    pub(crate) const OK: Self = Self { ok: true };
}
