//! Where a request comes from.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use crate::{Web, connect, error::ApiError};

/// The client's address, as an extension of each request: whoever listens puts it there, having asked the
/// proxies that it trusts. Without one nothing is counted by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Counts requests to pairing links by address: whoever guesses tokens is slowed down.
pub(crate) async fn limit(
    State(web): State<Web>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    let asset = path.starts_with("/assets/") || path == "/embed.js";
    if let Some(ClientAddress(address)) = request.extensions().get().copied().filter(|_| !asset) {
        match web.app.admit_address(address) {
            Err(refusal) if path.starts_with("/connect/") => {
                return Ok(connect::for_people(refusal.into(), request.uri(), request.headers()));
            }
            admitted => admitted?,
        }
    }
    Ok(next.run(request).await)
}
