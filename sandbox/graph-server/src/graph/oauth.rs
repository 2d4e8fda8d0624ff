//! `oauth/access_token`: codes and app credentials become tokens.

use serde_json::{Map, json};

use super::{GraphError, Reply, Request};
use crate::{
    ids,
    state::{State, Token},
};

/// How long a code lives, in seconds.
const CODE_SECONDS: i64 = 30;

pub(crate) fn access_token(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    let missing = |name: &str| GraphError::graph(101, format!("Missing {name} parameter."));
    let app_id = request.param("client_id").ok_or_else(|| missing("client_id"))?;
    let secret = request.param("client_secret").ok_or_else(|| missing("client_secret"))?;
    let Some(app) = state.apps.get(&app_id) else {
        let sentence =
            "Error validating application. Cannot get application info due to a system error.";
        return Err(GraphError::graph(101, sentence));
    };
    if app.secret != secret {
        return Err(GraphError::graph(1, "Error validating client secret."));
    }
    if request.param("grant_type").as_deref() == Some("client_credentials") {
        let token = format!("{app_id}|{}", ids::nonce());
        let answer = json!({ "access_token": token, "token_type": "bearer" });
        let token = super::rules::app_token(app, &token, state.clock.seconds());
        state.tokens.insert(token.secret.clone(), token);
        return Ok(Reply::Json(answer));
    }
    let code = request.param("code").ok_or_else(|| missing("code"))?;
    exchange(state, request, &app_id, &code)
}

fn exchange(
    state: &mut State,
    request: &Request,
    app_id: &str,
    code: &str,
) -> Result<Reply, GraphError> {
    let now = state.clock.seconds();
    let Some(code) = state.codes.get_mut(code).filter(|code| code.app_id == app_id) else {
        return Err(GraphError::graph(100, "Invalid verification code format."));
    };
    if code.used {
        let sentence = "This authorization code has been used.";
        return Err(GraphError::graph(100, sentence).subcode(36_009));
    }
    if now - code.issued_at > CODE_SECONDS {
        let sentence = "This authorization code has expired.";
        return Err(GraphError::graph(100, sentence).subcode(36_007));
    }
    // The login of the JavaScript SDK has no address to return to.
    if request.param("redirect_uri").is_some_and(|uri| !uri.is_empty()) {
        let sentence = "Error validating verification code. Please make sure your redirect_uri is \
                        identical to the one you used in the OAuth dialog request";
        return Err(GraphError::graph(100, sentence).subcode(36_008));
    }
    code.used = true;
    let (lifetime, waba_ids, scopes) =
        (code.token_lifetime, code.waba_ids.clone(), code.scopes.clone());
    let token = Token {
        secret: ids::access_token(),
        app_id: app_id.to_owned(),
        kind: "SYSTEM_USER".to_owned(),
        scopes,
        waba_ids,
        user_id: state.mint_id(),
        issued_at: now,
        expires_at: lifetime.map_or(0, |lifetime| now + lifetime),
        ended: None,
    };
    let mut answer = Map::new();
    answer.insert("access_token".into(), json!(token.secret));
    answer.insert("token_type".into(), json!("bearer"));
    if let Some(lifetime) = lifetime {
        answer.insert("expires_in".into(), json!(lifetime));
    }
    state.tokens.insert(token.secret.clone(), token);
    Ok(Reply::Json(answer.into()))
}
