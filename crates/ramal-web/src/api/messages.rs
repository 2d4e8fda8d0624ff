//! `/v1/messages` (contract C.21), as far as texts go.

use axum::{
    Json, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::{AppError, Refusal, Sent, TextMessage};
use ramal_domain::{Direction, Peer, Timestamp};
use ramal_store::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{OnNumber, Path},
    idempotent::{self, Request},
};

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/messages/send", post(send)).route("/messages/{id}", get(detail))
}

/// A send request. The modes that are not offered yet are named, so that they are refused with a
/// typed error instead of being ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendBody {
    destination_number: Option<String>,
    text: Option<String>,
    /// Checked to be a truth value; has an effect on official numbers only.
    #[serde(rename = "markRead")]
    _mark_read: Option<bool>,
    group_id: Option<Value>,
    newsletter_id: Option<Value>,
    template_id: Option<Value>,
    media: Option<Value>,
    header: Option<Value>,
    footer: Option<Value>,
    buttons: Option<Value>,
    list: Option<Value>,
    carousel: Option<Value>,
    flow: Option<Value>,
    deliver_at: Option<Value>,
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

#[expect(clippy::unnecessary_wraps, reason = "what is remembered may fail for other answers")]
fn sent_answer(sent: &Sent) -> Result<(StatusCode, Value), AppError> {
    let body = json!({
        "id": sent.accepted.id.to_string(),
        "correlationId": sent.accepted.correlation.to_string(),
        "status": "QUEUED",
        "createdAt": sent.accepted.created_at.to_string(),
        "origin": sent.origin,
        "sourceNumber": sent.source.digits(),
    });
    Ok((StatusCode::ACCEPTED, body))
}

async fn detail(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let message = web.app.get_message(&scoped, &id).await?;
    let own = scoped.number.phone.e164();
    Ok(Json(message_body(&message, &own)))
}

fn message_body(message: &Message, own: &str) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let destination = match (message.direction, &message.peer) {
        (Direction::Inbound, _) => own.to_owned(),
        (Direction::Outbound, Peer::Phone(phone)) => phone.e164(),
        (Direction::Outbound, Peer::Jid(jid)) => jid.clone(),
    };
    let failure = message.failure.as_ref();
    json!({
        "id": message.id.to_string(),
        "externalMessageId": message.sent_at.or(message.delivered_at).map(|_| message.wire_id.as_str()),
        "status": message.status.name(),
        "correlationId": message.correlation.to_string(),
        "destinationNumber": destination,
        "createdAt": message.created_at.to_string(),
        "sentAt": time(message.sent_at),
        "deliveredAt": time(message.delivered_at),
        "readAt": time(message.read_at),
        "errorCode": failure.map(|failure| &failure.code),
        "errorMessage": failure.map(|failure| &failure.message),
        "origin": message.origin,
        "metaPricing": null,
    })
}
