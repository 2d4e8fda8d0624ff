//! The phone number in a path.

use std::collections::HashMap;

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts, Path},
    http::request::Parts,
};

use super::ControlError;
use crate::number::{InvalidNumber, PhoneNumber};

/// `{number}` of the path, checked.
pub(super) struct Number(pub(super) PhoneNumber);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ControlError> {
        let given = in_path(parts, state).await?.unwrap_or_default();
        Ok(Self(PhoneNumber::parse(&given)?))
    }
}

/// Routes that exist with and without a number.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Number {
    type Rejection = ControlError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Option<Self>, ControlError> {
        let given = in_path(parts, state).await?;
        Ok(given.as_deref().map(PhoneNumber::parse).transpose()?.map(Self))
    }
}

async fn in_path<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<Option<String>, ControlError> {
    let path =
        <Path<HashMap<String, String>> as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .ok()
            .ok_or(ControlError::Number(InvalidNumber))?;
    Ok(path.get("number").cloned())
}
