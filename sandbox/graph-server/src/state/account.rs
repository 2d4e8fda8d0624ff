//! Apps, what may act for them, and business accounts.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Template;

/// What an account's webhooks can be about.
pub(crate) const FIELDS: [&str; 15] = [
    "account_alerts",
    "account_review_update",
    "account_update",
    "business_capability_update",
    "history",
    "message_echoes",
    "message_template_quality_update",
    "message_template_status_update",
    "messages",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "smb_app_state_sync",
    "smb_message_echoes",
    "user_preferences",
];

/// The subcode of a token whose app was removed.
const APP_REMOVED: i64 = 458;

/// A registered application.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) name: String,
    /// "Require app secret": calls without a proof are refused.
    pub(crate) require_proof: bool,
    pub(crate) callback: Option<AppCallback>,
    /// What it is subscribed to; without a callback it still decides what overrides get.
    pub(crate) fields: BTreeSet<String>,
    /// The configuration of its login dialog.
    pub(crate) config_id: String,
}

/// Where an app's webhooks go when nothing more specific is said.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppCallback {
    pub(crate) url: String,
    pub(crate) verify_token: String,
}

impl App {
    pub(crate) fn all_fields() -> BTreeSet<String> {
        FIELDS.iter().map(|field| (*field).to_owned()).collect()
    }
}

/// A bearer of rights.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    #[serde(rename = "token")]
    pub(crate) secret: String,
    pub(crate) app_id: String,
    /// `SYSTEM_USER`, `USER` or `APP`.
    pub(crate) kind: String,
    pub(crate) scopes: Vec<String>,
    /// The accounts that it is for; empty: all.
    pub(crate) waba_ids: Vec<String>,
    pub(crate) user_id: String,
    pub(crate) issued_at: i64,
    /// In seconds since 1970; 0: never.
    pub(crate) expires_at: i64,
    pub(crate) ended: Option<TokenEnd>,
}

/// Why a token is of no use any more.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TokenEnd {
    pub(crate) subcode: i64,
    pub(crate) message: String,
}

impl TokenEnd {
    /// What Meta says of a subcode.
    pub(crate) fn of(subcode: i64) -> Self {
        let message = match subcode {
            APP_REMOVED => "Error validating access token: The user has not authorized application",
            _ => "Error validating access token: The session has been invalidated",
        };
        Self { subcode, message: message.to_owned() }
    }
}

impl Token {
    pub(crate) fn is_app(&self) -> bool {
        self.kind == "APP"
    }

    /// Why it is of no use now, if it is not.
    pub(crate) fn end(&self, now: i64) -> Option<TokenEnd> {
        if self.ended.is_none() && self.expires_at != 0 && self.expires_at <= now {
            let message = "Error validating access token: Session has expired".to_owned();
            return Some(TokenEnd { subcode: 463, message });
        }
        self.ended.clone()
    }

    /// Loses an account; one that was for no other ends. What is for all accounts is nobody's gift.
    pub(crate) fn lose(&mut self, waba: &str) {
        match self.waba_ids.as_slice() {
            [only] if only == waba => {
                self.ended.get_or_insert_with(|| TokenEnd::of(APP_REMOVED));
            }
            _ => self.waba_ids.retain(|id| id != waba),
        }
    }

    /// Whether a scope covers an account.
    pub(crate) fn covers(&self, waba: &str) -> bool {
        self.waba_ids.is_empty() || self.waba_ids.iter().any(|id| id == waba)
    }
}

/// What a login hands over: good once, for half a minute.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Code {
    #[serde(rename = "code")]
    pub(crate) text: String,
    pub(crate) app_id: String,
    pub(crate) waba_ids: Vec<String>,
    pub(crate) scopes: Vec<String>,
    /// How long its token lives; without it, for ever.
    pub(crate) token_lifetime: Option<i64>,
    pub(crate) issued_at: i64,
    pub(crate) used: bool,
}

/// Another callback than the app's.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Override {
    pub(crate) url: String,
    pub(crate) verify_token: String,
}

/// A business account.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waba {
    pub(crate) id: String,
    pub(crate) business_id: String,
    /// The node as Graph shows it, without the id.
    pub(crate) node: Map<String, Value>,
    /// The subscribed apps, each with its override.
    pub(crate) subscriptions: BTreeMap<String, Option<Override>>,
    pub(crate) templates: Vec<Template>,
}

impl Waba {
    pub(crate) fn new(
        id: String,
        business_id: String,
        name: &str,
        template_ids: [String; 3],
    ) -> Self {
        let node = json!({
            "name": name,
            "currency": "USD",
            "timezone_id": "1",
            "message_template_namespace": "ba30dd89_2ebd_41e4_b805_f2c05ae04cc9",
            "account_review_status": "APPROVED",
            "business_verification_status": "VERIFIED",
            "country": "US",
            "ownership_type": "SELF_OWNED",
            "primary_business_location": "US",
            "status": "ACTIVE",
        });
        let node = node.as_object().cloned().unwrap_or_default();
        let templates = Template::samples(template_ids);
        Self { id, business_id, node, subscriptions: BTreeMap::new(), templates }
    }

    pub(crate) fn name(&self) -> &str {
        self.node.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}
