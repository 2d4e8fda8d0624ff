//! The `OpenAPI` document, generated from the handlers, and the Swagger UI that shows it.
//!
//! A handler names the codes that it may be refused with in its `x-errors` extension. The rest is
//! filled in here from the one table of codes: the status, the envelope, and an example of each.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{Router, routing::get};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{Web, api, error};

/// What a handler's annotation calls its list of codes.
const ERRORS: &str = "x-errors";
/// What a handler's annotation says of an operation that needs no key.
const PUBLIC: &str = "x-public";
/// What every operation may answer.
const EVERYWHERE: [&str; 3] = ["RATE_LIMITED", "BUSY", "INTERNAL"];
/// What every operation that needs a key may answer.
const WITH_A_KEY: [&str; 2] = ["UNAUTHORIZED", "BROWSER_NOT_ALLOWED"];
/// What every operation with a body may answer.
const WITH_A_BODY: [&str; 2] = ["VALIDATION_ERROR", "BODY_TOO_LARGE"];

const ABOUT: &str = "WhatsApp numbers behind one API. Errors are \
    `{\"error\": \"<sentence>\", \"code\": \"<CODE>\"}`: branch on `code`.";

static DOCUMENT: LazyLock<String> = LazyLock::new(document);

/// The document and its page. Where the API refuses browsers, the page sends nothing.
pub(crate) fn router(refuse_browsers: bool) -> Router<Web> {
    // Nothing is asked of anyone but this server: no validator badge, all files compiled in.
    let mut config = Config::new(["/openapi.json"]).validator_url("none");
    if refuse_browsers {
        config = config.supported_submit_methods(Vec::<String>::new());
    }
    Router::new()
        .route(
            "/openapi.json",
            get(async || ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str())),
        )
        .merge(SwaggerUi::new("/docs").config(config))
}

/// The document as text, as it is committed in `openapi.json`.
pub fn document() -> String {
    let (_, generated) = OpenApiRouter::new()
        .nest("/v1", api::router().merge(api::public_router()))
        .split_for_parts();
    // Printing what was parsed from the code cannot fail.
    let mut document = serde_json::to_value(generated).unwrap_or_default();
    introduce(&mut document);
    for operation in operations(&mut document) {
        spell_out_errors(operation);
    }
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn introduce(document: &mut Value) {
    let Value::Object(root) = document else { return };
    root.insert(
        "info".to_owned(),
        json!({
            "title": "Ramal",
            "description": ABOUT,
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        }),
    );
    root.insert("security".to_owned(), json!([{"x-api-key": []}]));
    let scheme = json!({
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "The tenant's key or a number's key. From your backend only.",
    });
    let components = root.entry("components").or_insert_with(|| json!({}));
    if let Value::Object(components) = components {
        components.insert("securitySchemes".to_owned(), json!({"x-api-key": scheme}));
        if let Some(Value::Object(schemas)) = components.get_mut("schemas") {
            let envelope = serde_json::to_value(error::ErrorBody::schema());
            schemas.insert("Error".to_owned(), envelope.unwrap_or_default());
        }
    }
}

fn operations(document: &mut Value) -> Vec<&mut Map<String, Value>> {
    let Some(Value::Object(paths)) = document.get_mut("paths") else { return Vec::new() };
    paths
        .values_mut()
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut)
        .collect()
}

fn spell_out_errors(operation: &mut Map<String, Value>) {
    let public = operation.remove(PUBLIC).is_some();
    if public {
        operation.insert("security".to_owned(), json!([]));
    }
    let mut codes: Vec<String> = operation
        .remove(ERRORS)
        .and_then(|codes| serde_json::from_value(codes).ok())
        .unwrap_or_default();
    codes.extend(EVERYWHERE.map(str::to_owned));
    if !public {
        codes.extend(WITH_A_KEY.map(str::to_owned));
    }
    if operation.contains_key("requestBody") {
        codes.extend(WITH_A_BODY.map(str::to_owned));
    }
    let mut by_status: BTreeMap<String, Vec<(&str, String)>> = BTreeMap::new();
    for (status, code, sentence) in error::catalogue() {
        if codes.iter().any(|named| named == code) {
            let same_status = by_status.entry(status.as_str().to_owned()).or_default();
            // Two refusals may share a code; one example is enough.
            if !same_status.iter().any(|(known, _)| *known == code) {
                same_status.push((code, sentence));
            }
        }
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Value::Object(responses) = responses else { return };
    for (status, errors) in by_status {
        // What a handler says of a status itself stays.
        responses.entry(status).or_insert_with(|| answer_with(&errors));
    }
}

fn answer_with(errors: &[(&str, String)]) -> Value {
    let codes: Vec<&str> = errors.iter().map(|(code, _)| *code).collect();
    let description = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
    let examples: Map<String, Value> = errors
        .iter()
        .map(|(code, sentence)| {
            ((*code).to_owned(), json!({"value": {"error": sentence, "code": code}}))
        })
        .collect();
    let schema = json!({
        "allOf": [{"$ref": "#/components/schemas/Error"}],
        "required": ["code"],
        "properties": {"code": {"enum": codes}},
    });
    json!({
        "description": description,
        "content": {"application/json": {"schema": schema, "examples": examples}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();

        assert!(
            committed.trim_end() == document(),
            "openapi.json is stale: cargo run -p ramal-server -- openapi > openapi.json"
        );
    }

    #[test]
    fn every_code_that_a_handler_names_exists() {
        let (_, generated) = OpenApiRouter::new()
            .nest("/v1", api::router().merge(api::public_router()))
            .split_for_parts();
        let mut generated = serde_json::to_value(generated).unwrap();
        let known: Vec<&str> = error::catalogue().iter().map(|(_, code, _)| *code).collect();

        for operation in operations(&mut generated) {
            for code in operation.get(ERRORS).and_then(Value::as_array).into_iter().flatten() {
                assert!(known.contains(&code.as_str().unwrap()), "{code}");
            }
        }
    }
}
