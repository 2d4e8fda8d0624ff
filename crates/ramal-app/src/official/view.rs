//! What is shown of an official number: never a secret.

use ramal_domain::Timestamp;
use ramal_meta::Phone;
use ramal_store::OfficialNumber;
use serde_json::{Map, Value, json};

use super::onboarding::{Checklist, Step};

/// What is shown of an official number.
#[derive(Clone, Debug)]
pub struct OfficialView {
    /// Meta's phone number id.
    pub phone_id: String,
    /// Its WhatsApp Business account.
    pub waba_id: String,
    /// The app that its token is of, if known.
    pub app_id: Option<String>,
    /// When the token ends, if it is known to.
    pub token_expires_at: Option<Timestamp>,
    /// How far each step of the onboarding has come.
    pub onboarding: Vec<Step>,
    /// `{phone, profile, waba}` as Meta has them, in camel case; null before the first look.
    pub snapshot: Value,
    /// When Meta was last asked.
    pub looked_at: Option<Timestamp>,
}

impl OfficialView {
    pub(crate) fn of(official: &OfficialNumber) -> Self {
        let snapshot = official.snapshot.as_deref().map(serde_json::from_str);
        Self {
            phone_id: official.phone_id.clone(),
            waba_id: official.waba_id.clone(),
            app_id: official.credentials.app_id.clone(),
            token_expires_at: official.credentials.token_expires_at,
            onboarding: Checklist::read(&official.onboarding).steps().to_vec(),
            // What an older version wrote and this one cannot read is asked for again.
            snapshot: snapshot.and_then(Result::ok).unwrap_or(Value::Null),
            looked_at: official.looked_at,
        }
    }

    fn phone_text(&self, field: &str) -> Option<String> {
        let value = self.snapshot.get("phone")?.get(field)?;
        value.as_str().map(str::to_owned)
    }

    /// `GREEN`, `YELLOW`, `RED`, as Meta rates it.
    pub fn quality_rating(&self) -> Option<String> {
        self.phone_text("qualityRating")
    }

    /// How many people may be written to in a day: `TIER_…`.
    pub fn messaging_limit_tier(&self) -> Option<String> {
        self.phone_text("messagingLimitTier").or_else(|| self.portfolio_limit_tier())
    }

    /// The same, for all numbers of the business together.
    pub fn portfolio_limit_tier(&self) -> Option<String> {
        self.phone_text("whatsappBusinessManagerMessagingLimit")
    }

    /// `CONNECTED`, `PENDING` …, as Meta names it.
    pub fn meta_status(&self) -> Option<String> {
        self.phone_text("status")
    }

    /// Whether the WhatsApp Business app has the number too, and how that is known: contract C.3's
    /// `coexistence`.
    pub fn coexistence(&self) -> (&'static str, Option<&'static str>) {
        let on_app = self.snapshot.get("phone").and_then(|phone| phone.get("isOnBizApp"));
        let on_cloud = self.phone_text("platformType").is_some_and(|it| it == "CLOUD_API");
        match on_app.and_then(Value::as_bool) {
            Some(true) if on_cloud => ("CONFIRMED", Some("meta_is_on_biz_app")),
            Some(true) => ("LIKELY", Some("meta_is_on_biz_app")),
            Some(false) => ("NO", Some("phone_fields")),
            None => ("UNKNOWN", None),
        }
    }
}

/// What is kept of what Meta says. Parts that were not asked for stay as they were.
pub(crate) fn snapshot(
    before: Option<&str>,
    phone: &Phone,
    profile: Option<&Value>,
    waba: Option<&Value>,
) -> String {
    let before: Value =
        before.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let kept = |part: &str| before.get(part).cloned().unwrap_or(Value::Null);
    json!({
        "phone": camel(&phone.raw),
        "profile": profile.map_or_else(|| kept("profile"), camel),
        "waba": waba.map_or_else(|| kept("waba"), camel),
    })
    .to_string()
}

/// The same value with `snake_case` keys in camel case (contract C.3). Our own callback is nobody's
/// business.
fn camel(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| key.as_str() != "webhook_configuration");
            Value::Object(
                fields.map(|(key, value)| (camel_key(key), camel(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(camel).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn camel_key(key: &str) -> String {
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_camel_case_at_every_depth() {
        let given = json!({"is_on_biz_app": true, "throughput": {"level_now": [{"a_b": 1}]},
            "webhook_configuration": {"phone_number": "https://x"}});
        let expected = json!({"isOnBizApp": true, "throughput": {"levelNow": [{"aB": 1}]}});
        assert_eq!(camel(&given), expected);
    }
}
