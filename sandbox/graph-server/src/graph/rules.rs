//! Who may do what: tokens, scopes, proofs.

use axum::http::StatusCode;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{GraphError, Request};
use crate::state::{App, State, Token};

/// Read and change accounts and numbers.
pub(crate) const MANAGEMENT: &str = "whatsapp_business_management";
/// Send and receive.
pub(crate) const MESSAGING: &str = "whatsapp_business_messaging";
/// How long a proof with a time is good, in seconds.
const PROOF_SECONDS: i64 = 5 * 60;

/// Finds the caller: a known token in force, with a proof where its app demands one.
pub(crate) fn authenticate(state: &State, request: &Request) -> Result<Token, GraphError> {
    // The parameter wins: clients with a token of their own name an app's by it.
    let given = request.plain_param("access_token").or(request.bearer.as_deref());
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Err(GraphError::graph(
            104,
            "An access token is required to request this resource.",
        ));
    };
    if let Some(app) = app_of_pair(state, given) {
        return Ok(app_token(app, given, state.clock.seconds()));
    }
    let Some(token) = state.tokens.get(given) else {
        return Err(GraphError::graph(
            190,
            "Invalid OAuth access token - Cannot parse access token",
        ));
    };
    if let Some(end) = token.end(state.clock.seconds()) {
        return Err(GraphError::graph(190, end.message).subcode(end.subcode));
    }
    check_proof(state, request, token)?;
    Ok(token.clone())
}

/// `app id|app secret` is a token of the app itself.
pub(crate) fn app_of_pair<'a>(state: &'a State, given: &str) -> Option<&'a App> {
    let (id, secret) = given.split_once('|')?;
    state.apps.get(id).filter(|app| app.secret == secret)
}

pub(crate) fn app_token(app: &App, token: &str, now: i64) -> Token {
    Token {
        secret: token.to_owned(),
        app_id: app.id.clone(),
        kind: "APP".to_owned(),
        scopes: Vec::new(),
        waba_ids: Vec::new(),
        user_id: String::new(),
        issued_at: now,
        expires_at: 0,
        ended: None,
    }
}

fn check_proof(state: &State, request: &Request, token: &Token) -> Result<(), GraphError> {
    let Some(app) = state.apps.get(&token.app_id) else { return Ok(()) };
    let refused = |sentence| Err(GraphError::method(100, sentence));
    let Some(proof) = request.plain_param("appsecret_proof") else {
        if app.require_proof && !token.is_app() {
            return refused("API calls from the server require an appsecret_proof argument");
        }
        return Ok(());
    };
    let invalid = "Invalid appsecret_proof provided in the API argument";
    let message = match request.plain_param("appsecret_time") {
        None => token.secret.clone(),
        Some(time) => {
            let age = time.parse::<i64>().ok().map(|time| state.clock.seconds() - time);
            if age.is_none_or(|age| age.abs() > PROOF_SECONDS) {
                return refused(invalid);
            }
            format!("{}|{time}", token.secret)
        }
    };
    if proof == hmac_hex(&app.secret, message.as_bytes()) { Ok(()) } else { refused(invalid) }
}

/// Lower-case hexadecimal HMAC-SHA256.
pub(crate) fn hmac_hex(key: &str, message: &[u8]) -> String {
    Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_or_else(
        |_any_length_will_do| String::new(),
        |mut mac| {
            mac.update(message);
            hex::encode(mac.finalize().into_bytes())
        },
    )
}

/// Whether the caller may do what needs `scope` to things of an account.
pub(crate) fn allow(
    token: &Token,
    scope: &str,
    waba: &str,
    refused: (&Request, &str),
) -> Result<(), GraphError> {
    if !token.scopes.iter().any(|held| held == scope) {
        return Err(if scope == MESSAGING {
            GraphError::graph(10, "(#10) Application does not have permission for this action")
        } else {
            let sentence = format!("(#200) Requires {scope} permission to manage the object");
            GraphError::graph(200, sentence)
        });
    }
    if !token.covers(waba) {
        let (request, id) = refused;
        return Err(GraphError::unknown_object(&request.verb(), id));
    }
    Ok(())
}

/// What belongs to an app is for the app itself.
pub(crate) fn allow_app(token: &Token, app: &str) -> Result<(), GraphError> {
    if token.is_app() && token.app_id == app {
        return Ok(());
    }
    let sentence = "(#15) This method must be called with an app access_token.";
    Err(GraphError::graph(15, sentence).status(StatusCode::BAD_REQUEST))
}

#[cfg(test)]
mod tests {
    use super::hmac_hex;

    #[test]
    fn proofs_are_those_of_the_dossiers_vectors() {
        let secret = "614fc2afde15eee07a26b2fe3eaee9b9";

        assert_eq!(
            hmac_hex(secret, b"EAAJtesttoken"),
            "7a8494b29e59bf27b7e653f0a7b6bb2ebb4e01dce85f67c4cc0c8c6e5ac26244"
        );
        assert_eq!(
            hmac_hex(secret, b"EAAJtesttoken|1750000000"),
            "8b66a96278dd1ea0e4e21550b8fb9768c24785af6ba3de7b9ef9303ff5327ca0"
        );
    }
}
