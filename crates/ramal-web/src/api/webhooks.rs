//! `/v1/webhooks` (contract C.19).

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use ramal_app::{Replay, RotatedSecret, WebhookDraft, WebhookPatch};
use ramal_store::{DisabledReason, LoggedAttempt, Replayed, Webhook};
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
        .routes(routes!(redeliver))
        .routes(routes!(rotate_secret))
        .routes(routes!(send_test))
        .routes(routes!(replay))
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
    /// Why this server made it inactive: `GONE` or `FAILING`; null when it is active, or when you did.
    #[schema(required = true)]
    disabled_reason: Option<&'static str>,
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
            disabled_reason: webhook.disabled.map(DisabledReason::name),
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
    /// What `redeliver` takes.
    #[schema(example = "dlv_01kdhz4q6yf5svj7g2m9n3t8xw")]
    delivery_id: String,
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
    /// What else happened, such as that the webhook was made inactive.
    #[schema(required = true)]
    note: Option<String>,
    duration_ms: u64,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<&LoggedAttempt> for LogItem {
    fn from(attempt: &LoggedAttempt) -> Self {
        Self {
            id: format!("{}_{}", attempt.delivery, attempt.attempt),
            delivery_id: attempt.delivery.to_string(),
            event: attempt.kind.name(),
            event_id: attempt.event.to_string(),
            attempt: attempt.attempt,
            status: if attempt.success { "SUCCESS" } else { "FAILED" },
            status_code: attempt.status,
            // The payload is JSON that we wrote ourselves; as text it would be quoted twice.
            payload: serde_json::from_str(&attempt.payload).unwrap_or_default(),
            response: attempt.response.clone(),
            note: attempt.note.clone(),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            created_at: attempt.at.to_string(),
        }
    }
}

/// A secret that was just rotated.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RotatedSecret)]
struct RotatedAnswer {
    id: String,
    /// What signs from now on: shown here and nowhere else.
    secret: String,
    /// Until when the old secret signs beside it.
    #[schema(format = DateTime)]
    previous_secret_valid_until: String,
}

impl From<&RotatedSecret> for RotatedAnswer {
    fn from(rotated: &RotatedSecret) -> Self {
        Self {
            id: rotated.webhook.to_string(),
            secret: rotated.secret.expose().to_owned(),
            previous_secret_valid_until: rotated.old_until.to_string(),
        }
    }
}

/// Gives the webhook another secret.
///
/// It is in this answer and nowhere else. The old one keeps signing beside it for a day.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate-secret",
    operation_id = "rotateWebhookSecret",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id", example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "The new secret", body = RotatedAnswer)),
    extensions(("x-errors" = json!(["WEBHOOK_NOT_FOUND"]))),
)]
async fn rotate_secret(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<RotatedAnswer>, ApiError> {
    Ok(Json((&web.app.rotate_webhook_secret(&caller, &id).await?).into()))
}

/// A delivery that was asked for; its attempts are in the log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AskedDelivery {
    #[schema(example = "dlv_01kdhz4q6yf5svj7g2m9n3t8xw")]
    delivery_id: String,
    /// Of a test only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "evt_01kdhz4q6yf5svj7g2m9n3t8xw")]
    event_id: Option<String>,
}

/// Sends a `webhook.test` event to this webhook, whatever it subscribes to.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    operation_id = "testWebhook",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id", example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 202, description = "On its way", body = AskedDelivery)),
    extensions(("x-errors" = json!(["WEBHOOK_NOT_FOUND", "WEBHOOK_INACTIVE"]))),
)]
async fn send_test(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<AskedDelivery>), ApiError> {
    let (delivery, event) = web.app.test_webhook(&caller, &id).await?;
    let body =
        AskedDelivery { delivery_id: delivery.to_string(), event_id: Some(event.to_string()) };
    Ok((StatusCode::ACCEPTED, Json(body)))
}

/// Delivers once more what was delivered or given up.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/logs/{delivery}/redeliver",
    operation_id = "redeliverWebhook",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id", example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw"), ("delivery" = String, Path, description = "A delivery's id, or that of a line in the log", example = "dlv_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 202, description = "On its way", body = AskedDelivery)),
    extensions(("x-errors" = json!(["WEBHOOK_NOT_FOUND", "WEBHOOK_INACTIVE", "DELIVERY_NOT_FOUND", "DELIVERY_PENDING"]))),
)]
async fn redeliver(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path((id, delivery)): Path<(String, String)>,
) -> Result<(StatusCode, Json<AskedDelivery>), ApiError> {
    let delivery = web.app.redeliver(&caller, &id, &delivery).await?;
    let body = AskedDelivery { delivery_id: delivery.to_string(), event_id: None };
    Ok((StatusCode::ACCEPTED, Json(body)))
}

/// Which past events to deliver.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ReplayWebhook)]
struct ReplayBody {
    /// Events from this moment on.
    #[schema(format = DateTime)]
    since: String,
    /// And before this one; now when absent.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Those that the webhook subscribes to when absent.
    #[schema(schema_with = event_names)]
    events: Option<Vec<String>>,
}

/// What a replay does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayedWebhook)]
struct ReplayAnswer {
    /// How many events are on their way.
    replayed: u32,
    /// Whether there are more: ask again.
    more: bool,
}

impl From<Replayed> for ReplayAnswer {
    fn from(replayed: Replayed) -> Self {
        Self { replayed: replayed.count, more: replayed.more }
    }
}

/// Delivers what the webhook has missed, oldest first.
///
/// That is what was given up, and what happened while it was inactive, not subscribed or not there.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/replay",
    operation_id = "replayWebhook",
    tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id", example = "wh_01kdhz4q6yf5svj7g2m9n3t8xw")),
    request_body(content = ReplayBody, example = json!({"since": "2026-06-01T00:00:00.000Z"})),
    responses((status = 202, description = "On their way", body = ReplayAnswer)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "WEBHOOK_NOT_FOUND", "WEBHOOK_INACTIVE"]))),
)]
async fn replay(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<ReplayBody>,
) -> Result<(StatusCode, Json<ReplayAnswer>), ApiError> {
    let ReplayBody { since, until, events } = body.value;
    let replayed = web.app.replay(&caller, &id, Replay { since, until, events }).await?;
    Ok((StatusCode::ACCEPTED, Json(replayed.into())))
}
