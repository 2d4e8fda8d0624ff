//! The one error envelope: `{"error": "<sentence>", "code": "<STABLE_CODE>"}` (contract D.1).

use std::error::Error;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use ramal_app::{AppError, ErrorKind, Refusal};
use serde::Serialize;

/// What a handler answers when it fails.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// A use case refused or failed.
    App(AppError),
    /// The request could not be read.
    Request { status: StatusCode, code: &'static str, sentence: String },
}

impl<E: Into<AppError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::App(error.into())
    }
}

impl ApiError {
    pub(crate) fn invalid(sentence: impl Into<String>) -> Self {
        Self::App(Refusal::Validation(sentence.into()).into())
    }

    pub(crate) fn request(
        status: StatusCode,
        code: &'static str,
        sentence: impl Into<String>,
    ) -> Self {
        Self::Request { status, code, sentence: sentence.into() }
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::App(error) => (status_of(error.kind()), error.code()),
            Self::Request { status, code, .. } => (*status, code),
        }
    }

    const fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::App(AppError::Refused(Refusal::RateLimited { retry_after_seconds })) => {
                Some(*retry_after_seconds)
            }
            Self::App(_) | Self::Request { .. } => None,
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::App(error) => error.to_string(),
            Self::Request { sentence, .. } => sentence.clone(),
        }
    }

    /// The envelope without a code, for the one endpoint whose 404 has none (contract C.4).
    pub(crate) fn without_code_when_not_found(self) -> Response {
        let (status, _) = self.status_and_code();
        if status != StatusCode::NOT_FOUND {
            return self.into_response();
        }
        (status, Json(Envelope { error: &self.sentence(), code: None, retry_after_seconds: None }))
            .into_response()
    }
}

const fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    /// With 429 (contract D.1).
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        if let Self::App(error @ (AppError::Internal(_) | AppError::Busy(_))) = &self {
            // Logged here and nowhere else, with its whole chain of causes.
            tracing::error!(error = error as &dyn Error, code, "request failed");
        }
        let retry_after_seconds = self.retry_after_seconds();
        let sentence = self.sentence();
        let body = Json(Envelope { error: &sentence, code: Some(code), retry_after_seconds });
        match retry_after_seconds {
            Some(seconds) => {
                (status, [(RETRY_AFTER, HeaderValue::from(seconds))], body).into_response()
            }
            None => (status, body).into_response(),
        }
    }
}

pub(crate) async fn no_such_route() -> ApiError {
    ApiError::request(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this address")
}

pub(crate) async fn no_such_method() -> ApiError {
    ApiError::request(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "this address does not take this method",
    )
}

/// What a caught panic answers.
pub(crate) fn panicked() -> Response {
    ApiError::request(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "the server failed; the request id helps us find out why",
    )
    .into_response()
}
