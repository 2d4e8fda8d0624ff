//! `/{phone}/whatsapp_business_profile`.

use serde_json::{Map, Value, json};

use super::{GraphError, Reply, Request};
use crate::state::State;

const FIELDS: [&str; 7] =
    ["about", "address", "description", "email", "profile_picture_url", "websites", "vertical"];
const VERTICALS: [&str; 23] = [
    "OTHER",
    "AUTO",
    "BEAUTY",
    "APPAREL",
    "EDU",
    "ENTERTAIN",
    "EVENT_PLAN",
    "FINANCE",
    "GROCERY",
    "GOVT",
    "HOTEL",
    "HEALTH",
    "NONPROFIT",
    "PROF_SERVICES",
    "RETAIL",
    "TRAVEL",
    "RESTAURANT",
    "ALCOHOL",
    "ONLINE_GAMBLING",
    "PHYSICAL_GAMBLING",
    "OTC_DRUGS",
    "UNDEFINED",
    "NOT_A_BIZ",
];

pub(crate) fn show(state: &State, request: &Request) -> Result<Reply, GraphError> {
    let number = state.numbers.get(request.segment(0));
    let number = number.ok_or_else(|| GraphError::unknown_object("get", request.segment(0)))?;
    let asked = request.param("fields").unwrap_or_default();
    let mut shown = Map::new();
    for name in asked.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if !FIELDS.contains(&name) && name != "messaging_product" {
            let sentence = format!(
                "Tried accessing nonexisting field ({name}) on node type (WhatsAppBusinessProfile)"
            );
            return Err(GraphError::parameter(sentence));
        }
        if let Some(value) = number.profile.get(name) {
            shown.insert(name.to_owned(), value.clone());
        }
    }
    shown.insert("messaging_product".into(), json!("whatsapp"));
    Ok(Reply::Json(json!({ "data": [shown] })))
}

pub(crate) fn change(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    super::messages::check_product(request)?;
    let mut changes: Vec<(&str, Value)> = Vec::new();
    for (name, limit) in [("about", 139), ("address", 256), ("description", 512), ("email", 128)] {
        let Some(value) = request.json.get(name) else { continue };
        let length = value.as_str().map(|text| text.chars().count());
        let shortest = usize::from(name == "about");
        if length.is_none_or(|length| !(shortest..=limit).contains(&length)) {
            return Err(GraphError::parameter(format!(
                "Param {name} must be a string of {shortest} to {limit} characters."
            )));
        }
        changes.push((name, value.clone()));
    }
    if let Some(vertical) = request.json.get("vertical") {
        if !vertical.as_str().is_some_and(|vertical| VERTICALS.contains(&vertical)) {
            return Err(GraphError::parameter("Param vertical must be one of the verticals."));
        }
        changes.push(("vertical", vertical.clone()));
    }
    if let Some(websites) = request.json.get("websites") {
        let good = websites.as_array().is_some_and(|list| {
            list.len() <= 2
                && list.iter().all(|site| site.as_str().is_some_and(|site| site.len() <= 256))
        });
        if !good {
            return Err(GraphError::parameter("Param websites must be at most 2 addresses."));
        }
        changes.push(("websites", websites.clone()));
    }
    if request.json.contains_key("profile_picture_handle") {
        let url = "https://pps.whatsapp.net/v/profile_picture_url";
        changes.push(("profile_picture_url", json!(url)));
    }
    if let Some(number) = state.numbers.get_mut(request.segment(0)) {
        number.profile.extend(changes.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    Ok(Reply::success())
}
