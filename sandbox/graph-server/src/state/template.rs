//! Message templates.

use serde::Serialize;
use serde_json::{Value, json};

/// A template in one language.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) category: String,
    pub(crate) status: String,
    /// `POSITIONAL` or `NAMED`.
    pub(crate) parameter_format: String,
    pub(crate) components: Value,
}

impl Template {
    /// What every account has from the start.
    pub(crate) fn samples(ids: [String; 3]) -> Vec<Self> {
        let [hello, order, appointment] = ids;
        let template = |id, name: &str, format: &str, components| Self {
            id,
            name: name.to_owned(),
            language: "en_US".to_owned(),
            category: "UTILITY".to_owned(),
            status: "APPROVED".to_owned(),
            parameter_format: format.to_owned(),
            components,
        };
        vec![
            template(
                hello,
                "hello_world",
                "POSITIONAL",
                json!([
                    { "type": "HEADER", "format": "TEXT", "text": "Hello World" },
                    { "type": "BODY", "text": "Welcome and congratulations! This message demonstrates your ability to send a message." },
                    { "type": "FOOTER", "text": "An offline sample message" },
                ]),
            ),
            template(
                order,
                "order_update",
                "POSITIONAL",
                json!([
                    { "type": "BODY", "text": "Hi {{1}}, your order {{2}} is on its way.",
                      "example": { "body_text": [["Ana", "A-1"]] } },
                    { "type": "BUTTONS", "buttons": [
                        { "type": "QUICK_REPLY", "text": "Thanks" },
                        { "type": "URL", "text": "Track", "url": "https://shop.example/track/{{1}}" },
                    ] },
                ]),
            ),
            template(
                appointment,
                "appointment_reminder",
                "NAMED",
                json!([
                    { "type": "BODY", "text": "Hi {{customer_name}}, see you on {{day}}.",
                      "example": { "body_text_named_params": [
                          { "param_name": "customer_name", "example": "Ana" },
                          { "param_name": "day", "example": "Monday" } ] } },
                ]),
            ),
        ]
    }

    /// The variables of a component, by its type, in the order of the text.
    pub(crate) fn variables(&self, component: &str) -> Vec<String> {
        let found = self.components.as_array().into_iter().flatten().find(|candidate| {
            let kind = candidate.get("type").and_then(Value::as_str).unwrap_or_default();
            kind.eq_ignore_ascii_case(component)
        });
        let text = found.and_then(|found| found.get("text")).and_then(Value::as_str);
        variables_in(text.unwrap_or_default())
    }

    /// The format of its header, when it has one: `TEXT`, `IMAGE` and so on.
    pub(crate) fn header_format(&self) -> Option<&str> {
        let header =
            self.components.as_array()?.iter().find(|candidate| {
                candidate.get("type").and_then(Value::as_str) == Some("HEADER")
            })?;
        header.get("format").and_then(Value::as_str)
    }

    /// Its buttons.
    pub(crate) fn buttons(&self) -> Vec<&Value> {
        let components = self.components.as_array().into_iter().flatten();
        components
            .filter_map(|component| component.get("buttons").and_then(Value::as_array))
            .flatten()
            .collect()
    }
}

/// The names between double braces, each once.
pub(crate) fn variables_in(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        let name = name.trim().to_owned();
        if !found.contains(&name) {
            found.push(name);
        }
        rest = after;
    }
    found
}
