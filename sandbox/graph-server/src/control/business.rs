//! `/businesses`, `/apps`: a whole business at once, and apps alone.

use std::collections::BTreeSet;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ControlError,
    body::{Json, digits, merge},
};
use crate::{
    GraphServer,
    graph::{MANAGEMENT, MESSAGING},
    ids,
    state::{App, AppCallback, Number, State as World, Token, WEBHOOK_FIELDS, Waba},
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AppWish {
    id: Option<String>,
    secret: Option<String>,
    name: Option<String>,
    require_proof: Option<bool>,
    callback_url: Option<String>,
    verify_token: Option<String>,
    fields: Option<BTreeSet<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Business {
    name: Option<String>,
    /// The phone number; without it one is made up.
    number: Option<String>,
    app: AppWish,
    /// An existing app instead of a new one.
    app_id: Option<String>,
    /// Fields of the account's node.
    waba: Map<String, Value>,
    /// Fields of the number's node.
    phone: Map<String, Value>,
    pin: Option<String>,
    /// Whether the number is registered; otherwise it waits for it.
    registered: Option<bool>,
    scopes: Option<Vec<String>>,
    /// How long the token lives, in seconds; without it, for ever.
    expires_in: Option<i64>,
}

pub(super) async fn create(
    State(server): State<GraphServer>,
    Json(wish): Json<Business>,
) -> Result<impl IntoResponse, ControlError> {
    let made = server.with(|state| make(state, wish))?;
    Ok((StatusCode::CREATED, Json(made)))
}

fn make(state: &mut World, wish: Business) -> Result<Value, ControlError> {
    // First everything that can be wrong: a refusal changes nothing.
    let number = match &wish.number {
        Some(number) => free_number(state, number)?,
        None => state.mint_number(),
    };
    let name = wish.name.unwrap_or_else(|| "Demo Shop".to_owned());
    if let Some(id) = &wish.app_id
        && !state.apps.contains_key(id)
    {
        return Err(ControlError::UnknownApp);
    }
    let mut waba = new_waba(state, &name);
    merge(&mut waba.node, wish.waba)?;
    let id = state.mint_id();
    let mut phone = Number::new(id, waba.id.clone(), number, &name, &state.clock);
    if wish.registered == Some(false) {
        phone.unregister();
    } else {
        phone.pin = Some("000000".to_owned());
    }
    if wish.pin.is_some() {
        phone.pin = wish.pin;
    }
    merge(&mut phone.node, wish.phone)?;
    let app_id = match wish.app_id {
        Some(id) => id,
        None => make_app(state, wish.app)?.id,
    };
    let token = Token {
        secret: ids::access_token(),
        app_id: app_id.clone(),
        kind: "SYSTEM_USER".to_owned(),
        scopes: wish.scopes.unwrap_or_else(all_scopes),
        waba_ids: vec![waba.id.clone()],
        user_id: state.mint_id(),
        issued_at: state.clock.seconds(),
        expires_at: wish.expires_in.map_or(0, |seconds| state.clock.seconds() + seconds),
        ended: None,
    };
    let app = state.apps.get(&app_id).ok_or(ControlError::UnknownApp)?;
    let made = json!({
        "appId": app_id,
        "appSecret": app.secret,
        "configId": app.config_id,
        "wabaId": waba.id,
        "businessId": waba.business_id,
        "phoneId": phone.id,
        "number": format!("+{}", phone.digits),
        "pin": phone.pin,
        "token": token.secret,
    });
    state.tokens.insert(token.secret.clone(), token);
    state.numbers.insert(phone.id.clone(), phone);
    state.wabas.insert(waba.id.clone(), waba);
    Ok(made)
}

/// What a system user of a customer is given.
pub(super) fn all_scopes() -> Vec<String> {
    [MANAGEMENT, MESSAGING, "business_management"].map(str::to_owned).to_vec()
}

pub(super) fn new_waba(state: &mut World, name: &str) -> Waba {
    let (id, business) = (state.mint_id(), state.mint_id());
    let templates = [state.mint_id(), state.mint_id(), state.mint_id()];
    Waba::new(id, business, name, templates)
}

/// A number that no business has.
pub(super) fn free_number(state: &World, number: &str) -> Result<String, ControlError> {
    let digits = digits(number)?;
    match state.number_by_digits(&digits) {
        None => Ok(digits),
        Some(_) => Err(ControlError::Taken(format!("the number {number}"))),
    }
}

fn make_app(state: &mut World, wish: AppWish) -> Result<App, ControlError> {
    let id = match &wish.id {
        Some(id) if state.is_taken(id) => return Err(ControlError::Taken(id.clone())),
        Some(id) if id.bytes().all(|it| it.is_ascii_digit()) && !id.is_empty() => id.clone(),
        Some(_) => return Err(ControlError::Body("id is digits".to_owned())),
        None => state.mint_id(),
    };
    let mut app = App {
        id: id.clone(),
        secret: ids::app_secret(),
        name: "Demo App".to_owned(),
        require_proof: false,
        callback: None,
        fields: App::all_fields(),
        config_id: state.mint_id(),
    };
    apply(&mut app, wish)?;
    state.apps.insert(id, app.clone());
    Ok(app)
}

fn apply(app: &mut App, wish: AppWish) -> Result<(), ControlError> {
    if let Some(fields) = &wish.fields
        && let Some(unknown) = fields.iter().find(|it| !WEBHOOK_FIELDS.contains(&it.as_str()))
    {
        return Err(ControlError::Body(format!("fields: there is no field {unknown}")));
    }
    let callback = match (wish.callback_url, wish.verify_token) {
        (None, None) => None,
        (Some(url), verify_token) => {
            Some(AppCallback { url, verify_token: verify_token.unwrap_or_default() })
        }
        (None, Some(_)) => return Err(ControlError::Body("verifyToken needs callbackUrl".into())),
    };
    app.callback = callback.or(app.callback.take());
    app.fields = wish.fields.unwrap_or_else(|| std::mem::take(&mut app.fields));
    app.secret = wish.secret.unwrap_or_else(|| std::mem::take(&mut app.secret));
    app.name = wish.name.unwrap_or_else(|| std::mem::take(&mut app.name));
    app.require_proof = wish.require_proof.unwrap_or(app.require_proof);
    Ok(())
}

pub(super) async fn create_app(
    State(server): State<GraphServer>,
    Json(wish): Json<AppWish>,
) -> Result<impl IntoResponse, ControlError> {
    let app = server.with(|state| make_app(state, wish))?;
    Ok((StatusCode::CREATED, Json(app)))
}

pub(super) async fn change_app(
    State(server): State<GraphServer>,
    Path(id): Path<String>,
    Json(wish): Json<AppWish>,
) -> Result<Json<App>, ControlError> {
    server.with(|state| {
        let app = state.apps.get_mut(&id).ok_or(ControlError::UnknownApp)?;
        if wish.id.is_some() {
            return Err(ControlError::Body("an app keeps its id".to_owned()));
        }
        apply(app, wish)?;
        Ok(Json(app.clone()))
    })
}
