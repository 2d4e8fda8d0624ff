//! Two judges of a whole test: Meta's own description of its API, and the eye that looks for secrets.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::repository;

const FILE: &str = "business-messaging-api_v23.0.repaired.json";
/// Messages that are younger than the description, and one that Meta may come up with yet.
const UNCOVERED: [&str; 3] = ["edit", "revoke", "brand_new_thing"];
const VARIABLE: &str = "RAMAL_TEST_META_OPENAPI";

/// Meta's description of its API, repaired.
#[derive(Debug)]
pub(crate) struct Description {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Description {
    /// The description, or nothing where the document is not; then it says so.
    pub(crate) fn of_meta() -> Option<&'static Self> {
        static KNOWN: OnceLock<Option<Description>> = OnceLock::new();
        KNOWN.get_or_init(Self::load).as_ref()
    }

    fn load() -> Option<Self> {
        let beside = || repository().join("../shared/spec/meta-openapi");
        let folder = std::env::var_os(VARIABLE).map_or_else(beside, PathBuf::from);
        let path = folder.join(FILE);
        let Ok(text) = fs::read_to_string(&path) else {
            // Past the capture of the test harness.
            let _unwritable = writeln!(
                std::io::stderr(),
                "SKIPPED: nothing is judged by Meta's OpenAPI document: {} is missing; {VARIABLE} \
                 names its folder",
                path.display()
            );
            return None;
        };
        let document = serde_json::from_str(&text).expect("the document is JSON");
        Some(Self { document, validators: Mutex::default() })
    }

    /// Judges what the product sent, and what it was answered.
    pub(crate) fn call(&self, call: &Value) {
        let text = |field: &str| call[field].as_str().unwrap_or_default();
        let (method, route, body) = (text("method"), text("route"), &call["body"]);
        let what = format!("{method} {}", text("path"));
        let asked = match (method, route) {
            ("POST", "messages") => Some("Message"),
            ("POST", "register") => Some("WhatsAppBusinessPhoneNumberRegistrationRequest"),
            ("POST", "phone") => Some("PhoneNumberStatusUpdateRequest"),
            ("POST", "whatsapp_business_profile") => Some("WhatsAppBusinessProfileUpdateRequest"),
            ("POST", "subscribed_apps") if !body.is_null() => Some("SubscriptionRequest"),
            _ => None,
        };
        if let Some(schema) = asked {
            self.check(schema, body, &format!("the body of {what}"));
        }
        let answer = &call["answer"];
        if answer.is_null() {
            return;
        }
        let what = format!("the answer to {what}");
        match route {
            _ if call["status"] != 200 => self.check("GraphAPIError", answer, &what),
            "messages" if body["status"].is_string() => {
                self.check("MarkMessageResponsePayload", answer, &what);
            }
            "messages" => self.check("MessageResponsePayload", answer, &what),
            _ => {
                if let Some(path) = path_of(route) {
                    self.check_answer(path, method, answer, &what);
                }
            }
        }
    }

    /// Judges an answer by the operation that it is of: `path` without the version.
    fn check_answer(&self, path: &str, method: &str, answer: &Value, what: &str) {
        let (path, method) = (format!("/{{Version}}/{path}"), method.to_lowercase());
        let answers = &self.document["paths"][&path][&method]["responses"];
        let schema = &answers["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "the description has no {method} {path}");
        self.validate(&format!("answer of {method} {path}"), schema, answer, what);
    }

    /// Meta's examples of webhooks, by name.
    pub(crate) fn webhooks(&self) -> Vec<(String, Value)> {
        let operation = &self.document["paths"]["/whatsapp/webhooks"]["post"];
        let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
        let examples = examples.as_object().expect("examples");
        examples.iter().map(|(name, example)| (name.clone(), example["value"].clone())).collect()
    }

    /// Judges a webhook; the description covers messages and their statuses.
    pub(crate) fn webhook(&self, body: &str) {
        let body: Value = serde_json::from_str(body).expect("webhooks are JSON");
        let entries = body["entry"].as_array().expect("a list of entries");
        let mut changes = entries.iter().flat_map(|entry| {
            entry["changes"].as_array().expect("a list of changes").iter().collect::<Vec<_>>()
        });
        let is_covered = |change: &Value| {
            let messages = change["value"]["messages"].as_array();
            let types = messages.into_iter().flatten().map(|message| &message["type"]);
            change["field"] == "messages"
                && types.into_iter().all(|it| !UNCOVERED.iter().any(|un| it == un))
        };
        if changes.all(is_covered) {
            self.check("WebhookPayload", &body, "a webhook");
        }
    }

    fn check(&self, schema: &str, value: &Value, what: &str) {
        let named = json!({ "$ref": format!("#/components/schemas/{schema}") });
        self.validate(schema, &named, value, what);
    }

    fn validate(&self, name: &str, schema: &Value, value: &Value, what: &str) {
        let validator = {
            let mut known = self.validators.lock().expect("nobody panicked while holding it");
            Arc::clone(known.entry(name.to_owned()).or_insert_with(|| {
                let whole = json!({
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "allOf": [schema],
                    "components": self.document["components"],
                });
                Arc::new(jsonschema::validator_for(&whole).expect("a schema"))
            }))
        };
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what} is no {name}: {errors:#?}\n{value:#}");
    }
}

/// The path of an operation, as the description writes it; `None` where it does not cover a route. Messages
/// are judged by what was asked.
fn path_of(route: &str) -> Option<&'static str> {
    Some(match route {
        "waba" => "{WABA-ID}",
        "phone_numbers" => "{WABA-ID}/phone_numbers",
        "subscribed_apps" => "{WABA-ID}/subscribed_apps",
        "message_templates" => "{WABA-ID}/message_templates",
        "phone" => "{Phone-Number-ID}",
        "register" => "{Phone-Number-ID}/register",
        "deregister" => "{Phone-Number-ID}/deregister",
        "media" => "{Phone-Number-ID}/media",
        "whatsapp_business_profile" => "{Phone-Number-ID}/whatsapp_business_profile",
        "media_node" => "{Media-ID}",
        _ => return None,
    })
}

/// What must not be read anywhere.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// Nowhere at all.
    hidden: BTreeSet<String>,
    /// In no log.
    unlogged: BTreeSet<String>,
    /// What Meta proves itself with: told to whoever types it into Meta's pages.
    verify_tokens: BTreeSet<String>,
    /// Nowhere, and short enough to be part of something else.
    pins: BTreeSet<String>,
}

impl Secrets {
    /// Must be read nowhere.
    pub(crate) fn hide(&mut self, secret: &str) {
        assert!(secret.len() >= 8, "{secret:?} is too short to be looked for");
        self.hidden.insert(secret.to_owned());
    }

    /// May be answered where it belongs, but must not be logged.
    pub(crate) fn unlog(&mut self, secret: &str) {
        self.unlogged.insert(secret.to_owned());
    }

    /// Whether a verify token is in it.
    pub(crate) fn tells_verify_token(&self, text: &str) -> bool {
        self.verify_tokens.iter().any(|token| text.contains(token.as_str()))
    }

    /// All that Meta knows of: apps, tokens, codes, PINs, and the proofs of calls.
    pub(crate) fn of_meta(&mut self, state: &Value, calls: &[Value]) {
        let texts = |list: &Value, field: &str| -> Vec<String> {
            let items: Vec<&Value> = match list {
                Value::Object(items) => items.values().collect(),
                Value::Array(items) => items.iter().collect(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            };
            items.iter().filter_map(|it| it[field].as_str()).map(str::to_owned).collect()
        };
        for (list, field) in [("tokens", "token"), ("apps", "secret"), ("codes", "code")] {
            for secret in texts(&state[list], field) {
                self.hide(&secret);
            }
        }
        // What a number has that nobody chose; it is not looked for.
        self.pins.extend(texts(&state["numbers"], "pin").into_iter().filter(|it| it != "000000"));
        for call in calls {
            let query = call["query"].as_str().unwrap_or_default();
            for pair in query.split('&') {
                if let Some(proof) = pair.strip_prefix("appsecret_proof=") {
                    self.hide(proof);
                }
            }
            if let Some(pin) = call["body"]["pin"].as_str() {
                self.pins.insert(pin.to_owned());
            }
            let body = &call["body"];
            for holder in [body, &body["webhook_configuration"]] {
                if let Some(token) = holder["verify_token"].as_str() {
                    self.verify_tokens.insert(token.to_owned());
                }
            }
        }
    }

    /// What is not to be read in anything that somebody gets.
    pub(crate) fn check_told(&self, what: &str, text: &str) {
        for secret in &self.hidden {
            assert!(!text.contains(secret.as_str()), "{what} tells the secret {secret}: {text}");
        }
        for pin in &self.pins {
            assert!(!has_number(text, pin), "{what} tells the PIN {pin}: {text}");
        }
    }

    /// What is not to be read in a log.
    pub(crate) fn check_log(&self, log: &str) {
        for line in log.lines() {
            self.check_told("the log", line);
            for secret in self.unlogged.iter().chain(&self.verify_tokens) {
                assert!(!line.contains(secret.as_str()), "the log tells {secret}: {line}");
            }
        }
    }
}

/// Whether a number stands in a text by itself, not as a part of a longer one or of a time.
fn has_number(text: &str, number: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    text.match_indices(number).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + number.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let state = json!({
            "tokens": [{"token": "EAAGtoken"}],
            "apps": {"1": {"secret": "appsecret"}},
            "codes": [{"code": "AQBcode-text"}],
            "numbers": {"2": {"pin": "481516"}, "3": {"pin": null}},
        });
        let calls = [json!({
            "query": "fields=id&appsecret_proof=0123abcd",
            "body": {"webhook_configuration": {"verify_token": "verify-me"}},
        })];
        let mut secrets = Secrets::default();
        secrets.of_meta(&state, &calls);
        secrets.unlog("page-state");
        secrets
    }

    fn is_seen(check: impl FnOnce(&Secrets) + std::panic::UnwindSafe) -> bool {
        std::panic::catch_unwind(|| check(&secrets())).is_err()
    }

    #[test]
    fn every_secret_is_seen_wherever_it_must_not_be() {
        for secret in ["EAAGtoken", "appsecret", "AQBcode-text", "0123abcd", "481516"] {
            let text = format!("x \"{secret}\" y");
            assert!(is_seen(|secrets| secrets.check_told("an answer", &text)), "{secret}");
            assert!(is_seen(|secrets| secrets.check_log(&text)), "{secret}");
        }
        for secret in ["page-state", "verify-me"] {
            let text = format!("x={secret}&y");
            assert!(is_seen(|secrets| secrets.check_log(&text)), "{secret}");
            assert!(!is_seen(|secrets| secrets.check_told("an answer", &text)), "{secret}");
        }
        assert!(secrets().tells_verify_token("it is verify-me"));
        assert!(!is_seen(|secrets| secrets.check_log("nothing of it")));
    }

    #[test]
    fn a_pin_is_not_seen_in_longer_numbers_and_times() {
        assert!(has_number("pin=481516", "481516"));
        assert!(has_number("{\"pin\":\"481516\"}", "481516"));
        for other in ["5481516", "4815162", "12:00:00.481516Z", "a481516", "481516f"] {
            assert!(!has_number(other, "481516"), "{other}");
        }
    }

    #[test]
    fn the_description_refuses_what_meta_does_not_know() {
        let Some(description) = Description::of_meta() else { return };
        let call = |body: Value| json!({"method": "POST", "route": "messages", "path": "/x", "body": body, "status": 200});
        let good = json!({"messaging_product": "whatsapp", "to": "+1", "type": "text",
            "text": {"body": "x"}});
        description.call(&call(good.clone()));
        let mut bad = good;
        bad["text"] = json!({"boddy": "x"});
        let bad = call(bad);
        assert!(std::panic::catch_unwind(|| description.call(&bad)).is_err());
    }

    #[test]
    fn the_description_knows_the_answers_of_every_kind_of_call() {
        let Some(description) = Description::of_meta() else { return };
        // What is asked is judged as well where the description has it: of a registration.
        let asked = json!({"messaging_product": "whatsapp", "pin": "123456"});
        let call = |method: &str, route: &str, answer: Value| json!({"method": method, "route": route, "path": "/x", "status": 200, "body": asked, "answer": answer});
        let success = json!({"success": true});
        for (method, route, good) in [
            ("GET", "waba", json!({"id": "1", "name": "Shop"})),
            (
                "GET",
                "phone_numbers",
                json!({"data": [{"id": "1", "verified_name": "Shop", "display_phone_number": "+1 555",
                    "quality_rating": "GREEN"}]}),
            ),
            ("POST", "subscribed_apps", success.clone()),
            ("DELETE", "subscribed_apps", success.clone()),
            ("POST", "register", success.clone()),
            ("POST", "deregister", success.clone()),
            ("POST", "phone", success),
            (
                "GET",
                "phone",
                json!({"id": "1", "verified_name": "Shop", "display_phone_number": "+1 555",
                    "quality_rating": "GREEN"}),
            ),
            ("POST", "media", json!({"id": "1"})),
            (
                "GET",
                "media_node",
                json!({"messaging_product": "whatsapp", "id": "1", "url": "https://x.example/"}),
            ),
        ] {
            description.call(&call(method, route, good));
            let bad = call(method, route, json!([true]));
            let judged = std::panic::catch_unwind(|| description.call(&bad));
            assert!(judged.is_err(), "{method} {route} takes anything");
        }
    }
}
