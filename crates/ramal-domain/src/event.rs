//! Events, as told to customers: names and bodies of contract section E.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::{
    CloseReason, CorrelationId, EventId, MessageId, NumberId, PhoneNumber, TenantId, Timestamp,
    WebhookId, WireId,
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $wire:literal;)*) => {
        /// The name of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind {$($(#[$doc])* $name,)*}

        impl EventKind {
            /// Every kind, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name on the wire and in the database.
            pub const fn name(self) -> &'static str {
                match self {$(Self::$name => $wire,)*}
            }
        }
    };
}

kinds! {
    /// A number was created.
    NumberCreated = "number.created";
    /// A number is connected, after pairing or after a reported outage.
    NumberConnected = "number.connected";
    /// A number is no longer connected, and that is confirmed.
    NumberDisconnected = "number.disconnected";
    /// A number was deleted.
    NumberRemoved = "number.removed";
    /// A deleted number was restored; it is not connected.
    NumberRestored = "number.restored";
    /// WhatsApp's server has an outbound message.
    MessageSent = "message.sent";
    /// The recipient's phone has an outbound message.
    MessageDelivered = "message.delivered";
    /// The recipient has read an outbound message.
    MessageRead = "message.read";
    /// An outbound message was given up.
    MessageFailed = "message.failed";
    /// A message came in.
    MessageReceived = "message.received";
    /// A customer tries a webhook; nothing happened.
    WebhookTest = "webhook.test";
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An event name that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown event name")]
pub struct UnknownEvent;

impl FromStr for EventKind {
    type Err = UnknownEvent;

    fn from_str(name: &str) -> Result<Self, UnknownEvent> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name).ok_or(UnknownEvent)
    }
}

/// A fact about a number or a message. Its body is built once and never rebuilt at delivery.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id; receivers see it as `webhook-id`.
    pub id: EventId,
    /// Whose number it is about.
    pub tenant: TenantId,
    /// The number.
    pub number: NumberId,
    /// Its name.
    pub kind: EventKind,
    /// The JSON body, `{"event": …, "data": …}`.
    pub body: String,
    /// When it happened.
    pub at: Timestamp,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    event: &'a str,
    data: &'a T,
}

impl Event {
    fn new<T: Serialize>(
        tenant: TenantId,
        number: NumberId,
        kind: EventKind,
        data: &T,
        at: Timestamp,
    ) -> Self {
        // Only maps with non-string keys or failing serializers can fail here; ours have neither.
        let body =
            serde_json::to_string(&Envelope { event: kind.name(), data }).unwrap_or_default();
        Self { id: EventId::mint(), tenant, number, kind, body, at }
    }
}

/// What a `number.*` event says.
#[derive(Clone, Debug)]
pub struct NumberEvent {
    /// The owner.
    pub tenant: TenantId,
    /// The number.
    pub number: NumberId,
    /// Its phone number.
    pub phone: PhoneNumber,
    /// Its display name.
    pub display_name: String,
    /// The WhatsApp profile name, once known.
    pub profile_name: Option<String>,
    /// Why it is disconnected, for `number.disconnected`.
    pub reason: Option<CloseReason>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NumberData<'a> {
    number_id: String,
    phone: String,
    display_name: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
}

impl NumberEvent {
    /// Builds the event of `kind` that happened at `at`.
    pub fn build(&self, kind: EventKind, at: Timestamp) -> Event {
        let data = NumberData {
            number_id: self.number.to_string(),
            phone: self.phone.e164(),
            display_name: &self.display_name,
            created_at: at.to_string(),
            profile_name: self.profile_name.as_deref(),
            error: self.reason.map(CloseReason::explain),
            error_code: self.reason.map(CloseReason::code),
        };
        Event::new(self.tenant, self.number, kind, &data, at)
    }
}

/// What `webhook.test` says: an event that reports nothing, for customers who try their receiver.
#[derive(Clone, Debug)]
pub struct WebhookTest {
    /// The owner.
    pub tenant: TenantId,
    /// The webhook's number.
    pub number: NumberId,
    /// The webhook.
    pub webhook: WebhookId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TestData {
    webhook_id: String,
    number_id: String,
    created_at: String,
}

impl WebhookTest {
    /// Builds the event.
    pub fn build(&self, at: Timestamp) -> Event {
        let kind = EventKind::WebhookTest;
        let data = TestData {
            webhook_id: self.webhook.to_string(),
            number_id: self.number.to_string(),
            created_at: at.to_string(),
        };
        Event::new(self.tenant, self.number, kind, &data, at)
    }
}

/// The other side of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A phone number.
    Phone(PhoneNumber),
    /// A WhatsApp id whose phone number is not known: a LID, a group, a newsletter.
    Jid(String),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(phone) => f.write_str(&phone.e164()),
            Self::Jid(jid) => f.write_str(jid),
        }
    }
}

/// What a `message.*` event says.
#[derive(Clone, Debug)]
pub struct MessageEvent {
    /// The owner.
    pub tenant: TenantId,
    /// The number that sent or received it.
    pub number: NumberId,
    /// Our id of the message.
    pub message: MessageId,
    /// WhatsApp's id, once there is one.
    pub wire_id: Option<WireId>,
    /// Whether the number sent it.
    pub from_me: bool,
    /// The sender.
    pub from: Peer,
    /// The recipient.
    pub to: Peer,
    /// The text.
    pub content: Option<String>,
    /// Ties it to the request that sent it.
    pub correlation: Option<CorrelationId>,
    /// The sender's WhatsApp name, for inbound messages.
    pub participant_name: Option<String>,
    /// Why it failed (sentence and stable code), for `message.failed`.
    pub failure: Option<(String, String)>,
    /// `type` of contract E.3, such as `text`; left out when the kind is unknown.
    pub message_type: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageData<'a> {
    number_id: String,
    message_id: Option<&'a str>,
    id: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    message_type: Option<&'static str>,
    from_me: bool,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    created_at: String,
}

impl MessageEvent {
    /// Builds the event of `kind` that happened at `at`.
    pub fn build(&self, kind: EventKind, at: Timestamp) -> Event {
        let data = MessageData {
            number_id: self.number.to_string(),
            message_id: self.wire_id.as_ref().map(WireId::as_str),
            id: self.message.to_string(),
            message_type: self.message_type,
            from_me: self.from_me,
            from: self.from.to_string(),
            to: self.to.to_string(),
            content: self.content.as_deref(),
            correlation_id: self.correlation.map(|id| id.to_string()),
            participant_name: self.participant_name.as_deref(),
            error: self.failure.as_ref().map(|(sentence, _)| sentence.as_str()),
            error_code: self.failure.as_ref().map(|(_, code)| code.as_str()),
            created_at: at.to_string(),
        };
        Event::new(self.tenant, self.number, kind, &data, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_event_leaves_out_what_it_does_not_know() {
        let number = NumberId::mint();
        let event = NumberEvent {
            tenant: TenantId::mint(),
            number,
            phone: "+5511999999999".parse().unwrap(),
            display_name: "My \"WhatsApp\"".to_owned(),
            profile_name: None,
            reason: None,
        }
        .build(EventKind::NumberCreated, Timestamp::from_millis(0));

        assert_eq!(
            event.body,
            format!(
                r#"{{"event":"number.created","data":{{"numberId":"{number}","phone":"+5511999999999","displayName":"My \"WhatsApp\"","createdAt":"1970-01-01T00:00:00.000Z"}}}}"#
            )
        );
    }

    #[test]
    fn event_names_round_trip() {
        for kind in EventKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert_eq!("number.exploded".parse::<EventKind>(), Err(UnknownEvent));
    }
}
