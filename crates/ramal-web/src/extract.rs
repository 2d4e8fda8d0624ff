//! What handlers take as arguments: each proves something.

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};
use ramal_app::{Caller, Refusal, Scoped};
use ramal_domain::KeyScope;

use serde::de::DeserializeOwned;

use crate::{
    Web,
    error::{ApiError, no_such_route},
};

/// The raw key.
const API_KEY: &str = "x-api-key";
/// The id of a key, in its place; only where the operator accepts it.
const API_KEY_ID: &str = "x-api-key-id";
/// The number that a tenant's key acts on.
const NUMBER_ID: &str = "x-whatsapp-number-id";
/// Asks for an error where [`NUMBER_ID`] names another number than that of the key, which the contract
/// has us ignore (C): for callers who did not choose the key themselves.
const NUMBER_STRICT: &str = "x-whatsapp-number-strict";

/// An authenticated caller.
#[derive(Debug)]
pub(crate) struct Authenticated(pub(crate) Caller);

impl FromRequestParts<Web> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
        let caller = if let Some(raw) = header(&parts.headers, API_KEY) {
            web.app.authenticate(raw).await?
        } else {
            let id = header(&parts.headers, API_KEY_ID).filter(|_| web.auth.accept_key_id);
            web.app.authenticate_by_id(id.ok_or(Refusal::Unauthenticated)?).await?
        };
        if header(&parts.headers, NUMBER_STRICT).is_some() && names_another(&caller, &parts.headers)
        {
            return Err(Refusal::NumberMismatch.into());
        }
        Ok(Self(caller))
    }
}

fn names_another(caller: &Caller, headers: &HeaderMap) -> bool {
    match (caller.scope(), number_header(headers)) {
        (KeyScope::Number(own), Some(named)) => named != own.to_string(),
        (KeyScope::Number(_), None) | (KeyScope::Tenant, _) => false,
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
