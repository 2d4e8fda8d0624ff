//! The one shape of every error: a sentence and a stable code.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// Why the control API refuses.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The body is not the expected JSON.
    #[error("the body is not the expected JSON: {0}")]
    Body(String),
    /// The body is too large to be read.
    #[error("the body could not be read: {0}")]
    Unreadable(String),
    /// A phone number is malformed.
    #[error("a phone number is +, country code and digits")]
    Number,
    /// The number or the id is in use.
    #[error("{0} is there already")]
    Taken(String),
    /// No app has this id.
    #[error("there is no such app")]
    UnknownApp,
    /// No account has this id.
    #[error("there is no such WhatsApp Business account")]
    UnknownWaba,
    /// No number has this id.
    #[error("there is no such phone number")]
    UnknownPhone,
    /// No such token.
    #[error("there is no such token")]
    UnknownToken,
    /// No message has this id.
    #[error("there is no message with this id")]
    UnknownMessage,
    /// Nothing lives at this path.
    #[error("nothing lives at this path")]
    NotFound,
    /// The path exists, the method does not.
    #[error("this path does not know this method")]
    MethodNotAllowed,
}

impl ControlError {
    /// The HTTP status and the stable code.
    pub fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Body(_) => (StatusCode::BAD_REQUEST, "INVALID_BODY"),
            Self::Unreadable(_) => (StatusCode::PAYLOAD_TOO_LARGE, "UNREADABLE_BODY"),
            Self::Number => (StatusCode::BAD_REQUEST, "INVALID_NUMBER"),
            Self::Taken(_) => (StatusCode::CONFLICT, "TAKEN"),
            Self::UnknownApp => (StatusCode::NOT_FOUND, "UNKNOWN_APP"),
            Self::UnknownWaba => (StatusCode::NOT_FOUND, "UNKNOWN_WABA"),
            Self::UnknownPhone => (StatusCode::NOT_FOUND, "UNKNOWN_PHONE"),
            Self::UnknownToken => (StatusCode::NOT_FOUND, "UNKNOWN_TOKEN"),
            Self::UnknownMessage => (StatusCode::NOT_FOUND, "UNKNOWN_MESSAGE"),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
        }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let body = serde_json::json!({ "error": self.to_string(), "code": code });
        (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

pub(super) async fn not_found() -> ControlError {
    ControlError::NotFound
}

pub(super) async fn method_not_allowed() -> ControlError {
    ControlError::MethodNotAllowed
}
