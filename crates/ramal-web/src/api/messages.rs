//! `/v1/messages` (contract C.21): send, show typing, look up one. `message_log.rs` lists them.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{DefaultBodyLimit, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use ramal_app::{AppError, Destination, OutgoingMessage, Refusal, Sent, WishedButton};
use ramal_domain::{Direction, Menu, MenuRow, MenuSection, Peer, Timestamp};
use ramal_store::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

use super::Done;
use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{OnNumber, Path},
    idempotent::{self, Request},
};

/// Largest message, media as data URI included: a film of 16 MiB in base64, and its envelope.
const SEND_MAX: usize = 24 * 1024 * 1024;

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(send).map(|methods| methods.layer(DefaultBodyLimit::max(SEND_MAX))))
        .routes(routes!(typing))
        .routes(routes!(detail))
}

/// A message to be sent: one destination, and one of text, media, template, buttons or list.
// The modes that are not offered yet are named, so that they are refused with a typed error instead
// of being ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SendMessage)]
struct SendBody {
    /// E.164, with or without `+`; from an official number also the id that Meta gives a business for a
    /// user, such as `BR.13491208655302741918`.
    #[schema(nullable = false, min_length = 4, max_length = 140, example = "+5511999999999")]
    destination_number: Option<String>,
    /// The text, or the words below media.
    #[schema(nullable = false, min_length = 1, max_length = 65536)]
    text: Option<String>,
    /// An http(s) address that is fetched when the message is sent (by Meta, from an official number), or a
    /// data URI in base64, of up to 16 MiB.
    #[schema(nullable = false, min_length = 1)]
    media: Option<String>,
    /// `image` (the default), `video`, `document`, `audio`, `voice` or `sticker`.
    #[schema(nullable = false, example = "image")]
    media_type: Option<String>,
    /// What a document is called. An extension of ours.
    #[schema(nullable = false, min_length = 1, max_length = 240)]
    file_name: Option<String>,
    /// The id or name of one of your templates. Official numbers: the name of one that Meta has approved,
    /// or `name:language`.
    #[schema(nullable = false, min_length = 1, example = "hello_world:en_US")]
    template_id: Option<String>,
    /// What the template is filled in with: `1`, `2` … or the variable's name; of Meta's also `header_1`,
    /// `button_0`.
    #[schema(nullable = false)]
    variables: Option<BTreeMap<String, String>>,
    /// Above buttons.
    #[schema(nullable = false)]
    header: Option<HeaderBody>,
    /// Below buttons or a list.
    #[schema(nullable = false, min_length = 1, max_length = 60)]
    footer: Option<String>,
    /// Official numbers: up to three that reply, or one that opens an address. WhatsApp delivers them from
    /// no others.
    #[schema(nullable = false)]
    buttons: Option<Vec<ButtonBody>>,
    /// Official numbers: a menu. WhatsApp delivers them from no others.
    #[schema(nullable = false)]
    list: Option<ListBody>,
    /// Official numbers: whether what this answers is marked as read; as `markReadOnSend` says when
    /// absent.
    mark_read: Option<bool>,
    /// In place of `destinationNumber`, from a QR-paired number: a group that it is in.
    #[schema(
        nullable = false,
        pattern = r"^[0-9-]{1,64}@g\.us$",
        example = "120363000000000000@g.us"
    )]
    group_id: Option<String>,
    /// In place of `destinationNumber`, from a QR-paired number: a channel that it owns. Texts only.
    #[schema(nullable = false, pattern = r"^[0-9]{1,64}@newsletter$")]
    newsletter_id: Option<String>,
    /// Not before this moment, at most a year ahead; at once when it is past.
    #[schema(nullable = false, format = DateTime)]
    deliver_at: Option<String>,
    /// Not after this moment: then it fails with `MESSAGE_EXPIRED`.
    #[schema(nullable = false, format = DateTime)]
    deliver_until: Option<String>,
    /// What you call it, to find it again: `GET /v1/messages?label=…`.
    #[schema(nullable = false, max_items = 20)]
    labels: Option<Vec<String>>,
    #[schema(ignore)]
    carousel: Option<Value>,
    #[schema(ignore)]
    flow: Option<Value>,
}

/// What stands above buttons.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = MessageHeader)]
struct HeaderBody {
    /// `text`, `image`, `video` or `document`.
    #[serde(rename = "type")]
    #[schema(example = "text")]
    kind: String,
    /// The text, or an address or data URI.
    content: String,
}

/// A button.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageButton)]
struct ButtonBody {
    /// `reply` or `url`.
    #[serde(rename = "type")]
    #[schema(example = "reply")]
    kind: String,
    #[schema(min_length = 1, max_length = 20)]
    label: String,
    /// With `url`.
    #[schema(nullable = false)]
    url: Option<String>,
}

/// A menu.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageList)]
struct ListBody {
    /// What the button that opens it says.
    #[schema(min_length = 1, max_length = 20)]
    button_text: String,
    sections: Vec<SectionBody>,
}

/// A group of rows.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = MessageListSection)]
struct SectionBody {
    #[schema(max_length = 24)]
    #[serde(default)]
    title: String,
    rows: Vec<RowBody>,
}

/// A row.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageListRow)]
struct RowBody {
    #[schema(min_length = 1, max_length = 24)]
    title: String,
    #[schema(max_length = 72)]
    description: Option<String>,
    /// Its id at Meta. What comes back when it is chosen is the title.
    #[schema(min_length = 1, max_length = 200)]
    row_id: String,
}

impl From<ListBody> for Menu {
    fn from(list: ListBody) -> Self {
        let row = |row: RowBody| MenuRow {
            id: row.row_id,
            title: row.title,
            description: row.description.filter(|text| !text.is_empty()),
        };
        let section = |section: SectionBody| MenuSection {
            title: section.title,
            rows: section.rows.into_iter().map(row).collect(),
        };
        Self {
            body: String::new(),
            footer: None,
            button_text: list.button_text,
            sections: list.sections.into_iter().map(section).collect(),
        }
    }
}

impl SendBody {
    fn wish(self) -> Result<OutgoingMessage, Refusal> {
        let unsupported = [("carousel", self.carousel.is_some()), ("flow", self.flow.is_some())];
        if let Some((field, _)) = unsupported.into_iter().find(|(_, sent)| *sent) {
            return Err(Refusal::NotSupported(format!("{field} is not offered by this server")));
        }
        let to = match (self.destination_number, self.group_id, self.newsletter_id) {
            (Some(number), None, None) => Destination::Person(number),
            (None, Some(group), None) => Destination::Group(group),
            (None, None, Some(newsletter)) => Destination::Newsletter(newsletter),
            (None, None, None) => {
                let sentence = "destinationNumber is required, or groupId, or newsletterId";
                return Err(Refusal::Validation(sentence.to_owned()));
            }
            _ => {
                let sentence = "send one of destinationNumber, groupId and newsletterId";
                return Err(Refusal::Validation(sentence.to_owned()));
            }
        };
        let button = |it: ButtonBody| WishedButton { kind: it.kind, label: it.label, url: it.url };
        Ok(OutgoingMessage {
            to,
            text: self.text,
            media: self.media,
            media_type: self.media_type,
            file_name: self.file_name,
            template: self.template_id,
            variables: self.variables.unwrap_or_default(),
            header: self.header.map(|header| (header.kind, header.content)),
            footer: self.footer,
            buttons: self.buttons.unwrap_or_default().into_iter().map(button).collect(),
            list: self.list.map(Into::into),
            mark_read: self.mark_read,
            deliver_at: self.deliver_at,
            deliver_until: self.deliver_until,
            labels: self.labels.unwrap_or_default(),
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

/// Accepts a message for sending.
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
        "NUMBER_NOT_FOUND", "NOT_SUPPORTED_FOR_META", "TEMPLATE_NOT_FOUND",
        "MISSING_TEMPLATE_VARIABLES", "META_CREDENTIALS_INVALID", "META_PERMISSION_MISSING",
        "META_REFUSED", "QUEUE_FULL", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT"
    ]))),
)]
async fn send(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    headers: HeaderMap,
    body: Body<SendBody>,
) -> Result<Response, ApiError> {
    let Body { value, raw } = body;
    let wish = value.wish()?;
    let (app, sender) = (web.app.clone(), scoped.clone());
    let work = move |claimed| async move {
        let memo = idempotent::memo(claimed, sent_answer);
        sent_answer(&app.send_message(&sender, wish, memo).await?)
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

/// Whom to show that something is being written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ShowTyping)]
struct TypingBody {
    #[schema(example = "+5511999999999")]
    destination_number: String,
}

/// Shows the other side that something is being written.
///
/// For 25 seconds, or until it comes. From an official number, Meta also marks what the other side wrote
/// last as read.
#[utoipa::path(
    post,
    path = "/messages/typing",
    operation_id = "showTyping",
    tag = "messages",
    params(("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false)),
    request_body(content = TypingBody, example = json!({"destinationNumber": "+5511999999999"})),
    responses((status = 200, description = "It is shown", body = Done)),
    extensions(("x-errors" = json!([
        "VALIDATION_ERROR", "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND",
        "WHATSAPP_INSTANCE_NOT_CONNECTED", "MESSAGE_NOT_FOUND", "META_CREDENTIALS_INVALID",
        "META_PERMISSION_MISSING", "META_REFUSED", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT"
    ]))),
)]
async fn typing(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    body: Body<TypingBody>,
) -> Result<Json<Done>, ApiError> {
    let to = Destination::Person(body.value.destination_number);
    web.app.show_typing(&scoped, to).await?;
    Ok(Json(Done::OK))
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
pub(super) struct MessageDetail {
    #[schema(example = "msg_01kdhz4q6yf5svj7g2m9n3t8xw")]
    id: String,
    /// WhatsApp's id, once WhatsApp has the message.
    #[schema(required = true)]
    external_message_id: Option<String>,
    /// `QUEUED`, `SENT`, `DELIVERED`, `READ`, `FAILED` or `CANCELED`.
    #[schema(example = "DELIVERED")]
    status: &'static str,
    correlation_id: String,
    /// Or a group, or a channel.
    destination_number: String,
    /// The template that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    template: Option<String>,
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
    /// What Meta says that it costs. Official numbers only.
    #[schema(required = true)]
    meta_pricing: Option<MetaPricing>,
}

/// What Meta says that a message costs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MetaPricing {
    /// Told of conversations that an advertisement opened; else null.
    #[schema(required = true)]
    conversation_id: Option<String>,
    /// How that conversation came about.
    #[schema(required = true)]
    origin_type: Option<String>,
    /// What is paid for.
    #[schema(required = true, example = "utility")]
    category: Option<String>,
    /// Whether it is paid for: `regular`, or why it is free.
    #[serde(rename = "type")]
    #[schema(required = true, example = "regular")]
    kind: Option<String>,
}

impl MetaPricing {
    /// Reads what is kept of what Meta told; `None`: that is nothing of the kind.
    fn read(kept: &str) -> Option<Self> {
        let kept: Value = serde_json::from_str(kept).ok().filter(Value::is_object)?;
        let text = |path: &str| kept.pointer(path).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            conversation_id: text("/conversation/id"),
            origin_type: text("/conversation/origin/type"),
            category: text("/category"),
            kind: text("/type"),
        })
    }
}

impl MessageDetail {
    pub(super) fn new(message: &Message, own: &str) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let destination_number = match (message.direction, &message.peer) {
            (Direction::Inbound, _) => own.to_owned(),
            (Direction::Outbound, Peer::Phone(phone)) if message.redacted => phone.masked(),
            (Direction::Outbound, Peer::Phone(phone)) => phone.e164(),
            (Direction::Outbound, Peer::Jid(_)) if message.redacted => "****".to_owned(),
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
            template: message.template.clone(),
            created_at: message.created_at.to_string(),
            sent_at: time(message.sent_at),
            delivered_at: time(message.delivered_at),
            read_at: time(message.read_at),
            error_code: failure.map(|failure| failure.code.clone()),
            error_message: failure.map(|failure| failure.message.clone()),
            origin: message.origin.clone(),
            meta_pricing: message.pricing.as_deref().and_then(MetaPricing::read),
        }
    }
}
