//! Files of the pages: ours, and cached for a little while.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

/// The type of a script.
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
/// The type of a stylesheet.
pub(crate) const CSS: &str = "text/css; charset=utf-8";

/// A file of a page.
pub(crate) fn asset(kind: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "public, max-age=300"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}
