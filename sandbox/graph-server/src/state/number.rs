//! A business's phone number, and the media that it has uploaded or got.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Override,
    contact::{country, display},
};
use crate::clock::{Clock, Millis};

/// A phone number of a business.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Number {
    pub(crate) id: String,
    pub(crate) waba_id: String,
    pub(crate) digits: String,
    /// The node as Graph shows it, without the id and what is computed.
    pub(crate) node: Map<String, Value>,
    pub(crate) pin: Option<String>,
    /// When it was registered and deregistered, in seconds: at most ten times in 72 hours.
    pub(crate) attempts: Vec<i64>,
    /// The code that a text or call has told its owner.
    pub(crate) verification_code: Option<String>,
    /// The app that has set another callback, and that.
    pub(crate) callback: Option<(String, Override)>,
    pub(crate) profile: BTreeMap<String, Value>,
    /// When it joined from the business's phone app, in seconds.
    pub(crate) onboarded_at: i64,
    /// What its phone app was asked to share.
    pub(crate) syncs: BTreeSet<String>,
    /// The threads that it shares, or nothing when its owner declines.
    pub(crate) history: Option<Value>,
    /// A name that was approved, shown once it is registered again.
    pub(crate) approved_name: Option<String>,
}

impl Number {
    /// Connected, and as good as numbers get.
    pub(crate) fn new(
        id: String,
        waba_id: String,
        digits: String,
        name: &str,
        clock: &Clock,
    ) -> Self {
        let (country_code, dial_code) = country(&digits);
        let node = json!({
            "display_phone_number": display(&digits),
            "verified_name": name,
            "status": "CONNECTED",
            "quality_rating": "GREEN",
            "quality_score": { "score": "GREEN" },
            "code_verification_status": "VERIFIED",
            "name_status": "APPROVED",
            "new_name_status": "NONE",
            "platform_type": "CLOUD_API",
            "is_on_biz_app": false,
            "throughput": { "level": "STANDARD" },
            "account_mode": "LIVE",
            "messaging_limit_tier": "TIER_1K",
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
            "is_official_business_account": false,
            "is_preverified_number": false,
            "health_status": {
                "can_send_message": "AVAILABLE",
                "entities": [{ "entity_type": "PHONE_NUMBER", "id": id, "can_send_message": "AVAILABLE" }],
            },
            "search_visibility": "NON_VISIBLE",
            "eligibility_for_api_business_global_search": "NON_ELIGIBLE_UNDER_ENTITY_REVIEW",
            "certificate": "",
            "new_certificate": "",
            "last_onboarded_time": clock.iso(),
            "conversational_automation": { "id": id, "enable_welcome_message": false },
            "country_code": country_code,
            "country_dial_code": dial_code,
        });
        let node = node.as_object().cloned().unwrap_or_default();
        Self {
            id,
            waba_id,
            digits,
            node,
            pin: None,
            attempts: Vec::new(),
            verification_code: None,
            callback: None,
            profile: BTreeMap::from([("vertical".to_owned(), json!("OTHER"))]),
            onboarded_at: clock.seconds(),
            syncs: BTreeSet::new(),
            history: Some(json!([])),
            approved_name: None,
        }
    }

    /// Makes it what a number is before its first registration.
    pub(crate) fn unregister(&mut self) {
        self.set("platform_type", json!("NOT_APPLICABLE"));
        self.set("status", json!("DISCONNECTED"));
        self.set("throughput", json!({ "level": "NOT_APPLICABLE" }));
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.node.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn set(&mut self, field: &str, value: Value) {
        self.node.insert(field.to_owned(), value);
    }

    pub(crate) fn is_on_biz_app(&self) -> bool {
        self.node.get("is_on_biz_app").and_then(Value::as_bool).unwrap_or_default()
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.text("platform_type") == "CLOUD_API"
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.text("status") == "DELETED"
    }
}

/// An uploaded or received file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Media {
    pub(crate) id: String,
    pub(crate) phone_id: String,
    pub(crate) mime_type: String,
    #[serde(skip)]
    pub(crate) bytes: Vec<u8>,
    pub(crate) filename: Option<String>,
    pub(crate) expires_at: Millis,
    /// The addresses it was given, each with the end of its life.
    pub(crate) links: BTreeMap<String, Millis>,
}
