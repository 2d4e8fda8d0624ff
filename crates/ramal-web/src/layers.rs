//! What every request passes through.

use std::any::Any;

use axum::{Router, extract::DefaultBodyLimit};
use http::{HeaderName, HeaderValue, Request, Response};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};

/// Largest body of an API request. Media travel by URL or as data URIs, which this leaves room for.
const BODY_MAX: usize = 2 * 1024 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone, Copy, Debug)]
struct MintRequestId;

impl MakeRequestId for MintRequestId {
    fn make_request_id<B>(&mut self, _request: &Request<B>) -> Option<RequestId> {
        #[expect(clippy::disallowed_methods, reason = "a request id is not an id of the domain")]
        let id = uuid::Uuid::now_v7().simple().to_string();
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// A path without the credential that it may end with: the token of a pairing link, or what signs
/// somebody in.
fn without_token(path: &str) -> String {
    const BEFORE_TOKEN: [&str; 5] = ["connect", "remote-pairing", "setup", "sign-in", "media"];
    let mut follows = false;
    let parts = path.split('/').map(|part| {
        let hidden = follows && !part.is_empty();
        follows = BEFORE_TOKEN.contains(&part);
        if hidden { "…" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

pub(crate) fn apply(routes: Router) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(|request: &Request<_>| {
            let id = request
                .headers()
                .get(REQUEST_ID)
                .and_then(|id| id.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            // The path and not the URI: query strings may carry what is private.
            let path = without_token(request.uri().path());
            tracing::info_span!("http", request.id = id, method = %request.method(), path)
        })
        .on_response(|response: &Response<_>, latency: std::time::Duration, _: &tracing::Span| {
            let status = response.status().as_u16();
            let duration_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
            metrics::counter!("http_requests_total", "status" => status.to_string()).increment(1);
            metrics::histogram!("http_request_seconds").record(latency.as_secs_f64());
            tracing::info!(status, duration_ms, "answered");
        })
        .on_failure(());
    // A caller's own id is replaced: it would let others write into our log lines.
    let stack = ServiceBuilder::new()
        .map_request(|mut request: Request<_>| {
            request.headers_mut().remove(REQUEST_ID);
            request
        })
        .layer(SetRequestIdLayer::new(REQUEST_ID, MintRequestId))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(trace)
        .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send>| {
            let message = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            tracing::error!(message, "a request panicked");
            crate::error::panicked()
        }))
        .layer(DefaultBodyLimit::max(BODY_MAX));
    routes.layer(stack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_links_are_not_logged() {
        for (path, logged) in [
            ("/v1/remote-pairing/0b7f/status", "/v1/remote-pairing/…/status"),
            ("/connect/0b7f", "/connect/…"),
            ("/setup/6e56", "/setup/…"),
            ("/media/6e56", "/media/…"),
            ("/sandbox/sign-in/6e56", "/sandbox/sign-in/…"),
            ("/v1/numbers/remote-pairing", "/v1/numbers/remote-pairing"),
            ("/v1/numbers/wa_1/connect", "/v1/numbers/wa_1/connect"),
        ] {
            assert_eq!(without_token(path), logged);
        }
    }
}
