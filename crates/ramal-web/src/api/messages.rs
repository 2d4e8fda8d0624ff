//! `/v1/messages` (contract C.21), as far as texts go.

use axum::{Json, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use ramal_app::{AppError, Refusal, Sent, TextMessage};
use ramal_domain::{Direction, Peer, Timestamp};
use ramal_store::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{OnNumber, Path},
    idempotent::{self, Request},
};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(send)).routes(routes!(detail))
}

/// A text to be sent.
// The modes that are not offered yet are named, so that they are refused with a typed error instead
// of being ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SendMessage)]
struct SendBody {
    /// E.164, with or without `+`.
    #[schema(
        required = true,
        nullable = false,
        pattern = "^\\+?[1-9][0-9]{9,14}$",
        example = "+5511999999999"
    )]
    destination_number: Option<String>,
    #[schema(required = true, nullable = false, min_length = 1, max_length = 65536)]
    text: Option<String>,
    /// Checked to be a truth value; has an effect on official numbers only.
    #[serde(rename = "markRead")]
    _mark_read: Option<bool>,
    #[schema(ignore)]
    group_id: Option<Value>,
    #[schema(ignore)]
    newsletter_id: Option<Value>,
    #[schema(ignore)]
    template_id: Option<Value>,
    #[schema(ignore)]
    media: Option<Value>,
    #[schema(ignore)]
    header: Option<Value>,
    #[schema(ignore)]
    footer: Option<Value>,
    #[schema(ignore)]
    buttons: Option<Value>,
    #[schema(ignore)]
    list: Option<Value>,
    #[schema(ignore)]
    carousel: Option<Value>,
    #[schema(ignore)]
    flow: Option<Value>,
    #[schema(ignore)]
    deliver_at: Option<Value>,
    #[schema(ignore)]
    deliver_until: Option<Value>,
}

impl SendBody {
    fn into_text(self) -> Result<TextMessage, Refusal> {
        let unsupported = [
            ("groupId", self.group_id.is_some()),
            ("newsletterId", self.newsletter_id.is_some()),
            ("templateId", self.template_id.is_some()),
            ("media", self.media.is_some()),
            ("header", self.header.is_some()),
            ("footer", self.footer.is_some()),
            ("buttons", self.buttons.is_some()),
            ("list", self.list.is_some()),
            ("carousel", self.carousel.is_some()),
            ("flow", self.flow.is_some()),
            ("deliverAt", self.deliver_at.is_some()),
            ("deliverUntil", self.deliver_until.is_some()),
        ];
        if let Some((field, _)) = unsupported.into_iter().find(|(_, sent)| *sent) {
            let sentence = format!("{field} is not supported yet: send destinationNumber and text");
            return Err(Refusal::NotSupported(sentence));
        }
        let missing = |field: &str| Refusal::Validation(format!("{field} is required"));
        Ok(TextMessage {
            to: self.destination_number.ok_or_else(|| missing("destinationNumber"))?,
            text: self.text.ok_or_else(|| missing("text"))?,
        })
    }
}

/// An accepted message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AcceptedMessage {
    id: String,
    correlation_id: String,
    #[schema(example = "QUEUED")]
    status: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    /// The number's display name.
    origin: String,
    source_number: String,
}

/// Accepts a text for sending.
///
/// It is stored, and goes out in order as soon as the number is connected.
#[utoipa::path(
    post,
    path = "/messages/send",
    operation_id = "sendMessage",
    tag = "messages",
    params(
        ("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false),
        ("idempotency-key" = Option<String>, Header, description = "Makes a repeat safe for a day", min_length = 1, max_length = 255, nullable = false),
    ),
    request_body(content = SendBody, example = json!({"destinationNumber": "+5511999999999", "text": "Hello!"})),
    responses((
        status = 202,
        description = "Stored; webhooks tell how it went",
        body = AcceptedMessage,
        headers(("idempotent-replayed" = String, description = "`true` when the answer is a stored one")),
    )),
    extensions(("x-errors" = json!([
        "VALIDATION_ERROR", "FEATURE_NOT_SUPPORTED", "IDEMPOTENCY_KEY_INVALID",
        "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_USE", "TENANT_SCOPE_NOT_ALLOWED",
        "NUMBER_NOT_FOUND"
    ]))),
)]
async fn send(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    headers: HeaderMap,
    body: Body<SendBody>,
) -> Result<Response, ApiError> {
    let Body { value, raw } = body;
    let wish = value.into_text()?;
    let (app, sender) = (web.app.clone(), scoped.clone());
    let work = move |claimed| async move {
        let memo = idempotent::memo(claimed, sent_answer);
        sent_answer(&app.send_text(&sender, wish, memo).await?)
    };
    let caller = &scoped.caller;
    let operation = format!("messages.send/{}", scoped.number.id);
    let request = Request { caller, operation: &operation, headers: &headers, body: &raw };
    idempotent::answer(&web.app, request, work).await
}

fn sent_answer(sent: &Sent) -> Result<(StatusCode, Value), AppError> {
    let body = AcceptedMessage {
        id: sent.accepted.id.to_string(),
        correlation_id: sent.accepted.correlation.to_string(),
        status: "QUEUED",
        created_at: sent.accepted.created_at.to_string(),
        origin: sent.origin.clone(),
        source_number: sent.source.digits().to_owned(),
    };
    Ok((StatusCode::ACCEPTED, idempotent::print(&body)?))
}

/// One message, by our id, its correlation id or WhatsApp's.
#[utoipa::path(
    get,
    path = "/messages/{id}",
    operation_id = "getMessage",
    tag = "messages",
    params(
        ("id" = String, Path, description = "Our id, the correlation id, or WhatsApp's", example = "msg_01kdhz4q6yf5svj7g2m9n3t8xw"),
        ("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false),
    ),
    responses((status = 200, description = "The message", body = MessageDetail)),
    extensions(("x-errors" = json!([
        "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND", "MESSAGE_NOT_FOUND"
    ]))),
)]
async fn detail(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    Path(id): Path<String>,
) -> Result<Json<MessageDetail>, ApiError> {
    let message = web.app.get_message(&scoped, &id).await?;
    let own = scoped.number.phone.e164();
    Ok(Json(MessageDetail::new(&message, &own)))
}

/// What was sent, and how far it got.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MessageDetail {
    #[schema(example = "msg_01kdhz4q6yf5svj7g2m9n3t8xw")]
    id: String,
    /// WhatsApp's id, once WhatsApp has the message.
    #[schema(required = true)]
    external_message_id: Option<String>,
    /// `QUEUED`, `SENT`, `DELIVERED`, `READ`, `FAILED` or `CANCELED`.
    #[schema(example = "DELIVERED")]
    status: &'static str,
    correlation_id: String,
    destination_number: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required = true, format = DateTime)]
    sent_at: Option<String>,
    #[schema(required = true, format = DateTime)]
    delivered_at: Option<String>,
    #[schema(required = true, format = DateTime)]
    read_at: Option<String>,
    #[schema(required = true)]
    error_code: Option<String>,
    #[schema(required = true)]
    error_message: Option<String>,
    #[schema(required = true)]
    origin: Option<String>,
    /// Official numbers only.
    #[schema(required = true, value_type = Option<Object>)]
    meta_pricing: Option<()>,
}

impl MessageDetail {
    fn new(message: &Message, own: &str) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let destination_number = match (message.direction, &message.peer) {
            (Direction::Inbound, _) => own.to_owned(),
            (Direction::Outbound, Peer::Phone(phone)) => phone.e164(),
            (Direction::Outbound, Peer::Jid(jid)) => jid.clone(),
        };
        let failure = message.failure.as_ref();
        let at_whatsapp = message.sent_at.or(message.delivered_at);
        Self {
            id: message.id.to_string(),
            external_message_id: at_whatsapp.map(|_| message.wire_id.as_str().to_owned()),
            status: message.status.name(),
            correlation_id: message.correlation.to_string(),
            destination_number,
            created_at: message.created_at.to_string(),
            sent_at: time(message.sent_at),
            delivered_at: time(message.delivered_at),
            read_at: time(message.read_at),
            error_code: failure.map(|failure| failure.code.clone()),
            error_message: failure.map(|failure| failure.message.clone()),
            origin: message.origin.clone(),
            meta_pricing: None,
        }
    }
}
