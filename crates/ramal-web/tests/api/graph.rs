//! A scripted Graph on a port: what it answers, the token says.
//!
//! A phone number id is the phone number's digits, and every account has the number that is asked about.

use axum::{
    Router,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use ramal_app::MetaOptions;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::scene::{Account, Ask};

/// A token with which everything works.
pub(crate) const GOOD: &str = "good";
/// A token that Meta took back.
pub(crate) const REVOKED: &str = "revoked";
/// A token that may do nothing.
pub(crate) const UNSCOPED: &str = "unscoped";
/// A token whose number has another PIN.
pub(crate) const WRONG_PIN: &str = "wrong-pin";
/// A token whose number was not verified.
pub(crate) const UNVERIFIED: &str = "unverified";
/// A token whose callback Meta cannot reach.
pub(crate) const DEAF: &str = "deaf";
/// A token that Meta refuses for another reason.
pub(crate) const REFUSED: &str = "refused";

/// The one template: its body has one variable.
pub(crate) const TEMPLATE: &str = "hello";

/// The account of every number.
const WABA: &str = "102290129340398";

/// Serves until `serving` is dropped, and returns how to reach it.
pub(crate) async fn serve(serving: &mut JoinSet<()>) -> MetaOptions {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let graph_url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer);
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    MetaOptions { graph_url, ..MetaOptions::default() }
}

/// What a caller says of an official number at Meta.
pub(crate) fn credentials(phone: &str, token: &str) -> Value {
    json!({
        "metaPhoneId": phone.trim_start_matches('+'),
        "metaWabaId": WABA,
        "metaAccessToken": token,
        "metaAppSecret": "614fc2afde15eee07a26b2fe3eaee9b9",
    })
}

/// Asks for an official number.
pub(crate) fn create(account: &Account, phone: &str, token: &str) -> Ask {
    let mut body = credentials(phone, token);
    body["name"] = "Support".into();
    body["number"] = phone.into();
    Ask::new("POST", "/v1/numbers/meta").key(&account.tenant_key).body(body)
}

fn error(status: StatusCode, code: u32, message: &str) -> Response {
    let body = json!({"message": message, "type": "OAuthException", "code": code});
    (status, axum::Json(json!({"error": body}))).into_response()
}

async fn answer(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // The first part is the version.
    let path: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).skip(1).collect();
    let query = uri.query().unwrap_or_default();
    let body = match (method.as_str(), path.as_slice()) {
        ("GET", ["debug_token"]) => {
            let mut scopes = vec!["whatsapp_business_management", "whatsapp_business_messaging"];
            scopes.retain(|_| !query.contains(UNSCOPED));
            json!({"data": {"is_valid": !query.contains(REVOKED), "app_id": "670843887433847",
                "expires_at": 0, "scopes": scopes}})
        }
        ("GET", [_, "phone_numbers"]) => {
            let mut numbers = Vec::new();
            for last in 0..10_000_u32 {
                numbers.push(json!({"id": format!("551199999{last:04}")}));
            }
            json!({"data": numbers})
        }
        ("GET", [_, "message_templates"])
            if query.contains(TEMPLATE) || query.contains("status=APPROVED") =>
        {
            json!({"data": [
                {"id": "1", "name": TEMPLATE, "language": "en", "status": "APPROVED",
                 "category": "UTILITY", "components": [{"type": "BODY", "text": "Hello {{1}}"}]}
            ]})
        }
        ("GET", [_, "subscribed_apps" | "message_templates"]) => json!({"data": []}),
        ("POST", [_, "register"]) if token == WRONG_PIN => {
            return error(StatusCode::BAD_REQUEST, 133_005, "(#133005) PIN Mismatch");
        }
        ("POST", [_, "register"]) if token == UNVERIFIED => {
            return error(StatusCode::BAD_REQUEST, 133_006, "(#133006) Verify first");
        }
        ("POST", [_]) if token == DEAF => {
            return error(StatusCode::BAD_REQUEST, 2_200, "(#2200) Callback verification failed");
        }
        ("GET", [_]) if token == REFUSED => {
            return error(StatusCode::BAD_REQUEST, 131_045, "(#131045) Registration error");
        }
        ("GET", [id]) => {
            let registered = token != WRONG_PIN && token != UNVERIFIED;
            json!({"id": id, "display_phone_number": format!("+{id}"), "verified_name": "Acme",
                "status": "CONNECTED", "quality_rating": "GREEN",
                "platform_type": if registered { "CLOUD_API" } else { "NOT_APPLICABLE" }})
        }
        _ => json!({"success": true}),
    };
    axum::Json(body).into_response()
}
