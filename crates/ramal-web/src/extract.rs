//! What handlers take as arguments: each proves something.

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};
use ramal_app::{Caller, Refusal, Scoped};

use serde::de::DeserializeOwned;

use crate::{
    Web,
    error::{ApiError, no_such_route},
};

/// The raw key.
const API_KEY: &str = "x-api-key";
/// The number that a tenant's key acts on.
const NUMBER_ID: &str = "x-whatsapp-number-id";

/// An authenticated caller.
#[derive(Debug)]
pub(crate) struct Authenticated(pub(crate) Caller);

impl FromRequestParts<Web> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
        let raw = header(&parts.headers, API_KEY).ok_or(Refusal::Unauthenticated)?;
        Ok(Self(web.app.authenticate(raw).await?))
    }
}

/// An authenticated caller and the number that it acts on.
#[derive(Debug)]
pub(crate) struct OnNumber(pub(crate) Scoped);

impl FromRequestParts<Web> for OnNumber {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, web).await?;
        Ok(Self(web.app.scope(caller, number_header(&parts.headers)).await?))
    }
}

/// A segment of the path. One that cannot be read is one that does not exist.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_unreadable) => Err(no_such_route().await),
        }
    }
}

/// The query string, whose errors wear our envelope.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
        }
    }
}

/// The number that the `x-whatsapp-number-id` header names.
pub(crate) fn number_header(headers: &HeaderMap) -> Option<&str> {
    header(headers, NUMBER_ID)
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}
