//! Answers that are remembered under an `Idempotency-Key`.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use ramal_app::{App, AppError, Attempt, Caller, IdempotencyKey, StoredAnswer};
use serde::Serialize;

use crate::error::ApiError;

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A request that may carry an `Idempotency-Key`.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) operation: &'static str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Does `work` once per key. It runs to its end, and is remembered, even when the caller hangs up.
pub(crate) async fn answer<T: Serialize + Send + 'static>(
    app: &App,
    request: Request<'_>,
    work: impl Future<Output = Result<(StatusCode, T), AppError>> + Send + 'static,
) -> Result<Response, ApiError> {
    let Some(key) = request.headers.get(KEY) else {
        let (status, body) = work.await?;
        return Ok((status, Json(body)).into_response());
    };
    let text = key.to_str().map_err(|_not_ascii| ramal_app::Refusal::IdempotencyKeyInvalid)?;
    let key = IdempotencyKey::parse(text)?;
    match app.attempt(request.caller, request.operation, &key, request.body).await? {
        Attempt::Replay(stored) => replay(&stored),
        Attempt::Do(claimed) => {
            let shared = app.clone();
            let (status, body) = app
                .detached(async move {
                    let done = work.await.and_then(|(status, body)| {
                        let body = serde_json::to_value(body);
                        Ok((status, body.map_err(|error| AppError::Internal(Box::new(error)))?))
                    });
                    match &done {
                        Ok((status, body)) => {
                            let (status, body) = (status.as_u16(), body.to_string());
                            shared.remember(&claimed, &StoredAnswer { status, body }).await?;
                        }
                        Err(_) => shared.forget_attempt(&claimed).await?,
                    }
                    done
                })
                .await?;
            Ok((status, Json(body)).into_response())
        }
    }
}

fn replay(stored: &StoredAnswer) -> Result<Response, ApiError> {
    let status =
        StatusCode::from_u16(stored.status).map_err(|error| AppError::Internal(Box::new(error)))?;
    let json = HeaderValue::from_static("application/json");
    let headers = [(CONTENT_TYPE, json), (REPLAYED, HeaderValue::from_static("true"))];
    Ok((status, headers, stored.body.clone()).into_response())
}
