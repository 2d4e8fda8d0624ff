//! What Meta calls, and what customers fetch by links of ours: no key, other credentials.
//!
//! `/webhooks/meta/{number}` is one number's callback, `/webhooks/meta` that of the operator's app: the
//! address says whose secret signs, before the body is looked at.

use axum::{
    Router,
    body::Body as AxumBody,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    HeaderMap, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Deserialize;

use crate::{
    Web,
    body::Raw,
    download::{POLICY, disposition, harmless},
    error::ApiError,
    extract::{Path, Query, header},
};

/// Largest body that Meta sends (3 MB), and some room.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// What Meta signs with.
const SIGNATURE: &str = "x-hub-signature-256";

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/webhooks/meta", get(challenge_app).post(deliver_app))
        .route("/webhooks/meta/{number}", get(challenge).post(deliver))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .route("/media/{token}", get(media))
}

/// Meta's question whether an address is ours.
#[derive(Debug, Deserialize)]
struct Question {
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
    #[serde(rename = "hub.verify_token")]
    verify_token: Option<String>,
}

async fn challenge(
    State(web): State<Web>,
    Path(number): Path<String>,
    Query(query): Query<Question>,
) -> Result<Response, ApiError> {
    answer(&web, Some(&number), query).await
}

async fn challenge_app(
    State(web): State<Web>,
    Query(query): Query<Question>,
) -> Result<Response, ApiError> {
    answer(&web, None, query).await
}

async fn answer(web: &Web, number: Option<&str>, query: Question) -> Result<Response, ApiError> {
    let (Some("subscribe"), Some(challenge), Some(token)) =
        (query.mode.as_deref(), query.challenge, query.verify_token)
    else {
        let sentence = "hub.mode=subscribe, hub.challenge and hub.verify_token are required";
        return Err(ApiError::invalid(sentence));
    };
    web.app.meta_challenge(number, &token).await?;
    // As text that no browser takes for a page: it is the caller's.
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, challenge).into_response())
}

async fn deliver(
    State(web): State<Web>,
    Path(number): Path<String>,
    headers: HeaderMap,
    Raw(raw): Raw,
) -> Result<(), ApiError> {
    let signature = header(&headers, SIGNATURE);
    Ok(web.app.meta_webhook(Some(&number), &raw, signature).await?)
}

async fn deliver_app(
    State(web): State<Web>,
    headers: HeaderMap,
    Raw(raw): Raw,
) -> Result<(), ApiError> {
    Ok(web.app.meta_webhook(None, &raw, header(&headers, SIGNATURE)).await?)
}

/// Media that came in, by the link that its event told. Passed on as it arrives, never kept.
async fn media(State(web): State<Web>, Path(token): Path<String>) -> Result<Response, ApiError> {
    let media = web.app.open_media(&token).await?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, harmless(media.mime.as_deref()));
    headers.insert(CONTENT_DISPOSITION, disposition(false, media.file_name.as_deref()));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok((headers, AxumBody::from_stream(media.bytes)).into_response())
}
