//! `/{phone}`: reading a number, its PIN, and its callback.

use serde_json::{Value, json};

use super::{GraphError, Reply, Request, fields, register, subscriptions};
use crate::{
    GraphServer,
    state::{Number, Override, State, Token},
};

const NODE_TYPE: &str = "WhatsAppBusinessPhoneNumber";
const DEFAULTS: [&str; 8] = [
    "display_phone_number",
    "verified_name",
    "quality_rating",
    "code_verification_status",
    "platform_type",
    "throughput",
    "last_onboarded_time",
    "webhook_configuration",
];
const KNOWN: [&str; 3] = ["id", "webhook_configuration", "username"];

pub(crate) fn show(state: &State, request: &Request) -> Result<Reply, GraphError> {
    let id = request.segment(0);
    let number = state.numbers.get(id).ok_or_else(|| GraphError::unknown_object("get", id))?;
    let mut whole = number.node.clone();
    whole.insert("id".into(), json!(id));
    whole.insert("is_pin_enabled".into(), json!(number.pin.is_some()));
    if let Some(callbacks) = callbacks(state, number) {
        whole.insert("webhook_configuration".into(), callbacks);
    }
    fields::select(request, whole, &DEFAULTS, NODE_TYPE, &KNOWN).map(Reply::Json)
}

/// A number in a list: without its callbacks.
pub(crate) fn node(number: &Number, request: &Request) -> Result<Value, GraphError> {
    let mut whole = number.node.clone();
    whole.insert("id".into(), json!(number.id));
    whole.insert("is_pin_enabled".into(), json!(number.pin.is_some()));
    fields::select(request, whole, &DEFAULTS, NODE_TYPE, &KNOWN)
}

/// The callbacks at the three levels; those that are not set are not there.
fn callbacks(state: &State, number: &Number) -> Option<Value> {
    let mut shown = serde_json::Map::new();
    if let Some((_, own)) = &number.callback {
        shown.insert("phone_number".into(), json!(own.url));
    }
    let subscriptions = state.wabas.get(&number.waba_id).map(|waba| &waba.subscriptions);
    for (app_id, of_waba) in subscriptions.into_iter().flatten() {
        if let Some(of_waba) = of_waba {
            shown.insert("whatsapp_business_account".into(), json!(of_waba.url));
        }
        if let Some(callback) = state.apps.get(app_id).and_then(|app| app.callback.as_ref()) {
            shown.insert("application".into(), json!(callback.url));
        }
    }
    (!shown.is_empty()).then(|| shown.into())
}

/// Sets the PIN, or the number's own callback.
pub(crate) async fn change(
    server: &GraphServer,
    request: &Request,
    token: &Token,
) -> Result<Reply, GraphError> {
    let id = request.segment(0).to_owned();
    if let Some(pin) = request.param("pin") {
        register::check_pin(&pin)?;
        server.with(|state| {
            if let Some(number) = state.numbers.get_mut(&id) {
                number.pin = Some(pin);
            }
        });
        return Ok(Reply::success());
    }
    let Some(wanted) = request.json.get("webhook_configuration").and_then(Value::as_object) else {
        return Err(GraphError::parameter("The parameter webhook_configuration is required."));
    };
    let text = |name: &str| wanted.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (url, verify_token) = (text("override_callback_uri"), text("verify_token"));
    let callback = if url.is_empty() {
        None
    } else {
        subscriptions::check_length(&url)?;
        server.verify_callback(&url, &verify_token).await?;
        Some((token.app_id.clone(), Override { url, verify_token }))
    };
    server.with(|state| {
        if let Some(number) = state.numbers.get_mut(&id) {
            number.callback = callback;
        }
    });
    Ok(Reply::success())
}
