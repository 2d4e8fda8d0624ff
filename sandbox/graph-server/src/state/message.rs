//! Messages of businesses and of people.

use serde::Serialize;
use serde_json::Value;

use crate::clock::Millis;

/// A message of a business.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) phone_id: String,
    /// The person's number, in digits.
    pub(crate) to: String,
    /// Whether it was addressed by the person's business-scoped id alone.
    pub(crate) by_user_id: bool,
    /// The whole body of the call.
    pub(crate) message: Value,
    pub(crate) at: Millis,
    /// Its place among all messages.
    #[serde(skip)]
    pub(crate) place: u64,
    pub(crate) status: &'static str,
    pub(crate) changes: Vec<StatusChange>,
    /// The category of its template.
    pub(crate) category: Option<String>,
    /// Whether it was sent inside the window.
    pub(crate) in_window: bool,
    /// When the last status is, or was, due to be told.
    #[serde(skip)]
    pub(crate) told_at: Millis,
}

/// One step of a message's life.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusChange {
    pub(crate) status: &'static str,
    pub(crate) at: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i64>,
}

/// A message of a person.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) phone_id: String,
    pub(crate) from: String,
    /// As the webhook tells it.
    pub(crate) message: Value,
    pub(crate) at: Millis,
    /// Its place among all messages.
    #[serde(skip)]
    pub(crate) place: u64,
    pub(crate) read_at: Option<Millis>,
    /// When the business showed that it is typing an answer.
    pub(crate) typing_at: Vec<Millis>,
}

impl Sent {
    /// Its type; texts need not say it.
    pub(crate) fn kind(&self) -> &str {
        self.message.get("type").and_then(Value::as_str).unwrap_or("text")
    }
}
