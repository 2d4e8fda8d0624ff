//! What handlers take as arguments: each proves something.

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};
use ramal_app::{Caller, Refusal, Scoped};
use serde::de::DeserializeOwned;

use crate::{Web, error::ApiError};

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

/// The query string; what is wrong with it is said in our envelope.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Web> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
        let query = axum::extract::Query::from_request_parts(parts, web).await;
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection| ApiError::invalid(rejection.body_text()))
    }
}

/// The number that the `x-whatsapp-number-id` header names.
pub(crate) fn number_header(headers: &HeaderMap) -> Option<&str> {
    header(headers, NUMBER_ID)
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}
