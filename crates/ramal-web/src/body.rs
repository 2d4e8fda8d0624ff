//! JSON bodies: read whole, checked to be an object, errors name the field.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
};
use http::StatusCode;
use serde::{
    Deserialize as _, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// A JSON object, read into `T`, with its raw bytes. The content type is not looked at: whatever
/// is not JSON is refused anyway, and `curl -d` sends another one.
#[derive(Debug)]
pub(crate) struct Body<T> {
    pub(crate) value: T,
    pub(crate) raw: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let raw = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unreadable(&rejection))?;
        Ok(Self { value: parse(&raw)?, raw })
    }
}

/// A body as it came, of whatever kind.
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = Bytes::from_request(request, state).await;
        read.map(Self).map_err(|rejection| unreadable(&rejection))
    }
}

fn unreadable(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::request(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BODY_TOO_LARGE",
            crate::error::TOO_LARGE,
        );
    }
    ApiError::invalid("the body cannot be read")
}

fn parse<T: DeserializeOwned>(raw: &[u8]) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(raw)
        .map_err(|error| ApiError::invalid(format!("the body is not JSON: {error}")))?;
    // serde would also read a struct from an array; the contract knows objects only.
    if !value.is_object() {
        return Err(ApiError::invalid("the body must be a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let sentence = error.into_inner().to_string();
        ApiError::invalid(if path == "." { sentence } else { format!("{path}: {sentence}") })
    })
}

/// Reads an optional object inside a body; see [`parse`] on arrays.
pub(crate) fn object<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let fields = Option::<Map<String, Value>>::deserialize(deserializer)?;
    fields
        .map(|fields| serde_json::from_value(Value::Object(fields)).map_err(D::Error::custom))
        .transpose()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        name: String,
    }

    fn sentence(raw: &[u8]) -> String {
        match parse::<Sample>(raw) {
            Ok(sample) => sample.name,
            Err(ApiError::App(error)) => error.to_string(),
            Err(ApiError::Request { sentence, .. }) => sentence,
        }
    }

    #[test]
    fn errors_name_the_field() {
        assert_eq!(sentence(br#"{"name":"x"}"#), "x");
        assert!(sentence(br#"{"name":5}"#).starts_with("name: invalid type"));
        assert!(sentence(b"{}").contains("missing field `name`"));
        assert!(sentence(b"[\"x\"]").contains("must be a JSON object"));
        assert!(sentence(b"{").contains("not JSON"));
        assert!(sentence(b"").contains("not JSON"));
        assert!(sentence(b"\xff").contains("not JSON"));
    }
}
