//! `/{waba}` and its numbers.

use serde_json::{Value, json};

use super::{GraphError, Reply, Request, fields, phone};
use crate::state::{Number, State};

const NODE_TYPE: &str = "WhatsAppBusinessAccount";
const DEFAULTS: [&str; 4] = ["name", "currency", "timezone_id", "message_template_namespace"];
/// Fields that exist, whether this account has them or not.
const KNOWN: [&str; 13] = [
    "id",
    "audiences",
    "auth_international_rate_eligibility",
    "dcc_config",
    "disable_marketing_messages_on_cloud_api",
    "health_status",
    "is_enabled_for_insights",
    "marketing_messages_lite_api_status",
    "marketing_messages_onboarding_status",
    "on_behalf_of_business_info",
    "purchase_order_number",
    "schedules",
    "subscribed_apps",
];

pub(crate) fn show(state: &State, request: &Request) -> Result<Reply, GraphError> {
    let id = request.segment(0);
    let waba = state.wabas.get(id).ok_or_else(|| GraphError::unknown_object("get", id))?;
    let mut node = waba.node.clone();
    node.insert("id".into(), json!(id));
    let owner = json!({ "id": waba.business_id, "name": waba.name() });
    node.insert("owner_business_info".into(), owner);
    fields::select(request, node, &DEFAULTS, NODE_TYPE, &KNOWN).map(Reply::Json)
}

pub(crate) fn numbers(state: &State, request: &Request) -> Result<Reply, GraphError> {
    let shown: Result<Vec<Value>, GraphError> =
        state.numbers_of(request.segment(0)).map(|number| phone::node(number, request)).collect();
    fields::page(request, shown?).map(Reply::Json)
}

/// Adds a number that is to be verified and registered.
pub(crate) fn add_number(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let code = digits(&request.required("cc")?);
    let number = digits(&request.required("phone_number")?);
    let name = request.required("verified_name")?;
    // People write the whole number, with or without the code of the country.
    let number = if number.starts_with(&code) && number.len() > 10 {
        number
    } else {
        format!("{code}{number}")
    };
    if !(8..=15).contains(&number.len()) {
        return Err(GraphError::parameter("Param phone_number is not a valid phone number"));
    }
    if state.number_by_digits(&number).is_some() {
        return Err(GraphError::cloud(100, "The phone number is already registered."));
    }
    let id = state.mint_id();
    let waba = request.segment(0).to_owned();
    let mut added = Number::new(id.clone(), waba, number, &name, &state.clock);
    added.unregister();
    added.set("code_verification_status", json!("NOT_VERIFIED"));
    added.set("name_status", json!("PENDING_REVIEW"));
    added.set("quality_rating", json!("UNKNOWN"));
    state.numbers.insert(id.clone(), added);
    Ok(Reply::Json(json!({ "id": id })))
}
