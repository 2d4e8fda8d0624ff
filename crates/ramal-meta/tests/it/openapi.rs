//! Meta's own description of its API, repaired, as a judge. It is not part of this repository.

use std::{collections::HashMap, io::Write as _, path::PathBuf, sync::OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

const FILE: &str = "business-messaging-api_v23.0.repaired.json";
/// Schemas that the tests judge by.
const SCHEMAS: [&str; 6] = [
    "Message",
    "WhatsAppBusinessPhoneNumberRegistrationRequest",
    "SubscriptionRequest",
    "PhoneNumberStatusUpdateRequest",
    "WebhookPayload",
    "GraphAPIError",
];

pub(crate) struct Description {
    document: Value,
    validators: HashMap<&'static str, Validator>,
}

impl Description {
    /// Fails the test when `instance` is not what `schema` describes.
    pub(crate) fn judge(&self, schema: &str, instance: &Value) {
        let errors: Vec<_> = self.validators[schema]
            .iter_errors(instance)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{instance:#}\nis no {schema}: {errors:#?}");
    }

    pub(crate) fn accepts(&self, schema: &str, instance: &Value) -> bool {
        self.validators[schema].is_valid(instance)
    }

    /// Every example of a webhook, by name.
    pub(crate) fn webhooks(&self) -> Vec<(String, Value)> {
        let content = "/paths/~1whatsapp~1webhooks/post/requestBody/content/application~1json";
        let examples = &self.document.pointer(content).unwrap()["examples"];
        let examples = examples.as_object().unwrap();
        examples.iter().map(|(name, example)| (name.clone(), example["value"].clone())).collect()
    }
}

/// The description, if this machine has it.
pub(crate) fn description() -> Option<&'static Description> {
    static DESCRIPTION: OnceLock<Option<Description>> = OnceLock::new();
    DESCRIPTION.get_or_init(load).as_ref()
}

fn load() -> Option<Description> {
    let named = std::env::var_os("RAMAL_TEST_META_OPENAPI").map(PathBuf::from);
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/spec/meta-openapi");
    let path = named.unwrap_or_else(|| beside.into()).join(FILE);
    let Ok(text) = std::fs::read_to_string(&path) else {
        // Past the capture of the test harness, which shows nothing of tests that pass.
        let _unwritable = writeln!(
            std::io::stderr(),
            "SKIPPED: nothing is judged by Meta's OpenAPI description, because {} is not there. Name its \
             folder in RAMAL_TEST_META_OPENAPI.",
            path.display()
        );
        return None;
    };
    let document: Value = serde_json::from_str(&text).unwrap();
    let validators = SCHEMAS.map(|name| {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": format!("#/components/schemas/{name}"),
            "components": document["components"],
        });
        (name, jsonschema::validator_for(&schema).unwrap())
    });
    Some(Description { document, validators: validators.into() })
}

#[test]
fn the_judge_refuses_too() {
    let Some(description) = description() else { return };
    let good = json!({"messaging_product": "whatsapp", "to": "+1", "type": "text", "text": {"body": "hi"}});
    let bad =
        json!({"messaging_product": "whatsapp", "to": "+1", "type": "text", "text": {"bdy": "hi"}});

    assert!(description.accepts("Message", &good));
    assert!(!description.accepts("Message", &bad));
}
