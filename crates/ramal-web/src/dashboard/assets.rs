//! The stylesheet, the script and the icon of the dashboard. Both are ours; nothing is fetched from elsewhere.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::Web;

const TOKENS: &str = include_str!("../connect/tokens.css");
const STYLE: &str = include_str!("dashboard.css");
const ICON: &str = include_str!("icon.svg");
const SCRIPT: &str = include_str!("dashboard.js");

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/assets/dashboard.css", get(style))
        .route("/assets/dashboard.js", get(script))
        .route("/assets/icon.svg", get(async || asset("image/svg+xml", ICON)))
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", format!("{TOKENS}{STYLE}"))
}

async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) fn asset(kind: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "public, max-age=300"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}
