//! `/wabas`: accounts, their templates, and what Meta decides about them.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ControlError,
    body::{Json, merge, told},
    business::new_waba,
};
use crate::{
    GraphServer,
    state::{State as World, Template, WEBHOOK_FIELDS, Waba},
    webhooks,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Create {
    name: Option<String>,
    /// The portfolio of another account.
    business_id: Option<String>,
    #[serde(default)]
    waba: Map<String, Value>,
}

pub(super) async fn create(
    State(server): State<GraphServer>,
    Json(wish): Json<Create>,
) -> Result<impl IntoResponse, ControlError> {
    let made = server.with(|state| {
        let mut waba = new_waba(state, wish.name.as_deref().unwrap_or("Another Shop"));
        waba.business_id = wish.business_id.unwrap_or(waba.business_id);
        merge(&mut waba.node, wish.waba)?;
        state.wabas.insert(waba.id.clone(), waba.clone());
        Ok::<Waba, ControlError>(waba)
    })?;
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn change(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(changes): Json<Map<String, Value>>,
) -> Result<Json<Waba>, ControlError> {
    server.with(|state| {
        let waba = state.wabas.get_mut(&id).ok_or(ControlError::UnknownWaba)?;
        merge(&mut waba.node, changes)?;
        Ok(Json(waba.clone()))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewTemplate {
    name: String,
    language: Option<String>,
    category: Option<String>,
    status: Option<String>,
    parameter_format: Option<String>,
    components: Value,
}

/// Adds a template, or replaces the one of this name and language.
pub(super) async fn add_template(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(wish): Json<NewTemplate>,
) -> Result<impl IntoResponse, ControlError> {
    if !wish.components.is_array() {
        return Err(ControlError::Body("components is a list".to_owned()));
    }
    let or = |wish: Option<String>, default: &str| wish.unwrap_or_else(|| default.to_owned());
    let made = server.with(|state| {
        let template = Template {
            id: state.mint_id(),
            name: wish.name,
            language: or(wish.language, "en_US"),
            category: or(wish.category, "UTILITY"),
            status: or(wish.status, "APPROVED"),
            parameter_format: or(wish.parameter_format, "POSITIONAL"),
            components: wish.components,
        };
        let waba = state.wabas.get_mut(&id).ok_or(ControlError::UnknownWaba)?;
        waba.templates.retain(|it| it.name != template.name || it.language != template.language);
        waba.templates.push(template.clone());
        Ok::<Template, ControlError>(template)
    })?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Posts `account_update` with this value; it has at least `event`. `PARTNER_REMOVED` takes the account
/// away from the app that it names, or from all.
pub(super) async fn account_update(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(mut value): Json<Map<String, Value>>,
) -> Result<Json<Value>, ControlError> {
    let Some(event) = value.get("event").and_then(Value::as_str).map(str::to_owned) else {
        return Err(ControlError::Body("event is missing".to_owned()));
    };
    server.with(|state| {
        let waba = state.wabas.get_mut(&id).ok_or(ControlError::UnknownWaba)?;
        let owner = waba.business_id.clone();
        if event.starts_with("PARTNER_") && !value.contains_key("waba_info") {
            let info = json!({ "waba_id": id, "owner_business_id": owner });
            value.insert("waba_info".to_owned(), info);
        }
        let partner = value.get("waba_info").and_then(|info| info.get("partner_app_id"));
        let partner = partner.and_then(Value::as_str).map(str::to_owned);
        // Before it is taken away, the partner still hears of it.
        let told_of = webhooks::about_account(state, &id, "account_update", Value::Object(value));
        if event == "PARTNER_REMOVED" {
            remove_partner(state, &id, partner.as_deref());
        }
        Ok(told(told_of))
    })
}

/// Takes an account away from an app, or from all: its subscription with its callbacks, and the tokens
/// that it was given for the account.
fn remove_partner(state: &mut World, waba: &str, partner: Option<&str>) {
    let is_meant = |app: &str| partner.is_none_or(|partner| partner == app);
    if let Some(waba) = state.wabas.get_mut(waba) {
        waba.subscriptions.retain(|app, _| !is_meant(app));
    }
    for number in state.numbers.values_mut().filter(|number| number.waba_id == waba) {
        number.callback = number.callback.take().filter(|(app, _)| !is_meant(app));
    }
    for token in state.tokens.values_mut().filter(|token| is_meant(&token.app_id)) {
        token.lose(waba);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Review {
    decision: String,
}

/// Decides a review: the account shows it, and `account_review_update` is posted.
pub(super) async fn review(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(Review { decision }): Json<Review>,
) -> Result<Json<Value>, ControlError> {
    server.with(|state| {
        let waba = state.wabas.get_mut(&id).ok_or(ControlError::UnknownWaba)?;
        waba.node.insert("account_review_status".to_owned(), json!(decision));
        let value = json!({ "decision": decision });
        Ok(told(webhooks::about_account(state, &id, "account_review_update", value)))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) field: String,
    pub(super) value: Value,
}

impl Raw {
    pub(super) fn check(&self) -> Result<(), ControlError> {
        if WEBHOOK_FIELDS.contains(&self.field.as_str()) {
            return Ok(());
        }
        Err(ControlError::Body(format!("there is no field {}", self.field)))
    }
}

/// Posts any change of an account.
pub(super) async fn raw(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(raw): Json<Raw>,
) -> Result<Json<Value>, ControlError> {
    raw.check()?;
    server.with(|state| {
        if !state.wabas.contains_key(&id) {
            return Err(ControlError::UnknownWaba);
        }
        Ok(told(webhooks::about_account(state, &id, &raw.field, raw.value)))
    })
}
