//! `/v1/webhooks` (contract C.19).

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use ramal_app::{WebhookDraft, WebhookPatch};
use ramal_store::{LoggedAttempt, Webhook};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Done;
use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{Authenticated, Path, Query, number_header},
};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(detail, change, remove))
        .routes(routes!(logs))
}

/// A webhook to be created, for one number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateWebhook)]
struct CreateBody {
    /// Where to post: `https://` and public.
    #[schema(
        max_length = 2048,
        pattern = "^https?://",
        example = "https://hooks.acme.com/whatsapp"
    )]
    url: String,
    /// The address's host when it is absent.
    #[schema(min_length = 1, max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: Option<String>,
    /// Event names, or `*` for all; nothing is delivered without.
    #[schema(schema_with = event_names)]
    events: Option<Vec<String>>,
    /// The number, when neither the key nor the `x-whatsapp-number-id` header names it.
    whatsapp_number_id: Option<String>,
    #[schema(default = true)]
    active: Option<bool>,
    /// The caller's own signing secret; one is made when it is absent.
    #[schema(min_length = 16, max_length = 256, pattern = "^[!-~]*$")]
    secret: Option<String>,
}

/// The list of event names, for the document.
fn event_names() -> Schema {
    let name =
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(ramal_app::event_names()));
    let nullable = SchemaType::from_iter([Type::Array, Type::Null]);
    ArrayBuilder::new().schema_type(nullable).items(name).into()
}

/// Creates a webhook. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    params(("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false)),
    request_body(content = CreateBody, example = json!({"url": "https://hooks.acme.com/whatsapp", "events": ["*"], "whatsappNumberId": "wa_01kdhz4q6yf5svj7g2m9n3t8xw"})),
    responses((status = 201, description = "Created, with its secret", body = CreatedWebhook)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_REQUIRED", "NUMBER_MISMATCH", "NUMBER_NOT_FOUND"]))),
)]
async fn create(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Body<CreateBody>,
) -> Result<(StatusCode, Json<CreatedWebhook>), ApiError> {
    let draft = WebhookDraft {
        url: body.value.url,
        name: body.value.name,
        events: body.value.events.unwrap_or_default(),
        number_id: body.value.whatsapp_number_id,
        active: body.value.active.unwrap_or(true),
        secret: body.value.secret,
    };
    let created = web.app.create_webhook(&caller, number_header(&headers), draft).await?;
    let secret = created.secret.expose().to_owned();
    let body = CreatedWebhook { webhook: (&created.webhook).into(), secret };
    Ok((StatusCode::CREATED, Json(body)))
}

/// A webhook. Its secret is in the answer of its creation and nowhere else.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook)]
struct WebhookAnswer {
    #[schema(example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw")]
    id: String,
    tenant_id: String,
    name: String,
    url: String,
    environment: &'static str,
    active: bool,
    events: Vec<String>,
    /// Always empty: webhooks belong to numbers.
    #[schema(value_type = Vec<Object>)]
    api_keys: [(); 0],
    #[schema(required = true, format = DateTime)]
    last_triggered: Option<String>,
    whatsapp_number_ids: [String; 1],
    whatsapp_instance_ids: [String; 1],
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<&Webhook> for WebhookAnswer {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            tenant_id: webhook.tenant.to_string(),
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            environment: "LIVE",
            active: webhook.active,
            events: webhook.events.clone(),
            api_keys: [],
            last_triggered: webhook.last_triggered_at.map(|at| at.to_string()),
            whatsapp_number_ids: [webhook.number.to_string()],
            whatsapp_instance_ids: [webhook.number.to_string()],
            created_at: webhook.created_at.to_string(),
            updated_at: webhook.updated_at.to_string(),
        }
    }
}

/// A webhook that was just created, with what signs its deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CreatedWebhook {
    #[serde(flatten)]
    webhook: WebhookAnswer,
    secret: String,
}

/// The webhooks that the caller sees.
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    params(("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false)),
    responses((status = 200, description = "The webhooks that the caller sees", body = Vec<WebhookAnswer>)),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND"]))),
)]
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
) -> Result<Json<Vec<WebhookAnswer>>, ApiError> {
    let webhooks = web.app.list_webhooks(&caller, number_header(&headers)).await?;
    Ok(Json(webhooks.iter().map(Into::into).collect()))
}

/// One webhook.
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    operation_id = "getWebhook",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id", example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "The webhook", body = WebhookAnswer)),
    extensions(("x-errors" = json!(["WEBHOOK_NOT_FOUND"]))),
)]
async fn detail(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<WebhookAnswer>, ApiError> {
    Ok(Json((&web.app.get_webhook(&caller, &id).await?).into()))
}

/// A change of a webhook; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeWebhook)]
struct ChangeBody {
    #[schema(min_length = 1, max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: Option<String>,
    #[schema(max_length = 2048, pattern = "^https?://")]
    url: Option<String>,
    /// Replaces the list.
    #[schema(schema_with = event_names)]
    events: Option<Vec<String>>,
    active: Option<bool>,
}

/// Changes a webhook; its number stays.
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    operation_id = "changeWebhook",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id", example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw")),
    request_body(content = ChangeBody, example = json!({"active": false})),
    responses((status = 200, description = "As it is now", body = WebhookAnswer)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "EMPTY_PATCH", "WEBHOOK_NOT_FOUND"]))),
)]
async fn change(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<ChangeBody>,
) -> Result<Json<WebhookAnswer>, ApiError> {
    let ChangeBody { name, url, events, active } = body.value;
    let patch = WebhookPatch { name, url, events, active };
    Ok(Json((&web.app.change_webhook(&caller, &id, patch).await?).into()))
}

/// Deletes a webhook and its delivery log.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id", example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "Deleted, with its log", body = Done)),
    extensions(("x-errors" = json!(["WEBHOOK_NOT_FOUND"]))),
)]
async fn remove(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Done>, ApiError> {
    web.app.delete_webhook(&caller, &id).await?;
    Ok(Json(Done::OK))
}

#[derive(Debug, Deserialize)]
struct LogQuery {
    limit: Option<String>,
    event: Option<String>,
}

/// The newest attempts to deliver to a webhook.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/logs",
    operation_id = "listWebhookLogs",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id", example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw"), ("limit" = Option<u32>, Query, description = "How many", minimum = 1, maximum = 50, nullable = false), ("event" = Option<String>, Query, description = "Of this event only", nullable = false)),
    responses((status = 200, description = "The newest attempts first", body = Vec<LogItem>)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "WEBHOOK_NOT_FOUND"]))),
)]
async fn logs(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Vec<LogItem>>, ApiError> {
    let limit = query
        .limit
        .map(|text| text.parse().map_err(|error| ApiError::invalid(format!("limit: {error}"))))
        .transpose()?;
    let attempts = web.app.webhook_log(&caller, &id, query.event.as_deref(), limit).await?;
    Ok(Json(attempts.iter().map(Into::into).collect()))
}

/// One attempt to deliver an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookLogItem)]
struct LogItem {
    id: String,
    event: &'static str,
    event_id: String,
    attempt: i64,
    /// `SUCCESS` or `FAILED`.
    status: &'static str,
    /// Null when nothing answered.
    #[schema(required = true)]
    status_code: Option<u16>,
    /// What was sent.
    #[schema(value_type = Object)]
    payload: Value,
    /// The first bytes of the answer, or why there was none.
    response: String,
    duration_ms: u64,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<&LoggedAttempt> for LogItem {
    fn from(attempt: &LoggedAttempt) -> Self {
        Self {
            id: format!("{}_{}", attempt.delivery, attempt.attempt),
            event: attempt.kind.name(),
            event_id: attempt.event.to_string(),
            attempt: attempt.attempt,
            status: if attempt.success { "SUCCESS" } else { "FAILED" },
            status_code: attempt.status,
            // The payload is JSON that we wrote ourselves; as text it would be quoted twice.
            payload: serde_json::from_str(&attempt.payload).unwrap_or_default(),
            response: attempt.response.clone(),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            created_at: attempt.at.to_string(),
        }
    }
}
