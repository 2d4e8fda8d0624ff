//! Answers that are remembered under an `Idempotency-Key`.

use std::error::Error;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use ramal_app::{
    App, AppError, Attempt, Caller, Claimed, IdempotencyKey, Memo, Refusal, StoredAnswer,
};
use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A request that may carry an `Idempotency-Key`.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) caller: &'a Caller,
    /// What is done, and to which number where it acts on one.
    pub(crate) operation: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Does `work` once per key. It runs to its end even when the caller hangs up, and remembers its
/// answer itself, through the claim that it is given.
pub(crate) async fn answer<W, F>(
    app: &App,
    request: Request<'_>,
    work: W,
) -> Result<Response, ApiError>
where
    W: FnOnce(Option<Claimed>) -> F,
    F: Future<Output = Result<(StatusCode, Value), AppError>> + Send + 'static,
{
    let Some(key) = request.headers.get(KEY) else {
        let (status, body) = work(None).await?;
        return Ok((status, Json(body)).into_response());
    };
    let text = key.to_str().map_err(|_not_ascii| Refusal::IdempotencyKeyInvalid)?;
    let key = IdempotencyKey::parse(text)?;
    match app.attempt(request.caller, request.operation, &key, request.body).await? {
        Attempt::Replay(stored) => replay(&stored),
        Attempt::Do(claimed) => {
            let work = work(Some(claimed.clone()));
            let shared = app.clone();
            let (status, body) = app
                .detached(async move {
                    let done = work.await;
                    if done.is_err()
                        && let Err(error) = shared.forget_attempt(&claimed).await
                    {
                        // The claim's lease ends by itself.
                        tracing::warn!(error = &error as &dyn Error, "a claim was not given back");
                    }
                    done
                })
                .await?;
            Ok((status, Json(body)).into_response())
        }
    }
}

/// An answer as it is sent and remembered.
pub(crate) fn print<T: Serialize>(body: &T) -> Result<Value, AppError> {
    serde_json::to_value(body).map_err(|error| AppError::Internal(Box::new(error)))
}

/// How an outcome is remembered: as it is answered.
pub(crate) fn memo<T: Sync + 'static>(
    claimed: Option<Claimed>,
    render: fn(&T) -> Result<(StatusCode, Value), AppError>,
) -> Option<Memo<T>> {
    let render = move |outcome: &T| {
        let (status, body) = render(outcome)?;
        Ok(StoredAnswer { status: status.as_u16(), body: body.to_string() })
    };
    Some(Memo::new(claimed?, render))
}

fn replay(stored: &StoredAnswer) -> Result<Response, ApiError> {
    let status =
        StatusCode::from_u16(stored.status).map_err(|error| AppError::Internal(Box::new(error)))?;
    let json = HeaderValue::from_static("application/json");
    let headers = [(CONTENT_TYPE, json), (REPLAYED, HeaderValue::from_static("true"))];
    Ok((status, headers, stored.body.clone()).into_response())
}
