//! `/v1/webhooks` (contract C.19).

use axum::{Json, Router, extract::State, routing::get};
use http::{HeaderMap, StatusCode};
use ramal_app::{WebhookDraft, WebhookPatch};
use ramal_store::{LoggedAttempt, Webhook};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{Authenticated, Path, Query, number_header},
};

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/webhooks", get(list).post(create))
        .route("/webhooks/{id}", get(detail).patch(change).delete(remove))
        .route("/webhooks/{id}/logs", get(logs))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody {
    url: String,
    name: Option<String>,
    events: Option<Vec<String>>,
    whatsapp_number_id: Option<String>,
    active: Option<bool>,
    secret: Option<String>,
}

/// Creates a webhook. Its secret is in this answer and nowhere else.
async fn create(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Body<CreateBody>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let draft = WebhookDraft {
        url: body.value.url,
        name: body.value.name,
        events: body.value.events.unwrap_or_default(),
        number_id: body.value.whatsapp_number_id,
        active: body.value.active.unwrap_or(true),
        secret: body.value.secret,
    };
    let created = web.app.create_webhook(&caller, number_header(&headers), draft).await?;
    let mut body = webhook_body(&created.webhook);
    if let Value::Object(fields) = &mut body {
        fields.insert("secret".to_owned(), json!(created.secret.expose()));
    }
    Ok((StatusCode::CREATED, Json(body)))
}

fn webhook_body(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id.to_string(),
        "tenantId": webhook.tenant.to_string(),
        "name": webhook.name,
        "url": webhook.url,
        "environment": "LIVE",
        "active": webhook.active,
        "events": webhook.events,
        "apiKeys": [],
        "lastTriggered": webhook.last_triggered_at.map(|at| at.to_string()),
        "whatsappNumberIds": [webhook.number.to_string()],
        "whatsappInstanceIds": [webhook.number.to_string()],
        "createdAt": webhook.created_at.to_string(),
        "updatedAt": webhook.updated_at.to_string(),
    })
}

async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
) -> Result<Json<Vec<Value>>, ApiError> {
    let webhooks = web.app.list_webhooks(&caller, number_header(&headers)).await?;
    Ok(Json(webhooks.iter().map(webhook_body).collect()))
}

async fn detail(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(webhook_body(&web.app.get_webhook(&caller, &id).await?)))
}

#[derive(Debug, Deserialize)]
struct ChangeBody {
    name: Option<String>,
    url: Option<String>,
    events: Option<Vec<String>>,
    active: Option<bool>,
}

async fn change(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<ChangeBody>,
) -> Result<Json<Value>, ApiError> {
    let ChangeBody { name, url, events, active } = body.value;
    let patch = WebhookPatch { name, url, events, active };
    Ok(Json(webhook_body(&web.app.change_webhook(&caller, &id, patch).await?)))
}

async fn remove(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    web.app.delete_webhook(&caller, &id).await?;
    Ok(Json(json!({"ok": true})))
}

#[derive(Debug, Deserialize)]
struct LogQuery {
    limit: Option<String>,
    event: Option<String>,
}

async fn logs(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let limit = query
        .limit
        .map(|text| text.parse().map_err(|error| ApiError::invalid(format!("limit: {error}"))))
        .transpose()?;
    let attempts = web.app.webhook_log(&caller, &id, query.event.as_deref(), limit).await?;
    Ok(Json(attempts.iter().map(log_item).collect()))
}

fn log_item(attempt: &LoggedAttempt) -> Value {
    // The payload is JSON that we wrote ourselves; as text it would be quoted twice.
    let payload: Value = serde_json::from_str(&attempt.payload).unwrap_or_default();
    json!({
        "id": format!("{}_{}", attempt.delivery, attempt.attempt),
        "event": attempt.kind.name(),
        "eventId": attempt.event.to_string(),
        "attempt": attempt.attempt,
        "status": if attempt.success { "SUCCESS" } else { "FAILED" },
        "statusCode": attempt.status,
        "payload": payload,
        "response": attempt.response,
        "durationMs": u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
        "createdAt": attempt.at.to_string(),
    })
}
