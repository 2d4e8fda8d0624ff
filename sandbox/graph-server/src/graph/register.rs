//! Registering a number, deregistering it, and proving that one owns it.

use serde_json::json;

use super::{GraphError, Reply, Request};
use crate::state::{Number, State};

/// So many registrations and deregistrations of one number.
const ATTEMPTS: usize = 10;
/// Within so many seconds.
const ATTEMPTS_SECONDS: i64 = 72 * 60 * 60;
const REGIONS: [&str; 15] =
    ["AE", "AU", "BH", "BR", "CA", "CH", "DE", "GB", "ID", "IN", "JP", "KR", "SG", "US", "ZA"];

fn number<'a>(state: &'a mut State, request: &Request) -> Result<&'a mut Number, GraphError> {
    let id = request.segment(0);
    state.numbers.get_mut(id).ok_or_else(|| GraphError::unknown_object(&request.verb(), id))
}

pub(crate) fn check_pin(pin: &str) -> Result<(), GraphError> {
    if pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(GraphError::parameter("Param pin must be a string of 6 digits."))
}

/// Counts a registration or deregistration.
fn count(number: &mut Number, now: i64) -> Result<(), GraphError> {
    number.attempts.retain(|at| now - at < ATTEMPTS_SECONDS);
    if number.attempts.len() >= ATTEMPTS {
        let details = "Too many registrations and deregistrations of this number: try later.";
        return Err(GraphError::cloud(133_016, details));
    }
    number.attempts.push(now);
    Ok(())
}

pub(crate) fn register(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    super::messages::check_product(request)?;
    let pin = request.required("pin")?;
    check_pin(&pin)?;
    if let Some(region) = request.param("data_localization_region")
        && !REGIONS.contains(&region.as_str())
    {
        return Err(GraphError::parameter("Param data_localization_region is not a region."));
    }
    let now = state.clock.seconds();
    let iso = state.clock.iso();
    let number = number(state, request)?;
    if number.is_on_biz_app() {
        let details =
            "The number is in use on the WhatsApp Business app and is registered already.";
        return Err(GraphError::cloud(100, details));
    }
    count(number, now)?;
    if number.text("code_verification_status") != "VERIFIED" {
        let details = "The phone number must be verified before it is registered.";
        return Err(GraphError::cloud(133_006, details));
    }
    if number.pin.as_ref().is_some_and(|known| *known != pin) {
        let details = "The PIN is not that of the number's two-step verification.";
        return Err(GraphError::cloud(133_005, details));
    }
    number.pin = Some(pin);
    number.set("platform_type", json!("CLOUD_API"));
    number.set("status", json!("CONNECTED"));
    number.set("throughput", json!({ "level": "STANDARD" }));
    number.set("last_onboarded_time", json!(iso));
    if let Some(name) = number.approved_name.take() {
        number.set("verified_name", json!(name));
    }
    Ok(Reply::success())
}

pub(crate) fn deregister(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    let now = state.clock.seconds();
    let number = number(state, request)?;
    if number.is_on_biz_app() {
        let details = "The number is in use on the WhatsApp Business app: disconnect it there.";
        return Err(GraphError::cloud(100, details));
    }
    count(number, now)?;
    if !number.is_registered() {
        let details = "The phone number is not registered on the WhatsApp Business Platform.";
        return Err(GraphError::cloud(133_010, details));
    }
    number.unregister();
    Ok(Reply::success())
}

pub(crate) fn request_code(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    let method = request.required("code_method")?;
    if !matches!(method.as_str(), "SMS" | "VOICE") {
        return Err(GraphError::parameter("Param code_method must be one of {SMS, VOICE}"));
    }
    request.required("language")?;
    let number = number(state, request)?;
    let last = number.digits.chars().rev().take(3).collect::<String>();
    number.verification_code = Some(format!("123{last}"));
    Ok(Reply::success())
}

pub(crate) fn verify_code(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    let code = request.required("code")?;
    let number = number(state, request)?;
    if number.verification_code.as_deref() != Some(code.as_str()) {
        return Err(GraphError::cloud(136_025, "The code is wrong, or none was requested."));
    }
    number.verification_code = None;
    number.set("code_verification_status", json!("VERIFIED"));
    Ok(Reply::success())
}
