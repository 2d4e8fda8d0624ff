//! The one error envelope: `{"error": "<sentence>", "code": "<STABLE_CODE>"}` (contract D.1).

use std::error::Error;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use ramal_app::{AppError, DeadLink, ErrorKind, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

/// After how long it is worth asking whether a full queue has room: no number sends many messages sooner.
const QUEUE_RETRY_SECONDS: u64 = 60;

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

    const fn dead_link(&self) -> Option<DeadLink> {
        match self {
            Self::App(AppError::Refused(Refusal::PairingLinkInvalid(dead))) => Some(*dead),
            Self::App(_) | Self::Request { .. } => None,
        }
    }

    /// The status, and after how many seconds if that is known, of an error after which trying again
    /// may help.
    pub(crate) fn later(&self) -> Option<(StatusCode, Option<u64>)> {
        let (status, _) = self.status_and_code();
        let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        later.contains(&status).then(|| (status, self.retry_after_seconds()))
    }

    const fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::App(AppError::Refused(Refusal::RateLimited { retry_after_seconds })) => {
                Some(*retry_after_seconds)
            }
            Self::App(AppError::Refused(Refusal::QueueFull)) => Some(QUEUE_RETRY_SECONDS),
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
        (status, Json(Envelope { error: &self.sentence(), ..Envelope::default() })).into_response()
    }
}

pub(crate) const fn status_of(kind: ErrorKind) -> StatusCode {
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

/// What every answer is that did not succeed.
#[derive(ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "the shape is for the document only")]
pub(crate) struct ErrorBody {
    /// A sentence for people; it may change.
    error: String,
    /// What to branch on: see docs/errors.md.
    #[schema(nullable = false)]
    code: Option<String>,
    /// With 429: when to try again, as in the `Retry-After` header.
    #[schema(nullable = false, rename = "retryAfterSeconds")]
    retry_after_seconds: Option<u64>,
    /// With `REMOTE_PAIRING_INVALID`: false.
    #[schema(nullable = false)]
    valid: Option<bool>,
    /// With `REMOTE_PAIRING_INVALID`: `unknown`, `expired`, `used` or `revoked`.
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Every code with its status and a sample of its sentence, for the document.
pub(crate) fn catalogue() -> Vec<(StatusCode, &'static str, String)> {
    let refusals = Refusal::all().into_iter().map(|refusal| {
        let sample = refusal.to_string();
        let sentence =
            if sample.is_empty() { "text: missing field `text`".to_owned() } else { sample };
        (status_of(refusal.kind()), refusal.code(), sentence)
    });
    let ours = [
        (StatusCode::FORBIDDEN, BROWSER_NOT_ALLOWED, NO_BROWSERS),
        (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", TOO_LARGE),
        (StatusCode::SERVICE_UNAVAILABLE, "BUSY", "the server is busy; try again"),
        (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", FAILED),
    ];
    refusals.chain(ours.map(|(status, code, text)| (status, code, text.to_owned()))).collect()
}

/// What a request of a web page is refused with.
pub(crate) const BROWSER_NOT_ALLOWED: &str = "BROWSER_NOT_ALLOWED";
/// And why.
pub(crate) const NO_BROWSERS: &str = "API keys belong on your backend, and this request comes from \
     a web page: whoever sees the page could take the key; call from a server";
/// What a body that is too large is refused with.
pub(crate) const TOO_LARGE: &str = "the body is larger than this server accepts";
const FAILED: &str = "the server failed; the request id helps us find out why";

#[derive(Default, Serialize)]
struct Envelope<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    /// With 429 (contract D.1).
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    /// Always false, for readers who expect it of a dead pairing link (contract H11).
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    /// Why a pairing link is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
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
        let dead = self.dead_link();
        let body = Json(Envelope {
            error: &sentence,
            code: Some(code),
            retry_after_seconds,
            valid: dead.map(|_dead| false),
            reason: dead.map(DeadLink::name),
        });
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
    ApiError::request(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", FAILED).into_response()
}
