//! What Meta reports: that it was Meta, and what happened.
//!
//! Meta sends batches, repeats them for a week, keeps no order, and adds fields and kinds as it likes. So
//! an item that is not understood is [`News::Other`], and never spoils the ones beside it.

mod account;
mod message;
mod parse;

use ramal_domain::{MediaKind, MessageStatus, Timestamp, person_words, place_words};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

pub use self::parse::{NotAWebhook, parse};
use crate::graph::hmac;

/// The header that Meta signs with.
pub const SIGNATURE: &str = "x-hub-signature-256";

/// Whether `header` (`sha256=` and 64 hexadecimal digits) signs `raw` with an app's secret. `raw` is the
/// body as it came: the same JSON written differently has another signature. Nothing is signed with no
/// secret: anybody could.
pub fn is_signed(raw: &[u8], header: Option<&str>, secret: &SecretString) -> bool {
    let claimed = header
        .and_then(|header| header.trim().strip_prefix("sha256="))
        .and_then(|digits| hex::decode(digits).ok());
    let has_secret = !secret.expose_secret().is_empty();
    has_secret && claimed.is_some_and(|claimed| hmac(secret, raw).ct_eq(claimed.as_slice()).into())
}

/// One thing that Meta reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The WhatsApp Business Account.
    pub waba: Option<String>,
    /// The number's id (`metadata.phone_number_id`).
    pub phone: Option<String>,
    /// The number's digits.
    pub display_phone: Option<String>,
    /// The same for the same thing, however often it is reported.
    pub key: String,
    /// When it happened; 1970 if Meta does not say.
    pub at: Timestamp,
    /// What happened.
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Somebody wrote.
    Message(Incoming),
    /// The number's owner wrote from the WhatsApp Business app; [`Incoming::from`] is whom to.
    Echo(Incoming),
    /// A message from before the number came to the Cloud API.
    Past(PastItem),
    /// The owner does not share the messages from before.
    HistoryDeclined,
    /// How far a message of ours has come.
    Status(DeliveryStatus),
    /// The account.
    Account(AccountNews),
    /// How many people may be written to, and how well.
    Quality {
        /// `ONBOARDING`, `THROUGHPUT_UPGRADE`, `FLAGGED`, `UNFLAGGED`, `UPGRADE`, `DOWNGRADE` …
        event: String,
        /// The limit now: `TIER_…`.
        limit: Option<String>,
        /// The limit before.
        old_limit: Option<String>,
    },
    /// The review of a number's name.
    Name {
        /// `APPROVED`, `DEFERRED`, `PENDING`, `REJECTED`.
        decision: String,
        /// The name that was asked for.
        name: Option<String>,
        /// Why it was rejected.
        reason: Option<String>,
    },
    /// Meta wants somebody to look.
    Alert {
        /// `CRITICAL`, `WARNING`, `INFORMATIONAL`.
        severity: String,
        /// What about: `OBA_REJECTED`, `PROFILE_PICTURE_LOST` …
        kind: String,
        /// In words.
        description: Option<String>,
    },
    /// The review of the account.
    Review {
        /// `APPROVED`, `REJECTED`, `PENDING` …
        decision: String,
    },
    /// A contact of the WhatsApp Business app.
    Contact(ContactChange),
    /// Something that is not understood, or that nobody here needs.
    Other {
        /// The field of the webhook.
        field: String,
    },
}

/// A message that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// What WhatsApp knows it by.
    pub wamid: String,
    /// The digits of the other side: who wrote, or whom the owner wrote to. Users may hide them.
    pub from: Option<String>,
    /// What the business knows the other side by (BSUID).
    pub user_id: Option<String>,
    /// The other side's name, as it calls itself.
    pub name: Option<String>,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub kind: IncomingKind,
    /// The message that it answers.
    pub quoted: Option<String>,
    /// The group that it was written in.
    pub group_id: Option<String>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum IncomingKind {
    /// A text.
    Text {
        /// The text.
        body: String,
    },
    /// A file.
    Media {
        /// What it is.
        kind: MediaKind,
        /// What Meta knows it by, for seven days.
        id: String,
        /// Its media type.
        mime: Option<String>,
        /// Its digest.
        sha256: Option<String>,
        /// The words below it.
        caption: Option<String>,
        /// What a document is called.
        file_name: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// What it is called.
        name: Option<String>,
        /// Its address.
        address: Option<String>,
    },
    /// People.
    Contacts(Vec<ContactCard>),
    /// A reaction.
    Reaction {
        /// The emoji; `None` takes it back.
        emoji: Option<String>,
        /// The message that it is put on.
        message_id: String,
    },
    /// A press on a template's button.
    Button {
        /// What the button says.
        text: String,
        /// What it is known by.
        payload: Option<String>,
    },
    /// A press on a button, or a row chosen from a menu.
    Reply {
        /// What it is known by.
        id: String,
        /// What it says.
        title: String,
        /// More words.
        description: Option<String>,
    },
    /// An order from a catalogue.
    Order,
    /// WhatsApp itself, such as: this user has another phone number now.
    System {
        /// In words.
        body: Option<String>,
        /// The user's new digits.
        new_wa_id: Option<String>,
    },
    /// An earlier message says something else now.
    Edited {
        /// That message.
        original: String,
        /// What it says now.
        text: Option<String>,
    },
    /// An earlier message was taken back.
    Revoked {
        /// That message.
        original: String,
    },
    /// Something that Meta does not pass on, or that is not known here.
    Unsupported {
        /// What is known of it.
        reason: String,
    },
}

/// One of the people in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactCard {
    /// The name.
    pub name: String,
    /// The phone numbers, as they are written.
    pub phones: Vec<String>,
}

impl IncomingKind {
    /// The `type` of contract E.3; `None` for what has none there.
    pub const fn event_type(&self) -> Option<&'static str> {
        match self {
            Self::Text { .. } | Self::Button { .. } | Self::Reply { .. } => Some("text"),
            Self::Media { kind, .. } => Some(kind.event_type()),
            Self::Location { .. } => Some("location"),
            Self::Contacts(_) => Some("contacts"),
            Self::Reaction { .. } => Some("reaction"),
            Self::Order
            | Self::System { .. }
            | Self::Edited { .. }
            | Self::Revoked { .. }
            | Self::Unsupported { .. } => None,
        }
    }

    /// What it says in words.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Text { body } => Some(body.clone()),
            Self::Media { caption, .. } => caption.clone(),
            Self::Location { latitude, longitude, name, address } => {
                let name = name.as_deref().or(address.as_deref());
                Some(place_words(name, *latitude, *longitude))
            }
            Self::Contacts(cards) => {
                let people = cards.iter().map(|card| person_words(Some(&card.name), &card.phones));
                let people: Vec<_> = people.filter(|words| !words.is_empty()).collect();
                Some(people.join(", ")).filter(|people| !people.is_empty())
            }
            Self::Reaction { emoji, .. } => emoji.clone(),
            Self::Button { text, .. } => Some(text.clone()),
            Self::Reply { title, .. } => Some(title.clone()),
            Self::System { body, .. } => body.clone(),
            Self::Edited { text, .. } => text.clone(),
            Self::Order | Self::Revoked { .. } | Self::Unsupported { .. } => None,
        }
    }
}

/// A message from before the number came to the Cloud API.
#[derive(Clone, Debug, PartialEq)]
pub struct PastItem {
    /// The message; [`Incoming::from`] is the other side, whoever wrote.
    pub incoming: Incoming,
    /// Whether the owner wrote it.
    pub from_me: bool,
    /// How far it had come: `SENT`, `DELIVERED`, `READ`, `PLAYED`, `PENDING`, `ERROR`.
    pub status: Option<String>,
}

/// How far a message of ours has come.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryStatus {
    /// The message.
    pub wamid: String,
    /// `Sent`, `Delivered`, `Read` (or played) or `Failed`.
    pub status: MessageStatus,
    /// Since when.
    pub at: Timestamp,
    /// The recipient's digits.
    pub recipient: Option<String>,
    /// What the business knows the recipient by (BSUID).
    pub recipient_user_id: Option<String>,
    /// What the message was sent with (`biz_opaque_callback_data`).
    pub tag: Option<String>,
    /// What Meta charges for it, with the conversation that it is part of, as `conversation`, where Meta
    /// still counts by those.
    pub pricing: Option<Value>,
    /// Why it failed.
    pub error: Option<StatusError>,
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusError {
    /// Meta's code.
    pub code: i64,
    /// In words.
    pub title: Option<String>,
    /// In more words.
    pub details: Option<String>,
}

/// A contact of the WhatsApp Business app was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactChange {
    /// The digits.
    pub phone: String,
    /// The name.
    pub name: Option<String>,
    /// Whether it was removed.
    pub removed: bool,
}

/// What happened to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountNews {
    /// We may no longer use it.
    Removed {
        /// Why, as far as Meta says; the event's name otherwise.
        reason: String,
    },
    /// We may use it.
    Added,
    /// A number that the WhatsApp Business app has as well is back.
    Reconnected,
    /// It may do less.
    Restricted {
        /// What it may not do.
        restrictions: Vec<Restriction>,
    },
    /// It broke a rule.
    Violation {
        /// Which.
        kind: String,
    },
    /// It is banned, or will be.
    Banned {
        /// `DISABLE` or `SCHEDULE_FOR_DISABLE`.
        state: String,
        /// When, as Meta writes it.
        date: Option<String>,
    },
    /// It is no longer banned.
    Reinstated,
    /// Something else.
    Other {
        /// The event.
        event: String,
    },
}

/// Something that an account may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// `RESTRICTED_BIZ_INITIATED_MESSAGING` …
    pub kind: String,
    /// Until when.
    pub until: Option<Timestamp>,
}
