//! `/v1/messages` (contract C.21): what was said, and what is taken back.

use axum::{Json, extract::State};
use ramal_app::{MessageList, MessageWish};
use ramal_domain::{Direction, Peer, Provider, Timestamp, WireId, conversation_id};
use ramal_store::{Message, StoredMedia};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::messages::MessageDetail;
use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{OnNumber, Query},
};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(history)).routes(routes!(cancel))
}

/// Which messages, in the query string.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogQuery {
    start_date: Option<String>,
    end_date: Option<String>,
    page: Option<String>,
    page_size: Option<String>,
    status: Option<String>,
    peer: Option<String>,
    label: Option<String>,
    scheduled: Option<String>,
}

impl TryFrom<LogQuery> for MessageWish {
    type Error = ApiError;

    fn try_from(query: LogQuery) -> Result<Self, ApiError> {
        let scheduled = match query.scheduled.as_deref() {
            None | Some("0" | "false") => false,
            Some("1" | "true") => true,
            Some(_) => return Err(ApiError::invalid("scheduled is 1 or 0")),
        };
        Ok(Self {
            start_date: query.start_date,
            end_date: query.end_date,
            page: query.page,
            page_size: query.page_size,
            status: query.status,
            peer: query.peer,
            label: query.label,
            scheduled,
        })
    }
}

/// Messages that were sent through this server, newest first.
///
/// `scheduled=1` shows those that wait for their `deliverAt`.
#[utoipa::path(
    get,
    path = "/messages",
    operation_id = "listMessages",
    tag = "messages",
    params(
        ("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false),
        ("startDate" = Option<String>, Query, description = "Accepted at this moment or later, RFC 3339", nullable = false),
        ("endDate" = Option<String>, Query, description = "Accepted at this moment or earlier", nullable = false),
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1, maximum = 10000, nullable = false),
        ("pageSize" = Option<u32>, Query, description = "30 when absent", minimum = 1, maximum = 100, nullable = false),
        ("status" = Option<String>, Query, description = "`QUEUED`, `SENT`, `DELIVERED`, `READ`, `FAILED` or `CANCELED`", nullable = false),
        ("peer" = Option<String>, Query, description = "To a phone number, or a group or channel", nullable = false),
        ("label" = Option<String>, Query, description = "Called so by its sender", nullable = false),
        ("scheduled" = Option<String>, Query, description = "`1`: only those that wait for their time", nullable = false),
    ),
    responses((status = 200, description = "A page of messages", body = SentMessages)),
    extensions(("x-errors" = json!([
        "VALIDATION_ERROR", "INVALID_DATE_RANGE", "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND"
    ]))),
)]
async fn list(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    Query(query): Query<LogQuery>,
) -> Result<Json<SentMessages>, ApiError> {
    let found = web.app.list_messages(&scoped, &query.try_into()?).await?;
    let own = scoped.number.phone.e164();
    let total_pages = found.total_pages();
    let MessageList { messages, total, page, page_size } = found;
    let messages = messages.iter().map(|message| SentMessage::new(message, &own)).collect();
    Ok(Json(SentMessages { messages, total, page, page_size, total_pages }))
}

/// A page of messages that were sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SentMessages {
    messages: Vec<SentMessage>,
    total: u64,
    page: u32,
    page_size: u32,
    total_pages: u64,
}

/// A message that was sent, or waits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SentMessage {
    #[serde(flatten)]
    detail: MessageDetail,
    /// `text`, `image`, …
    #[schema(example = "text")]
    message_type: String,
    /// The text, or the words below media; absent when contents are not kept.
    #[schema(required = true)]
    text: Option<String>,
    labels: Vec<String>,
    #[schema(required = true, format = DateTime)]
    deliver_at: Option<String>,
    #[schema(required = true, format = DateTime)]
    deliver_until: Option<String>,
}

impl SentMessage {
    fn new(message: &Message, own: &str) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            detail: MessageDetail::new(message, own),
            message_type: message.kind.clone(),
            text: message.content.clone(),
            labels: message.labels.clone(),
            deliver_at: time(message.not_before),
            deliver_until: time(message.until),
        }
    }
}

/// What was said, both ways, newest first: also what was typed on the phone, and what it shared when it was
/// linked.
#[utoipa::path(
    get,
    path = "/messages/history",
    operation_id = "messageHistory",
    tag = "messages",
    params(
        ("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false),
        ("startDate" = Option<String>, Query, description = "Said at this moment or later, RFC 3339", nullable = false),
        ("endDate" = Option<String>, Query, description = "Said at this moment or earlier", nullable = false),
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1, maximum = 10000, nullable = false),
        ("pageSize" = Option<u32>, Query, description = "30 when absent", minimum = 1, maximum = 100, nullable = false),
        ("peer" = Option<String>, Query, description = "With a phone number, or in a group or channel", nullable = false),
    ),
    responses((status = 200, description = "A page of messages", body = History)),
    extensions(("x-errors" = json!([
        "VALIDATION_ERROR", "INVALID_DATE_RANGE", "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND"
    ]))),
)]
async fn history(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    Query(query): Query<LogQuery>,
) -> Result<Json<History>, ApiError> {
    let found = web.app.message_history(&scoped, &query.try_into()?).await?;
    let total_pages = found.total_pages();
    let MessageList { messages, total, page, page_size } = found;
    let provider = scoped.number.provider;
    let messages = messages.iter().map(|message| Spoken::new(message, provider)).collect();
    let notice = (scoped.number.pii_mode == "RELAY_ONLY").then_some("PII_RELAY_ONLY");
    Ok(Json(History { messages, total, page, page_size, total_pages, notice }))
}

/// A page of what was said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageHistory)]
struct History {
    messages: Vec<Spoken>,
    total: u64,
    page: u32,
    page_size: u32,
    total_pages: u64,
    /// `PII_RELAY_ONLY`: contents are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    notice: Option<&'static str>,
}

/// Something that was said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HistoryMessage)]
struct Spoken {
    id: String,
    /// The same for everything that is said with one person, or in one group or channel.
    conversation_id: String,
    /// `INBOUND` or `OUTBOUND`.
    #[schema(example = "INBOUND")]
    direction: &'static str,
    /// `PILOT_STATUS` or `META`.
    #[schema(example = "PILOT_STATUS")]
    provider_kind: &'static str,
    #[schema(required = true)]
    external_message_id: Option<String>,
    status: &'static str,
    #[schema(example = "text")]
    message_type: String,
    #[schema(required = true)]
    origin: Option<String>,
    #[schema(required = true)]
    text: Option<String>,
    #[schema(required = true)]
    participant_name: Option<String>,
    #[schema(required = true)]
    participant_phone: Option<String>,
    /// Who it is where no phone number is known: a LID, a group, a channel.
    #[schema(required = true)]
    participant_user_id: Option<String>,
    #[schema(required = true)]
    replied_to_external_id: Option<String>,
    #[schema(required = true)]
    media: Option<SpokenMedia>,
    #[schema(required = true, format = DateTime)]
    sent_at: Option<String>,
    #[schema(required = true, format = DateTime)]
    delivered_at: Option<String>,
    #[schema(required = true, format = DateTime)]
    read_at: Option<String>,
    #[schema(format = DateTime)]
    provider_timestamp: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// Always null: advertisements are not followed.
    #[schema(required = true, value_type = Option<Object>)]
    referral: Option<()>,
    /// The group or channel. An extension of ours.
    #[schema(required = true)]
    group_id: Option<String>,
    /// When its author changed what it says. An extension of ours.
    #[schema(required = true, format = DateTime)]
    edited_at: Option<String>,
    /// When its author deleted it for everybody. An extension of ours.
    #[schema(required = true, format = DateTime)]
    deleted_at: Option<String>,
    /// `true` when contents and people are not kept, as the number's `piiMode` says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    redacted: bool,
}

/// Media of something that was said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HistoryMedia)]
struct SpokenMedia {
    provider: &'static str,
    /// For `GET /v1/media/{id}`.
    #[schema(required = true)]
    id: Option<String>,
    /// A link that is good for a week after the message came.
    #[schema(required = true)]
    url: Option<String>,
    #[schema(required = true)]
    mime_type: Option<String>,
    #[schema(required = true)]
    file_name: Option<String>,
}

impl Spoken {
    fn new(message: &Message, provider: Provider) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let provider = match provider {
            Provider::Web => "PILOT_STATUS",
            Provider::Meta => "META",
        };
        let known = !message.redacted;
        let (phone, user) = match &message.peer {
            Peer::Phone(phone) => (Some(phone.e164()), None),
            Peer::Jid(jid) => (None, Some(jid.clone())),
        };
        let at_whatsapp = message.sent_at.or(message.delivered_at);
        let media = message.media.clone().filter(|_| known);
        Self {
            id: message.id.to_string(),
            conversation_id: conversation_id(message.number, &message.peer, &message.place),
            direction: match message.direction {
                Direction::Inbound => "INBOUND",
                Direction::Outbound => "OUTBOUND",
            },
            provider_kind: provider,
            external_message_id: at_whatsapp.map(|_| message.wire_id.to_string()),
            status: message.status.name(),
            message_type: message.kind.clone(),
            origin: message.origin.clone(),
            text: message.content.clone().filter(|_| known),
            participant_name: message.peer_name.clone().filter(|_| known),
            participant_phone: phone.filter(|_| known),
            participant_user_id: user.filter(|_| known),
            replied_to_external_id: message.quoted.as_ref().map(WireId::to_string),
            media: media.map(|media| SpokenMedia::new(message, media, provider)),
            sent_at: time(message.sent_at),
            delivered_at: time(message.delivered_at),
            read_at: time(message.read_at),
            provider_timestamp: message.sent_at.unwrap_or(message.created_at).to_string(),
            created_at: message.created_at.to_string(),
            referral: None,
            group_id: message.place.named().map(|(id, _)| id.to_owned()),
            edited_at: time(message.edited_at),
            deleted_at: time(message.revoked_at),
            redacted: message.redacted,
        }
    }
}

impl SpokenMedia {
    fn new(message: &Message, media: StoredMedia, provider: &'static str) -> Self {
        let kept = media.remote.is_some() || media.meta_id.is_some();
        Self {
            provider,
            id: kept.then(|| message.id.to_string()),
            url: media.link,
            mime_type: media.mime,
            file_name: media.file_name,
        }
    }
}

/// Which messages to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CancelMessages)]
struct CancelBody {
    /// By our id, the correlation id, or WhatsApp's.
    #[schema(min_items = 1, max_items = 100)]
    message_ids: Vec<String>,
}

/// Takes messages back that have not left yet.
#[utoipa::path(
    delete,
    path = "/messages/cancel",
    operation_id = "cancelMessages",
    tag = "messages",
    params(("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false)),
    request_body(content = CancelBody, example = json!({"messageIds": ["msg_01kdhz4q6yf5svj7g2m9n3t8xw"]})),
    responses((status = 200, description = "Which were, and which were not", body = CanceledMessages)),
    extensions(("x-errors" = json!([
        "VALIDATION_ERROR", "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND"
    ]))),
)]
async fn cancel(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    body: Body<CancelBody>,
) -> Result<Json<CanceledMessages>, ApiError> {
    let outcomes = web.app.cancel_messages(&scoped, &body.value.message_ids).await?;
    let mut answer = CanceledMessages { cancelled: Vec::new(), failed: Vec::new() };
    for (id, reason) in outcomes {
        match reason {
            None => answer.cancelled.push(id),
            Some(reason) => answer.failed.push(NotCanceled { id, reason }),
        }
    }
    Ok(Json(answer))
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
struct CanceledMessages {
    /// They will not be sent.
    cancelled: Vec<String>,
    failed: Vec<NotCanceled>,
}

/// A message that was not taken back.
#[derive(Debug, Serialize, ToSchema)]
struct NotCanceled {
    id: String,
    reason: &'static str,
}
