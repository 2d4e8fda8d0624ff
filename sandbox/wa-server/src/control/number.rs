//! The phone number in a path.

use std::collections::HashMap;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use super::ControlError;
use crate::number::{InvalidNumber, PhoneNumber};

/// `{number}` of the path, checked.
pub(super) struct Number(pub(super) PhoneNumber);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ControlError> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .ok()
            .ok_or(ControlError::Number(InvalidNumber))?;
        let text = path.get("number").map(String::as_str).unwrap_or_default();
        Ok(Self(PhoneNumber::parse(text)?))
    }
}
