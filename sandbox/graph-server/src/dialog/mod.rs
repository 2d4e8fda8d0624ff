//! A stand-in for Embedded Signup: the script that a page loads, and the dialog that it opens.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    GraphServer,
    graph::{MANAGEMENT, MESSAGING},
    ids,
    state::{Code, State as World},
    webhooks,
};

const SDK: &str = include_str!("sdk.js");
const PAGE: &str = include_str!("dialog.html");

pub(crate) fn router(server: GraphServer) -> Router {
    Router::new()
        .route("/sdk.js", get(sdk))
        .route("/dialog", get(page))
        .route("/dialog/businesses", get(businesses))
        .route("/dialog/finish", axum::routing::post(finish))
        .with_state(server)
}

async fn sdk() -> impl IntoResponse {
    let kind = "text/javascript; charset=utf-8";
    // Pages load it as another origin's script, as they do Meta's.
    ([(header::CONTENT_TYPE, kind), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], SDK)
}

/// What the opener has said: `app_id`, `config_id`, and where to answer.
async fn page(
    State(server): State<GraphServer>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let param = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let problem = server.with(|state| match state.apps.get(param("app_id")) {
        None => Some("The app is unknown: is its id right?"),
        Some(app) if app.config_id != param("config_id") => {
            Some("The app has no such configuration: is its id right?")
        }
        Some(_) => None,
    });
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    match problem {
        None => (html, PAGE).into_response(),
        Some(problem) => {
            let page =
                format!("<!doctype html><title>Error</title><p id=\"problem\">{problem}</p>");
            (StatusCode::BAD_REQUEST, html, page).into_response()
        }
    }
}

/// What can be chosen, and how the dialog is to behave.
async fn businesses(State(server): State<GraphServer>) -> Response {
    let shown = server.with(|state| {
        let wabas: Vec<Value> = state
            .wabas
            .values()
            .map(|waba| {
                let numbers: Vec<Value> = state
                    .numbers_of(&waba.id)
                    .map(|number| {
                        json!({
                            "id": number.id,
                            "display": number.text("display_phone_number"),
                            "name": number.text("verified_name"),
                        })
                    })
                    .collect();
                json!({
                    "id": waba.id, "name": waba.name(), "businessId": waba.business_id,
                    "numbers": numbers,
                })
            })
            .collect();
        json!({
            "wabas": wabas,
            "codeFirst": state.settings.code_first,
            "omitSessionInfo": state.settings.omit_session_info,
        })
    });
    axum::Json(shown).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Choice {
    app_id: String,
    waba_id: String,
    /// The numbers that were ticked.
    numbers: Vec<String>,
    /// They stay on the business's phone.
    coexistence: bool,
}

/// Grants the app what was chosen: a code, and the news of it.
async fn finish(State(server): State<GraphServer>, body: String) -> Response {
    let Ok(choice) = serde_json::from_str::<Choice>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match server.with(|state| grant(state, &choice)) {
        Some(code) => axum::Json(json!({ "code": code })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn grant(state: &mut World, choice: &Choice) -> Option<String> {
    let owner = state.wabas.get(&choice.waba_id)?.business_id.clone();
    state.apps.get(&choice.app_id)?;
    let now = state.clock.seconds();
    if choice.coexistence {
        let joined =
            state.numbers.values_mut().filter(|number| choice.numbers.contains(&number.id));
        for number in joined {
            number.set("is_on_biz_app", json!(true));
            number.set("platform_type", json!("CLOUD_API"));
            number.set("status", json!("CONNECTED"));
            number.onboarded_at = now;
            number.syncs.clear();
        }
    }
    let code = Code {
        text: ids::code(),
        app_id: choice.app_id.clone(),
        waba_ids: vec![choice.waba_id.clone()],
        scopes: [MANAGEMENT, MESSAGING].map(str::to_owned).to_vec(),
        token_lifetime: None,
        issued_at: now,
        used: false,
    };
    let value = json!({
        "event": "PARTNER_ADDED",
        "waba_info": {
            "waba_id": choice.waba_id, "owner_business_id": owner,
            "partner_app_id": choice.app_id,
        },
    });
    webhooks::to_app(state, &choice.app_id, &owner, "account_update", value);
    let handed = code.text.clone();
    state.codes.insert(handed.clone(), code);
    Some(handed)
}
