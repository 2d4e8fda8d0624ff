//! Meta's OpenAPI document, repaired, as a judge of what the server answers.

use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jsonschema::Validator;
use serde_json::{Value, json};

const FILE: &str = "business-messaging-api_v23.0.repaired.json";
const VARIABLE: &str = "RAMAL_TEST_META_OPENAPI";

/// Meta's description.
pub(crate) struct Judge {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The judge, or nothing where the document is not; then it says so.
pub(crate) fn judge() -> Option<&'static Judge> {
    static JUDGE: OnceLock<Option<Judge>> = OnceLock::new();
    let found = JUDGE.get_or_init(|| {
        let path = folder().join(FILE);
        let Ok(text) = fs::read_to_string(&path) else {
            // Past the capture of the test harness.
            let _unwritable = writeln!(
                std::io::stderr(),
                "SKIPPED: nothing is judged by Meta's OpenAPI document: {} is missing; {VARIABLE} names its folder",
                path.display()
            );
            return None;
        };
        let document = serde_json::from_str(&text).expect("the document is JSON");
        Some(Judge { document, validators: Mutex::default() })
    });
    found.as_ref()
}

fn folder() -> PathBuf {
    std::env::var_os(VARIABLE).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec/meta-openapi"),
        PathBuf::from,
    )
}

impl Judge {
    /// Validates by a named schema.
    pub(crate) fn check(&self, schema: &str, value: &Value, what: &str) {
        let reference = json!({ "$ref": format!("#/components/schemas/{schema}") });
        self.validate(schema, &reference, value, what);
    }

    /// Validates the answer of a call: `{Version}/…` as the document writes the path.
    fn check_answer(&self, path: &str, method: &str, value: &Value, what: &str) {
        let operation = &self.document["paths"][path][method]["responses"]["200"];
        let schema = &operation["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "the document has no {method} {path}");
        self.validate(&format!("{method} {path}"), schema, value, what);
    }

    fn validate(&self, key: &str, schema: &Value, value: &Value, what: &str) {
        let errors = self.errors(key, schema, value);
        assert!(errors.is_empty(), "{what} is not a {key}: {errors:#?}\n{value:#}");
    }

    /// Whether a message may be sent.
    pub(crate) fn takes(&self, message: &Value) -> bool {
        let reference = json!({ "$ref": "#/components/schemas/Message" });
        self.errors("Message", &reference, message).is_empty()
    }

    fn errors(&self, key: &str, schema: &Value, value: &Value) -> Vec<String> {
        let known = self.validators().get(key).cloned();
        let validator = known.unwrap_or_else(|| {
            let whole = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "allOf": [schema],
                "components": self.document["components"],
            });
            let made = Arc::new(jsonschema::validator_for(&whole).expect("a schema"));
            self.validators().insert(key.to_owned(), Arc::clone(&made));
            made
        });
        let errors = validator.iter_errors(value);
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn validators(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Validator>>> {
        self.validators.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges one recorded call: its answer, and the message that it sent.
    pub(crate) fn call(&self, call: &Value) {
        let (route, method) = (
            call["route"].as_str().unwrap_or_default(),
            call["method"].as_str().unwrap_or_default(),
        );
        let what = format!("the answer of {method} {}", call["path"]);
        let answer = &call["answer"];
        if answer.is_null() {
            return;
        }
        if call["status"] != 200 {
            assert!(call["status"].as_u64() >= Some(400), "{what}");
            return self.check("GraphAPIError", answer, &what);
        }
        if route == "messages" {
            self.check("Message", &call["body"], "an accepted message");
            let is_receipt = call["body"].get("status").is_some();
            let schema =
                if is_receipt { "MarkMessageResponsePayload" } else { "MessageResponsePayload" };
            return self.check(schema, answer, &what);
        }
        let path = match route {
            "waba" => "{WABA-ID}",
            "phone_numbers" => "{WABA-ID}/phone_numbers",
            "subscribed_apps" => "{WABA-ID}/subscribed_apps",
            "phone" => "{Phone-Number-ID}",
            "register" => "{Phone-Number-ID}/register",
            "deregister" => "{Phone-Number-ID}/deregister",
            "request_code" => "{Phone-Number-ID}/request_code",
            "verify_code" => "{Phone-Number-ID}/verify_code",
            "media" => "{Phone-Number-ID}/media",
            "media_node" => "{Media-ID}",
            "whatsapp_business_profile" => "{Phone-Number-ID}/whatsapp_business_profile",
            "message_templates" => "{WABA-ID}/message_templates",
            // Not covered by the document.
            _ => return,
        };
        let path = format!("/{{Version}}/{path}");
        self.check_answer(&path, &method.to_lowercase(), answer, &what);
    }

    /// Judges one webhook; the document covers messages and statuses.
    pub(crate) fn webhook(&self, body: &str) {
        let value: Value = serde_json::from_str(body).expect("webhooks are JSON");
        let entries = value["entry"].as_array().expect("a list of entries");
        let fields =
            entries.iter().flat_map(|entry| entry["changes"].as_array().into_iter().flatten());
        if fields.into_iter().all(|change| change["field"] == "messages") {
            self.check("WebhookPayload", &value, "a webhook");
        }
    }
}

#[test]
fn the_judge_refuses_what_meta_does_not_send() {
    let status = json!({ "id": "wamid.a", "status": "seen", "timestamp": "1" });
    let value = json!({ "messaging_product": "whatsapp", "statuses": [status],
        "metadata": { "display_phone_number": "1", "phone_number_id": "2" } });
    let changes = json!([{ "field": "messages", "value": value }]);
    let body = json!({ "object": "whatsapp_business_account",
        "entry": [{ "id": "1", "changes": changes }] });

    let Some(judge) = judge() else { return };
    let judged = std::panic::catch_unwind(|| judge.webhook(&body.to_string()));
    let why = judged.expect_err("it is refused");
    let why = why.downcast_ref::<String>().expect("a sentence");
    assert!(why.contains("is not a WebhookPayload"), "{why}");
}
