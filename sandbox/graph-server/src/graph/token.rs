//! `debug_token`: what a token is good for.

use serde_json::{Value, json};

use super::{GraphError, MANAGEMENT, MESSAGING, Reply, Request, rules};
use crate::state::{State, Token};

pub(crate) fn debug(state: &State, request: &Request) -> Result<Reply, GraphError> {
    if request.method != axum::http::Method::GET {
        return Err(super::unsupported(request, ""));
    }
    let inspector = rules::authenticate(state, request)?;
    let input = request.required("input_token")?;
    let Some(token) = state.tokens.get(&input) else {
        let error = json!({ "code": 190, "message": "Invalid OAuth access token." });
        return Ok(Reply::Json(
            json!({ "data": { "error": error, "is_valid": false, "scopes": [] } }),
        ));
    };
    if token.app_id != inspector.app_id {
        let sentence = "The App_id in the input_token did not match the Viewing App";
        return Err(GraphError::parameter(sentence));
    }
    if inspector.secret == token.secret && !state.settings.self_inspection {
        let sentence = "You must provide an app access token, or a user access token that is an \
                        owner or developer of the app";
        return Err(GraphError::parameter(sentence));
    }
    Ok(Reply::Json(json!({ "data": description(state, token) })))
}

fn description(state: &State, token: &Token) -> Value {
    let name = state.apps.get(&token.app_id).map(|app| app.name.clone()).unwrap_or_default();
    let end = token.end(state.clock.seconds());
    let granular: Vec<Value> = token
        .scopes
        .iter()
        .filter(|scope| *scope == MANAGEMENT || *scope == MESSAGING)
        .map(|scope| {
            if token.waba_ids.is_empty() {
                json!({ "scope": scope })
            } else {
                json!({ "scope": scope, "target_ids": token.waba_ids })
            }
        })
        .collect();
    let mut scopes = token.scopes.clone();
    if !token.is_app() {
        scopes.push("public_profile".to_owned());
    }
    let mut data = json!({
        "app_id": token.app_id,
        "application": name,
        "type": token.kind,
        "is_valid": end.is_none(),
        "issued_at": token.issued_at,
        "expires_at": token.expires_at,
        "data_access_expires_at": 0,
        "user_id": token.user_id,
        "scopes": scopes,
        "granular_scopes": granular,
    });
    if let (Some(end), Some(data)) = (end, data.as_object_mut()) {
        let error = json!({ "code": 190, "message": end.message, "subcode": end.subcode });
        data.insert("error".into(), error);
    }
    data
}
