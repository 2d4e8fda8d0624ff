//! JSON in and out, with errors in our own shape.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::ControlError;

/// A JSON body; an empty one counts as `{}`. Its content type is not looked at: `curl -d` sends
/// another one.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ControlError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ControlError> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| ControlError::Unreadable(rejection.body_text()))?;
        let text: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| ControlError::Body(error.to_string()))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let body = json!(self.0).to_string();
        (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// A phone number in digits.
pub(super) fn digits(number: &str) -> Result<String, ControlError> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let good = (8..=15).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    if good { Ok(digits.to_owned()) } else { Err(ControlError::Number) }
}

/// Replaces fields of a node; each must exist, and keep its type.
pub(super) fn merge(
    node: &mut Map<String, Value>,
    changes: Map<String, Value>,
) -> Result<(), ControlError> {
    for (name, value) in &changes {
        let Some(known) = node.get(name) else {
            return Err(ControlError::Body(format!("there is no field {name}")));
        };
        if std::mem::discriminant(known) != std::mem::discriminant(value) {
            return Err(ControlError::Body(format!("{name} has another type")));
        }
    }
    node.extend(changes);
    Ok(())
}

/// How many callbacks hear of something.
pub(super) fn told(webhooks: usize) -> Json<Value> {
    Json(json!({ "webhooks": webhooks }))
}
