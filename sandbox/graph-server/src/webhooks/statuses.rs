//! What becomes of a sent message.

use serde_json::{Map, Value, json};

use super::route::{about_number_at, contact};
use crate::{
    graph::title,
    state::{Sent, State, StatusChange},
};

/// What a business learns of a failure.
const HREF: &str = "/documentation/business-messaging/whatsapp/support/error-codes";

/// Lets an accepted message go as far as the settings say, or fail.
pub(crate) fn follow(state: &mut State, index: usize, failure: Option<i64>) {
    let delay = i64::try_from(state.settings.status_delay_ms).unwrap_or_default();
    let due = state.clock.millis() + delay;
    if let Some(code) = failure {
        change(state, index, "failed", Some(code), due);
        return;
    }
    for (step, due) in state.settings.auto_statuses.steps().iter().zip(due..) {
        change(state, index, step, None, due);
    }
}

/// Makes a message reach a status now. Returns how many callbacks hear of it.
pub(crate) fn reach(
    state: &mut State,
    index: usize,
    status: &'static str,
    code: Option<i64>,
) -> usize {
    let now = state.clock.millis();
    change(state, index, status, code, now)
}

fn change(
    state: &mut State,
    index: usize,
    status: &'static str,
    code: Option<i64>,
    due: i64,
) -> usize {
    let at = state.clock.millis();
    let Some(sent) = state.sent.get_mut(index) else { return 0 };
    // Not before the last one was due.
    let due = due.max(sent.told_at);
    sent.told_at = due;
    sent.status = status;
    sent.changes.push(StatusChange { status, at, code });
    let sent = sent.clone();
    let value = value(state, &sent, status, code);
    about_number_at(state, &sent.phone_id, "messages", value, due)
}

fn value(state: &State, sent: &Sent, status: &str, code: Option<i64>) -> Value {
    let number = state.numbers.get(&sent.phone_id);
    let business = number.map(|number| state.business_of(number)).unwrap_or_default();
    let hidden = state.settings.bsuid_only;
    let person = state.contacts.get(&sent.to).map(|contact| contact.seen_by(&business, hidden));
    let mut shown = Map::new();
    shown.insert("id".into(), json!(sent.id));
    shown.insert("status".into(), json!(status));
    shown.insert("timestamp".into(), json!(state.clock.seconds().to_string()));
    if let Some(person) = &person {
        if !(sent.by_user_id && person.hidden) {
            shown.insert("recipient_id".into(), json!(person.wa_id));
        }
        if status != "failed" || sent.by_user_id {
            shown.insert("recipient_user_id".into(), json!(person.user_id));
        }
    }
    if let Some(data) = sent.message.get("biz_opaque_callback_data") {
        shown.insert("biz_opaque_callback_data".into(), data.clone());
    }
    if matches!(status, "sent" | "delivered") {
        shown.insert("pricing".into(), pricing(sent));
    }
    if let Some(code) = code {
        shown.insert("errors".into(), json!([error(code)]));
    }
    let mut value = json!({ "statuses": [shown] });
    // A failed message tells nothing of the person.
    if let (Some(person), Some(value), true) = (person, value.as_object_mut(), status != "failed") {
        value.insert("contacts".into(), json!([contact(&person)]));
    }
    value
}

fn pricing(sent: &Sent) -> Value {
    let free = sent.category.is_none() || sent.in_window;
    json!({
        "billable": !free,
        "pricing_model": "PMP",
        "type": if free { "free_customer_service" } else { "regular" },
        "category": sent.category.as_deref().unwrap_or("service"),
    })
}

/// An error as webhooks tell it.
pub(crate) fn error(code: i64) -> Value {
    let details = match code {
        131_047 => {
            "Message failed to send because more than 24 hours have passed since the customer last \
             replied to this number."
        }
        131_026 => "Message undeliverable.",
        other => title(other),
    };
    json!({
        "code": code,
        "title": title(code),
        "message": title(code),
        "error_data": { "details": details },
        "href": HREF,
    })
}
