//! Who is told: subscriptions of apps to accounts, and the app's own callback.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use super::{GraphError, Reply, Request, rules};
use crate::{
    GraphServer,
    state::{AppCallback, Override, State, Token, WEBHOOK_FIELDS},
};

/// Callbacks that replace the app's are no longer.
const URL_LENGTH: usize = 200;
const OBJECT: &str = "whatsapp_business_account";

/// `/{waba}/subscribed_apps`.
pub(crate) async fn of_waba(
    server: &GraphServer,
    request: &Request,
    token: &Token,
) -> Result<Reply, GraphError> {
    match request.method {
        Method::GET => Ok(server.with(|state| list(state, request))),
        Method::DELETE => {
            server.with(|state| {
                if let Some(waba) = state.wabas.get_mut(request.segment(0)) {
                    waba.subscriptions.remove(&token.app_id);
                }
            });
            Ok(Reply::success())
        }
        Method::POST => subscribe(server, request, token).await,
        _ => Err(super::unsupported(request, "subscribed_apps")),
    }
}

fn list(state: &State, request: &Request) -> Reply {
    let subscriptions = state.wabas.get(request.segment(0)).map(|waba| &waba.subscriptions);
    let data: Vec<Value> = subscriptions
        .into_iter()
        .flatten()
        .map(|(app_id, of_waba)| {
            let name = state.apps.get(app_id).map(|app| app.name.as_str()).unwrap_or_default();
            let link = format!("https://www.facebook.com/games/?app_id={app_id}");
            let mut shown = json!({
                "whatsapp_business_api_data": { "id": app_id, "name": name, "link": link },
            });
            if let (Some(of_waba), Some(shown)) = (of_waba, shown.as_object_mut()) {
                shown.insert("override_callback_uri".into(), json!(of_waba.url));
            }
            shown
        })
        .collect();
    Reply::Json(json!({ "data": data }))
}

async fn subscribe(
    server: &GraphServer,
    request: &Request,
    token: &Token,
) -> Result<Reply, GraphError> {
    let url = request.param("override_callback_uri").filter(|url| !url.is_empty());
    let of_waba = match url {
        None => None,
        Some(url) => {
            let verify_token = request.required("verify_token")?;
            check_length(&url)?;
            server.verify_callback(&url, &verify_token).await?;
            Some(Override { url, verify_token })
        }
    };
    server.with(|state| {
        if let Some(waba) = state.wabas.get_mut(request.segment(0)) {
            waba.subscriptions.insert(token.app_id.clone(), of_waba);
        }
    });
    Ok(Reply::success())
}

/// Refuses the address of a callback that is too long to replace the app's.
pub(crate) fn check_length(url: &str) -> Result<(), GraphError> {
    if url.chars().count() > URL_LENGTH {
        let sentence = "Param override_callback_uri must be at most 200 characters long.";
        return Err(GraphError::parameter(sentence));
    }
    Ok(())
}

/// `/{app}` and `/{app}/subscriptions`.
pub(crate) async fn of_app(
    server: &GraphServer,
    request: &Request,
    token: &Token,
) -> Result<Reply, GraphError> {
    let id = request.segment(0).to_owned();
    match (request.segment(1), &request.method) {
        ("", &Method::GET) => server.with(|state| show_app(state, &id, token)),
        ("subscriptions", &Method::GET) => {
            rules::allow_app(token, &id)?;
            Ok(server.with(|state| show(state, &id)))
        }
        ("subscriptions", &Method::POST) => {
            rules::allow_app(token, &id)?;
            set_callback(server, request, &id).await
        }
        ("subscriptions", &Method::DELETE) => {
            rules::allow_app(token, &id)?;
            server.with(|state| {
                if let Some(app) = state.apps.get_mut(&id) {
                    app.callback = None;
                }
            });
            Ok(Reply::success())
        }
        (edge, _) => Err(super::unsupported(request, edge)),
    }
}

fn show_app(state: &State, id: &str, token: &Token) -> Result<Reply, GraphError> {
    let app = state.apps.get(id).filter(|_| token.app_id == id);
    let app = app.ok_or_else(|| GraphError::unknown_object("get", id))?;
    let link = format!("https://www.facebook.com/games/?app_id={id}");
    Ok(Reply::Json(json!({ "id": id, "name": app.name, "link": link })))
}

fn show(state: &State, id: &str) -> Reply {
    let Some(app) = state.apps.get(id) else { return Reply::Json(json!({ "data": [] })) };
    let Some(callback) = &app.callback else { return Reply::Json(json!({ "data": [] })) };
    let fields: Vec<Value> =
        app.fields.iter().map(|name| json!({ "name": name, "version": "v25.0" })).collect();
    Reply::Json(json!({ "data": [{
        "object": OBJECT, "callback_url": callback.url, "active": true, "fields": fields,
    }] }))
}

async fn set_callback(
    server: &GraphServer,
    request: &Request,
    id: &str,
) -> Result<Reply, GraphError> {
    if request.required("object")? != OBJECT {
        return Err(GraphError::parameter(format!("Param object must be one of {{{OBJECT}}}")));
    }
    let url = request.required("callback_url")?;
    let verify_token = request.required("verify_token")?;
    let fields: BTreeSet<String> = match request.json.get("fields").and_then(Value::as_array) {
        Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => request.required("fields")?.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    if let Some(unknown) = fields.iter().find(|name| !WEBHOOK_FIELDS.contains(&name.as_str())) {
        return Err(GraphError::parameter(format!("Param fields has an unknown field: {unknown}")));
    }
    server.verify_callback(&url, &verify_token).await?;
    server.with(|state| {
        if let Some(app) = state.apps.get_mut(id) {
            app.callback = Some(AppCallback { url, verify_token });
            app.fields.extend(fields);
        }
    });
    Ok(Reply::success())
}
