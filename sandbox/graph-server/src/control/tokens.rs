//! `/tokens`, `/codes`: rights, and how they end.

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;

use super::{ControlError, body::Json, business::all_scopes};
use crate::{
    GraphServer, ids,
    state::{Code, State as World, Token, TokenEnd},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Create {
    app_id: String,
    scopes: Option<Vec<String>>,
    /// The accounts that it is for; empty: all.
    #[serde(default)]
    waba_ids: Vec<String>,
    /// In seconds; without it, for ever.
    expires_in: Option<i64>,
    kind: Option<String>,
}

pub(super) async fn create(
    State(server): State<GraphServer>,
    Json(wish): Json<Create>,
) -> Result<impl IntoResponse, ControlError> {
    let token = server.with(|state| {
        check_app(state, &wish.app_id)?;
        let now = state.clock.seconds();
        let token = Token {
            secret: ids::access_token(),
            app_id: wish.app_id,
            kind: wish.kind.unwrap_or_else(|| "SYSTEM_USER".to_owned()),
            scopes: wish.scopes.unwrap_or_else(all_scopes),
            waba_ids: wish.waba_ids,
            user_id: state.mint_id(),
            issued_at: now,
            expires_at: wish.expires_in.map_or(0, |seconds| now + seconds),
            ended: None,
        };
        state.tokens.insert(token.secret.clone(), token.clone());
        Ok::<Token, ControlError>(token)
    })?;
    Ok((StatusCode::CREATED, Json(token)))
}

fn check_app(state: &World, id: &str) -> Result<(), ControlError> {
    if state.apps.contains_key(id) { Ok(()) } else { Err(ControlError::UnknownApp) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoke {
    token: String,
    /// 458: the app was removed; 460: the password has changed; 467: invalid.
    subcode: Option<i64>,
}

pub(super) async fn revoke(
    State(server): State<GraphServer>,
    Json(wish): Json<Revoke>,
) -> Result<Json<Token>, ControlError> {
    server.with(|state| {
        let token = state.tokens.get_mut(&wish.token).ok_or(ControlError::UnknownToken)?;
        token.ended = Some(TokenEnd::of(wish.subcode.unwrap_or(460)));
        Ok(Json(token.clone()))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expire {
    token: String,
    /// In seconds from now; without it, at once.
    expires_in: Option<i64>,
}

pub(super) async fn expire(
    State(server): State<GraphServer>,
    Json(wish): Json<Expire>,
) -> Result<Json<Token>, ControlError> {
    server.with(|state| {
        let now = state.clock.seconds();
        let token = state.tokens.get_mut(&wish.token).ok_or(ControlError::UnknownToken)?;
        token.expires_at = now + wish.expires_in.unwrap_or_default();
        Ok(Json(token.clone()))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewCode {
    app_id: String,
    waba_ids: Vec<String>,
    scopes: Option<Vec<String>>,
    /// How long its token lives, in seconds.
    token_expires_in: Option<i64>,
}

/// A code, as the dialog hands it over.
pub(super) async fn create_code(
    State(server): State<GraphServer>,
    Json(wish): Json<NewCode>,
) -> Result<impl IntoResponse, ControlError> {
    let code = server.with(|state| {
        check_app(state, &wish.app_id)?;
        if wish.waba_ids.iter().any(|id| !state.wabas.contains_key(id)) {
            return Err(ControlError::UnknownWaba);
        }
        let code = Code {
            text: ids::code(),
            app_id: wish.app_id,
            waba_ids: wish.waba_ids,
            scopes: wish.scopes.unwrap_or_else(all_scopes),
            token_lifetime: wish.token_expires_in,
            issued_at: state.clock.seconds(),
            used: false,
        };
        state.codes.insert(code.text.clone(), code.clone());
        Ok(code)
    })?;
    Ok((StatusCode::CREATED, Json(code)))
}
