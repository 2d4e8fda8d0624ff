//! `[auth]`: who is let in at all.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{ORIGIN, USER_AGENT},
};
use serde::Deserialize;

use crate::error::{ApiError, BROWSER_NOT_ALLOWED, NO_BROWSERS};

/// Every browser of today sends it, also where it sends no `Origin`.
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// Every browser of today sends it as well.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What Node's own `fetch` calls itself, which runs on backends and says `sec-fetch-mode` all the same.
const NODE: [&str; 2] = ["node", "undici"];

/// `[auth]`: who is let in at all.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct AuthOptions {
    /// Refuses requests that a web page sent: keys belong on the backend.
    pub refuse_browsers: bool,
    /// Takes a key's id for the key itself (`x-api-key-id`). Weak: ids are shown in answers.
    pub accept_key_id: bool,
}

impl Default for AuthOptions {
    fn default() -> Self {
        Self { refuse_browsers: true, accept_key_id: false }
    }
}

pub(crate) async fn refuse_browsers(request: Request, next: Next) -> Response {
    if !is_browser(request.headers()) {
        return next.run(request).await;
    }
    ApiError::request(StatusCode::FORBIDDEN, BROWSER_NOT_ALLOWED, NO_BROWSERS).into_response()
}

fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let node = agent.is_some_and(|agent| NODE.contains(&agent));
    headers.contains_key(ORIGIN)
        || headers.contains_key(FETCH_SITE)
        || (headers.contains_key(FETCH_MODE) && !node)
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn, routing::get};
    use http::Method;
    use tower::ServiceExt as _;

    use super::*;

    async fn status(headers: &[(&str, &str)]) -> StatusCode {
        let routes =
            Router::new().route("/", get(|| async { "in" })).layer(from_fn(refuse_browsers));
        let mut request = http::Request::builder().method(Method::GET).uri("/");
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn what_a_web_page_sends_is_refused() {
        assert_eq!(status(&[]).await, StatusCode::OK);
        assert_eq!(status(&[("user-agent", "Mozilla/5.0")]).await, StatusCode::OK);
        for page in [
            ("Origin", "https://shop.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Mode", "cors"),
            ("Sec-Fetch-Site", "same-origin"),
        ] {
            assert_eq!(status(&[page]).await, StatusCode::FORBIDDEN, "{page:?}");
        }
    }

    #[tokio::test]
    async fn node_s_fetch_is_let_in() {
        let node = [("User-Agent", "node"), ("Sec-Fetch-Mode", "cors")];
        assert_eq!(status(&node).await, StatusCode::OK);
        let page = [node[0], node[1], ("Origin", "https://shop.example")];
        assert_eq!(status(&page).await, StatusCode::FORBIDDEN);
    }
}
