//! What Graph answers when it refuses.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::ids;

/// One refusal.
#[derive(Clone, Debug)]
pub(crate) struct GraphError {
    pub(crate) status: StatusCode,
    pub(crate) code: i64,
    subcode: Option<i64>,
    kind: &'static str,
    message: String,
    details: Option<String>,
}

impl GraphError {
    fn new(code: i64, kind: &'static str, message: impl Into<String>) -> Self {
        let status = http_status(code);
        Self { status, code, subcode: None, kind, message: message.into(), details: None }
    }

    /// Graph's own errors: the message is a sentence.
    pub(crate) fn graph(code: i64, message: impl Into<String>) -> Self {
        Self::new(code, "OAuthException", message)
    }

    /// Graph's own errors about methods and objects.
    pub(crate) fn method(code: i64, message: impl Into<String>) -> Self {
        Self::new(code, "GraphMethodException", message)
    }

    /// Cloud API's errors: `(#CODE) Title`, and what exactly is wrong.
    pub(crate) fn cloud(code: i64, details: impl Into<String>) -> Self {
        let mut error = Self::graph(code, format!("(#{code}) {}", title(code)));
        error.details = Some(details.into());
        error
    }

    /// What a test asks for.
    pub(crate) fn scripted(code: i64) -> Self {
        match code {
            0 | 190 => {
                Self::graph(code, "Error validating access token: The session has been invalidated")
                    .subcode(460)
            }
            33 | 100_000.. => Self::cloud(code, title(code)),
            _ => Self::graph(code, format!("(#{code}) {}", title(code))),
        }
    }

    /// Code 100, with the sentence that names the parameter.
    pub(crate) fn parameter(sentence: impl AsRef<str>) -> Self {
        Self::graph(100, format!("(#100) {}", sentence.as_ref()))
    }

    /// Unknown, somebody else's, or not made for this: Graph does not tell which.
    pub(crate) fn unknown_object(method: &str, id: &str) -> Self {
        Self::method(
            100,
            format!(
                "Unsupported {method} request. Object with ID '{id}' does not exist, cannot be \
                 loaded due to missing permissions, or does not support this operation. Please \
                 read the Graph API documentation at https://developers.facebook.com/docs/graph-api"
            ),
        )
        .subcode(33)
    }

    pub(crate) fn subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("message".into(), json!(self.message));
        error.insert("type".into(), json!(self.kind));
        error.insert("code".into(), json!(self.code));
        if let Some(details) = &self.details {
            let data = json!({ "messaging_product": "whatsapp", "details": details });
            error.insert("error_data".into(), data);
        }
        if let Some(subcode) = self.subcode {
            error.insert("error_subcode".into(), json!(subcode));
        }
        if matches!(self.code, 1 | 2 | 131_016 | 133_004) {
            error.insert("is_transient".into(), json!(true));
        }
        error.insert("fbtrace_id".into(), json!(ids::trace()));
        json!({ "error": error })
    }
}

/// The proposal of the dossier: nobody outside Meta knows better, and clients must not depend on it.
fn http_status(code: i64) -> StatusCode {
    match code {
        190 => StatusCode::UNAUTHORIZED,
        10 | 200..=299 | 368 | 131_005 | 131_031 => StatusCode::FORBIDDEN,
        131_000 | 131_016 => StatusCode::INTERNAL_SERVER_ERROR,
        2 | 133_004 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The title that belongs to a code.
pub(crate) fn title(code: i64) -> &'static str {
    match code {
        1 => "An unknown error occurred",
        2 => "Service temporarily unavailable",
        4 => "Application request limit reached",
        10 => "Application does not have permission for this action",
        100 => "Invalid parameter",
        190 => "Access token has expired",
        200 => "You do not have the necessary permissions",
        368 => "Temporarily blocked for policies violations",
        80_007 => "Rate limit issues",
        130_429 => "Rate limit hit",
        130_472 => "User's number is part of an experiment",
        130_497 => "Business account is restricted from messaging users in this country",
        131_000 => "Something went wrong",
        131_005 => "Access denied",
        131_008 => "Required parameter is missing",
        33 | 131_009 => "Parameter value is not valid",
        131_016 => "Service unavailable",
        131_021 => "Recipient cannot be sender",
        131_026 => "Message undeliverable",
        131_030 => "Recipient phone number not in allowed list",
        131_031 => "Business Account locked",
        131_037 => {
            "WhatsApp provided number needs display name approval before message can be sent"
        }
        131_042 => "Business eligibility payment issue",
        131_045 => "Incorrect certificate",
        131_047 => "Re-engagement message",
        131_048 => "Spam rate limit hit",
        131_049 => "Meta chose not to deliver",
        131_050 => "User has stopped receiving marketing messages",
        131_051 => "Unsupported message type",
        131_052 => "Media download error",
        131_053 => "Media upload error",
        131_056 => "Business Account/Consumer Account pair rate limit hit",
        131_057 => "Business Account is in maintenance mode",
        131_062 => "Business-scoped user ids are not supported for this message",
        132_000 => "Number of parameters does not match the expected number of params",
        132_001 => "Template name does not exist in the translation",
        132_005 => "Translated text too long",
        132_007 => "Template format character policy violated",
        132_012 => "Parameter format does not match format in the created template",
        132_015 => "Template is paused",
        132_016 => "Template is disabled",
        132_018 => "Template parameters are not valid",
        133_000 => "Incomplete deregistration",
        133_004 => "Server temporarily unavailable",
        133_005 => "Two step verification PIN Mismatch",
        133_006 => "Phone number needs to be verified before registering",
        133_008 => "Too many two step verification PIN guesses",
        133_009 => "Two step verification PIN guessed too fast",
        133_010 => "Account not registered",
        133_015 => "Please wait a few minutes before attempting to register this phone number",
        133_016 => "Account register/deregister rate limit exceeded",
        136_025 => "Verify code error",
        2_593_107 => "Synchronization request limit exceeded",
        2_593_108 => "Synchronization requested outside of the allowed time window",
        2_593_109 => "History sync is turned off by the business",
        _ => "Error",
    }
}
