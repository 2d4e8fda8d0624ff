//! The one shape of every error: a sentence and a stable code.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    hub::{InvalidFault, LinkError, PhoneError},
    number::InvalidNumber,
    phone::SignalError,
};

/// Why the control API refuses.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The phone number in the path or body is malformed.
    #[error(transparent)]
    Number(#[from] InvalidNumber),
    /// A companion could not be linked.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The body is not the expected JSON.
    #[error("the body is not the expected JSON: {0}")]
    Body(String),
    /// The body is too large to be read.
    #[error("the body could not be read: {0}")]
    Unreadable(String),
    /// The device number in the path is malformed, or no such companion is linked.
    #[error("no companion with this device number is linked to this phone")]
    UnknownCompanion,
    /// No message has this id.
    #[error("this phone has no message with this id")]
    UnknownMessage,
    /// No call of this phone has this id.
    #[error("this phone has made no call with this id")]
    UnknownCall,
    /// No group has this id, or the phone is not in it.
    #[error("there is no such group, or the phone is not in it")]
    UnknownGroup,
    /// No channel has this id.
    #[error("there is no such channel")]
    UnknownChannel,
    /// The options hold no challenge, or another site asks.
    #[error("the authenticator finds no challenge of its site in these options")]
    PasskeyOptions,
    /// Clients never get so many references, or none.
    #[error("refs is 1 to 6")]
    Offer,
    /// A fault contradicts itself.
    #[error(transparent)]
    Fault(#[from] InvalidFault),
    /// The message has no attachment, or it is not on the media host.
    #[error("this message has no attachment, or the media host has it no longer")]
    UnknownMedia,
    /// The phone still fetches the attachment.
    #[error("the phone has not fetched this attachment yet")]
    MediaPending,
    /// The phone could not fetch the attachment.
    #[error("the phone could not fetch this attachment; the message says why")]
    MediaFailed,
    /// A fault of the media host contradicts itself, or is none.
    #[error(
        "a media fault has a status from 400 to 599, or cutAfter, or delayMs up to 600000, and \
         times from 1 if at all"
    )]
    MediaFault,
    /// The phone is out of reach.
    #[error("this phone is offline")]
    Offline,
    /// Nothing lives at this path.
    #[error("nothing lives at this path")]
    NotFound,
    /// The path exists, the method does not.
    #[error("this path does not know this method")]
    MethodNotAllowed,
    /// The server itself failed.
    #[error("the server failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ControlError {
    /// A failure of the server itself.
    pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// The HTTP status and the stable code.
    pub fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Number(_) => (StatusCode::BAD_REQUEST, "INVALID_NUMBER"),
            Self::Body(_) | Self::Offer => (StatusCode::BAD_REQUEST, "INVALID_BODY"),
            Self::Unreadable(_) => (StatusCode::PAYLOAD_TOO_LARGE, "UNREADABLE_BODY"),
            Self::UnknownCompanion => (StatusCode::NOT_FOUND, "UNKNOWN_COMPANION"),
            Self::UnknownMessage => (StatusCode::NOT_FOUND, "UNKNOWN_MESSAGE"),
            Self::UnknownCall => (StatusCode::NOT_FOUND, "UNKNOWN_CALL"),
            Self::UnknownGroup => (StatusCode::NOT_FOUND, "UNKNOWN_GROUP"),
            Self::UnknownChannel => (StatusCode::NOT_FOUND, "UNKNOWN_CHANNEL"),
            Self::PasskeyOptions => (StatusCode::BAD_REQUEST, "PASSKEY_OPTIONS"),
            Self::Fault(_) | Self::MediaFault => (StatusCode::BAD_REQUEST, "INVALID_FAULT"),
            Self::UnknownMedia => (StatusCode::NOT_FOUND, "UNKNOWN_MEDIA"),
            Self::MediaPending => (StatusCode::CONFLICT, "MEDIA_PENDING"),
            Self::MediaFailed => (StatusCode::CONFLICT, "MEDIA_FAILED"),
            Self::Offline => (StatusCode::CONFLICT, "PHONE_OFFLINE"),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
            Self::Link(error) => link_status_and_code(error),
        }
    }
}

fn link_status_and_code(error: &LinkError) -> (StatusCode, &'static str) {
    match error {
        LinkError::InvalidQr(_) => (StatusCode::BAD_REQUEST, "INVALID_QR"),
        LinkError::UnreadableImage => (StatusCode::BAD_REQUEST, "UNREADABLE_IMAGE"),
        LinkError::InvalidCode => (StatusCode::BAD_REQUEST, "INVALID_CODE"),
        LinkError::UnknownQr => (StatusCode::CONFLICT, "QR_UNKNOWN"),
        LinkError::UsedQr => (StatusCode::CONFLICT, "QR_USED"),
        LinkError::ExpiredQr => (StatusCode::CONFLICT, "QR_EXPIRED"),
        LinkError::SocketGone => (StatusCode::CONFLICT, "CLIENT_GONE"),
        LinkError::ForeignQr => (StatusCode::CONFLICT, "QR_MISMATCH"),
        LinkError::ClientRefused(_) => (StatusCode::CONFLICT, "CLIENT_REFUSED"),
        LinkError::BadDeviceSignature => (StatusCode::CONFLICT, "BAD_DEVICE_SIGNATURE"),
        LinkError::Timeout => (StatusCode::CONFLICT, "CLIENT_TIMEOUT"),
        LinkError::NoPendingCode => (StatusCode::CONFLICT, "NO_PENDING_CODE"),
        LinkError::CodeExpired => (StatusCode::CONFLICT, "CODE_EXPIRED"),
        LinkError::CodeRefused => (StatusCode::CONFLICT, "CODE_REFUSED"),
        LinkError::TooManyAttempts => (StatusCode::CONFLICT, "TOO_MANY_ATTEMPTS"),
        LinkError::PasskeyRequired => (StatusCode::CONFLICT, "PASSKEY_REQUIRED"),
        LinkError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    }
}

impl From<PhoneError> for ControlError {
    fn from(error: PhoneError) -> Self {
        match error {
            PhoneError::UnknownMessage => Self::UnknownMessage,
            PhoneError::UnknownGroup => Self::UnknownGroup,
            PhoneError::UnknownChannel => Self::UnknownChannel,
            PhoneError::UnknownCall => Self::UnknownCall,
            PhoneError::UnknownCompanion => Self::UnknownCompanion,
            PhoneError::Offline => Self::Offline,
            PhoneError::Signal(error) => error.into(),
            PhoneError::Stanza(error) => Self::internal(error),
        }
    }
}

impl From<SignalError> for ControlError {
    fn from(error: SignalError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        if status.is_server_error() {
            tracing::error!(error = ?self, "the control API failed");
        }
        let body = serde_json::json!({ "error": self.to_string(), "code": code });
        (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

/// The answer for paths that do not exist.
pub async fn not_found() -> ControlError {
    ControlError::NotFound
}

pub(super) async fn method_not_allowed() -> ControlError {
    ControlError::MethodNotAllowed
}
