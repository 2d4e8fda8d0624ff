//! The stylesheet, the script and the icon of the dashboard. Both are ours; nothing is fetched from elsewhere.

use axum::{Router, response::Response, routing::get};

use crate::{
    Web,
    assets::{CSS, JAVASCRIPT, asset},
};

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
    asset(CSS, format!("{TOKENS}{STYLE}"))
}

async fn script() -> Response {
    asset(JAVASCRIPT, SCRIPT)
}
