//! Events, as told to customers: names and bodies of contract section E.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::{
    Action, ActionStep, CloseReason, CorrelationId, EventId, Illness, MessageId, NumberId,
    PhoneNumber, Place, TenantId, Timestamp, WebhookId, WireId, WrongPhone,
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
    /// A person must do something before a pairing can go on.
    NumberActionRequired = "number.action_required";
    /// Another phone than the expected one scanned.
    NumberWrongPhone = "number.wrong_phone";
    /// WhatsApp restricted or banned a number.
    NumberHealthBlocked = "number.health_blocked";
    /// A number works badly, or will not for long.
    NumberHealthDegraded = "number.health_degraded";
    /// A number is well again.
    NumberRecovered = "number.recovered";
    /// WhatsApp's server has an outbound message.
    MessageSent = "message.sent";
    /// The recipient's phone has an outbound message.
    MessageDelivered = "message.delivered";
    /// The recipient has read an outbound message.
    MessageRead = "message.read";
    /// An outbound message was given up.
    MessageFailed = "message.failed";
    /// A message came in, from one person to the number.
    MessageReceived = "message.received";
    /// A message came in that answers another one.
    MessageReply = "message.reply";
    /// A message was written in a group that the number is in.
    MessageGroup = "message.group";
    /// A channel that the number follows posted something.
    MessageNewsletter = "message.newsletter";
    /// The author of a message changed what it says.
    MessageEdited = "message.edited";
    /// The author of a message deleted it for everybody.
    MessageDeleted = "message.deleted";
    /// A customer tries a webhook; nothing happened.
    WebhookTest = "webhook.test";
}

impl EventKind {
    /// Whether a webhook may subscribe to it by name. The others come with `*` only (contract E.2),
    /// and a test when it is asked for.
    pub const fn is_selectable(self) -> bool {
        !matches!(
            self,
            Self::NumberActionRequired
                | Self::NumberWrongPhone
                | Self::NumberHealthBlocked
                | Self::NumberHealthDegraded
                | Self::NumberRecovered
                | Self::MessageEdited
                | Self::MessageDeleted
                | Self::WebhookTest
        )
    }

    /// Whether it tells of a message, and so of what somebody said.
    pub const fn is_about_message(self) -> bool {
        matches!(
            self,
            Self::MessageSent
                | Self::MessageDelivered
                | Self::MessageRead
                | Self::MessageFailed
                | Self::MessageReceived
                | Self::MessageReply
                | Self::MessageGroup
                | Self::MessageNewsletter
                | Self::MessageEdited
                | Self::MessageDeleted
        )
    }
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
    /// The message that it tells of.
    pub message: Option<MessageId>,
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
        Self { id: EventId::mint(), tenant, number, message: None, kind, body, at }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    restricted_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_required: Option<ActionData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual_phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

/// What a person must do, as events tell it. The API says it in the same words.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActionData<'a> {
    #[serde(rename = "type")]
    step: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<String>,
    asked_at: String,
    expires_at: String,
}

impl<'a> From<&'a Action> for ActionData<'a> {
    fn from(action: &'a Action) -> Self {
        let data = Self {
            step: action.step.name(),
            public_key: None,
            code: None,
            expected: None,
            actual: None,
            asked_at: action.asked_at.to_string(),
            expires_at: action.expires_at.to_string(),
        };
        match &action.step {
            ActionStep::Passkey(request) => Self { public_key: Some(request.options()), ..data },
            ActionStep::Confirm { code } => Self { code: Some(code), ..data },
            // Whoever reads the event need not know the stranger's number.
            ActionStep::WrongPhone { expected, actual } => {
                Self { expected: Some(expected.masked()), actual: Some(actual.masked()), ..data }
            }
        }
    }
}

impl NumberEvent {
    /// Builds the event of `kind` that happened at `at`.
    pub fn build(&self, kind: EventKind, at: Timestamp) -> Event {
        Event::new(self.tenant, self.number, kind, &self.data(at), at)
    }

    /// Builds the event that tells of an illness.
    pub fn build_ill(&self, illness: &Illness, at: Timestamp) -> Event {
        let data = NumberData {
            error: Some(illness.ailment.explain()),
            error_code: Some(illness.ailment.code()),
            restricted_until: illness.until.map(|until| until.to_string()),
            ..self.data(at)
        };
        Event::new(self.tenant, self.number, illness.ailment.event(), &data, at)
    }

    /// Builds `number.action_required`.
    pub fn build_action(&self, action: &Action, at: Timestamp) -> Event {
        let data = NumberData { action_required: Some(action.into()), ..self.data(at) };
        Event::new(self.tenant, self.number, EventKind::NumberActionRequired, &data, at)
    }

    /// Builds `number.wrong_phone`.
    pub fn build_wrong_phone(&self, wrong: &WrongPhone, at: Timestamp) -> Event {
        let rejected = wrong.outcome.explain();
        let data = NumberData {
            error: rejected,
            error_code: rejected.map(|_| CloseReason::WrongPhone.code()),
            expected_phone: Some(wrong.expected.masked()),
            actual_phone: Some(wrong.actual.masked()),
            policy: Some(wrong.policy.name()),
            outcome: Some(wrong.outcome.name()),
            ..self.data(at)
        };
        Event::new(self.tenant, self.number, EventKind::NumberWrongPhone, &data, at)
    }

    fn data(&self, at: Timestamp) -> NumberData<'_> {
        NumberData {
            number_id: self.number.to_string(),
            phone: self.phone.e164(),
            display_name: &self.display_name,
            created_at: at.to_string(),
            profile_name: self.profile_name.as_deref(),
            error: self.reason.map(CloseReason::explain),
            error_code: self.reason.map(CloseReason::code),
            restricted_until: None,
            action_required: None,
            expected_phone: None,
            actual_phone: None,
            policy: None,
            outcome: None,
        }
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

impl Peer {
    /// Where what is sent to it is said.
    pub fn place(&self) -> Place {
        match self {
            Self::Phone(_) => Place::Direct,
            Self::Jid(jid) => Place::read(jid, None).unwrap_or_default(),
        }
    }
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
    /// Where it was said.
    pub place: Place,
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
    /// The message that this one answers.
    pub quoted: Option<Quoted>,
    /// The media in it.
    pub media: Option<ToldMedia>,
}

/// A message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// WhatsApp's id of it.
    pub wire_id: WireId,
    /// Its text, if it is known here.
    pub content: Option<String>,
}

/// Media, as events tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldMedia {
    /// Where its bytes can be had for a while.
    pub link: Option<String>,
    /// Its media type, such as `image/jpeg`.
    pub mime: Option<String>,
    /// The words below it.
    pub caption: Option<String>,
    /// What a document is called.
    pub file_name: Option<String>,
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
    media_link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_caption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_replied: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newsletter_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newsletter_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    created_at: String,
}

impl MessageEvent {
    /// Builds the event of `kind` that happened at `at`.
    pub fn build(&self, kind: EventKind, at: Timestamp) -> Event {
        // Each name belongs to one event of the contract, and to our own of the same message.
        let again = matches!(kind, EventKind::MessageEdited | EventKind::MessageDeleted);
        let is_group = matches!(self.place, Place::Group { .. });
        let named = |wanted: EventKind, here: bool| {
            let named = self.place.named().filter(|_| kind == wanted || (again && here));
            named.map_or((None, None), |(id, name)| (Some(id), name))
        };
        let (group_id, group_name) = named(EventKind::MessageGroup, is_group);
        let (newsletter_id, newsletter_name) = named(EventKind::MessageNewsletter, !is_group);
        let quoted = self
            .quoted
            .as_ref()
            .filter(|_| kind == EventKind::MessageReply || self.message_type == Some("reaction"));
        let media = self.media.as_ref();
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
            media_link: media.and_then(|media| media.link.as_deref()),
            media_type: media.and_then(|media| media.mime.as_deref()),
            media_caption: media.and_then(|media| media.caption.as_deref()),
            media_filename: media.and_then(|media| media.file_name.as_deref()),
            participant_name: self.participant_name.as_deref(),
            quoted_message_id: quoted.map(|quoted| quoted.wire_id.as_str()),
            content_replied: quoted.and_then(|quoted| quoted.content.as_deref()),
            group_id,
            group_name,
            newsletter_id,
            newsletter_name,
            error: self.failure.as_ref().map(|(sentence, _)| sentence.as_str()),
            error_code: self.failure.as_ref().map(|(_, code)| code.as_str()),
            created_at: at.to_string(),
        };
        let event = Event::new(self.tenant, self.number, kind, &data, at);
        Event { message: Some(self.message), ..event }
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
    fn a_group_message_names_its_group_and_nothing_that_it_does_not_know() {
        let (number, message) = (NumberId::mint(), MessageId::mint());
        let group = Place::Group { id: "120363@g.us".to_owned(), name: Some("Family".to_owned()) };
        let event = MessageEvent {
            tenant: TenantId::mint(),
            number,
            message,
            wire_id: Some(WireId::from_text("3A")),
            from_me: false,
            from: Peer::Jid("900@lid".to_owned()),
            to: Peer::Phone("+5511888888888".parse().unwrap()),
            place: group,
            content: Some("Boa".to_owned()),
            correlation: None,
            participant_name: None,
            failure: None,
            message_type: Some("text"),
            quoted: None,
            media: None,
        };

        let body = event.build(EventKind::MessageGroup, Timestamp::from_millis(0)).body;
        assert_eq!(
            body,
            format!(
                r#"{{"event":"message.group","data":{{"numberId":"{number}","messageId":"3A","id":"{message}","type":"text","fromMe":false,"from":"900@lid","to":"+5511888888888","content":"Boa","groupId":"120363@g.us","groupName":"Family","createdAt":"1970-01-01T00:00:00.000Z"}}}}"#
            )
        );
        let sent = event.build(EventKind::MessageSent, Timestamp::from_millis(0)).body;
        assert!(!sent.contains("group"), "{sent}");
    }

    #[test]
    fn an_action_is_told_with_what_to_sign_and_until_when() {
        let event = NumberEvent {
            tenant: TenantId::mint(),
            number: NumberId::mint(),
            phone: "+5511999999999".parse().unwrap(),
            display_name: "Sales".to_owned(),
            profile_name: None,
            reason: None,
        };
        let request = r#"{"challenge":"Y2hhbGxlbmdl","rpId":"web.whatsapp.com"}"#;
        let action = |step| Action {
            step,
            asked_at: Timestamp::from_secs(0),
            expires_at: Timestamp::from_secs(60),
        };
        let told = |action: &Action| {
            let body = event.build_action(action, Timestamp::from_secs(0)).body;
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["event"], "number.action_required");
            assert_eq!(body["data"]["actionRequired"]["expiresAt"], "1970-01-01T00:01:00.000Z");
            body["data"]["actionRequired"].clone()
        };

        let request = crate::PasskeyRequest::parse(request).unwrap();
        let passkey = told(&action(ActionStep::Passkey(request)));
        assert_eq!(passkey["type"], "PASSKEY");
        assert_eq!(passkey["publicKey"]["rpId"], "web.whatsapp.com");
        let confirm = told(&action(ActionStep::Confirm { code: "ABCD-1234".to_owned() }));
        assert_eq!(
            (&confirm["type"], &confirm["code"]),
            (&"PASSKEY_CONFIRMATION".into(), &"ABCD-1234".into())
        );
    }

    #[test]
    fn a_wrong_phone_is_told_with_both_numbers_masked() {
        let event = NumberEvent {
            tenant: TenantId::mint(),
            number: NumberId::mint(),
            phone: "+5511999990001".parse().unwrap(),
            display_name: "Sales".to_owned(),
            profile_name: None,
            reason: None,
        };
        let told = |policy, outcome| {
            let wrong = WrongPhone {
                expected: event.phone.clone(),
                actual: "+5521888880002".parse().unwrap(),
                policy,
                outcome,
            };
            let body = event.build_wrong_phone(&wrong, Timestamp::from_secs(0)).body;
            assert!(!body.contains("888880002"), "{body}");
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["event"], "number.wrong_phone");
            assert_eq!(body["data"]["expectedPhone"], "+551199****0001");
            assert_eq!(body["data"]["actualPhone"], "+552188****0002");
            body["data"].clone()
        };

        let rejected = told(crate::WrongPhonePolicy::Reject, crate::WrongPhoneOutcome::Rejected);
        assert_eq!(
            (&rejected["policy"], &rejected["outcome"]),
            (&"reject".into(), &"rejected".into())
        );
        assert_eq!(rejected["errorCode"], "WRONG_PHONE");
        let taken = told(crate::WrongPhonePolicy::Adopt, crate::WrongPhoneOutcome::Taken);
        assert_eq!(taken["outcome"], "rejected");
        assert_ne!(taken["error"], rejected["error"]);
        let adopted = told(crate::WrongPhonePolicy::Adopt, crate::WrongPhoneOutcome::Adopted);
        assert_eq!((&adopted["outcome"], adopted.get("error")), (&"adopted".into(), None));
    }

    #[test]
    fn event_names_round_trip() {
        for kind in EventKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert_eq!("number.exploded".parse::<EventKind>(), Err(UnknownEvent));
    }
}
