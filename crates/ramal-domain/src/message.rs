//! Messages: direction, status and the id that WhatsApp knows them by.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::{EventKind, NumberId, Peer};

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From WhatsApp to us.
    Inbound,
    /// From us to WhatsApp.
    Outbound,
}

/// How far an outbound message has come. Ordered: a message never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageStatus {
    /// Accepted and stored; WhatsApp does not have it yet.
    Queued,
    /// WhatsApp's server has it.
    Sent,
    /// The recipient's phone has it.
    Delivered,
    /// The recipient has read it (and shares read receipts).
    Read,
    /// Given up; final.
    Failed,
    /// Taken back before it was sent; final.
    Canceled,
}

impl MessageStatus {
    const ALL: [Self; 6] =
        [Self::Queued, Self::Sent, Self::Delivered, Self::Read, Self::Failed, Self::Canceled];

    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Sent => "SENT",
            Self::Delivered => "DELIVERED",
            Self::Read => "READ",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether a message in this status may become `next`: only forward, and nothing leaves a
    /// final status. Steps may be skipped, since receipts overtake each other.
    pub const fn may_become(self, next: Self) -> bool {
        use MessageStatus::{Canceled, Delivered, Failed, Queued, Read, Sent};
        match (self, next) {
            (Queued, Sent | Delivered | Read | Failed | Canceled)
            // Meta refuses some messages only after it has accepted them.
            | (Sent, Delivered | Read | Failed)
            | (Delivered, Read) => true,
            (Queued | Sent | Delivered | Read | Failed | Canceled, _) => false,
        }
    }
}

/// A stored status name that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown message status")]
pub struct UnknownStatus;

impl FromStr for MessageStatus {
    type Err = UnknownStatus;

    fn from_str(name: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(UnknownStatus)
    }
}

/// Where a message is said. Ids are WhatsApp's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In a chat of two.
    #[default]
    Direct,
    /// In a group.
    Group {
        /// Such as `120363000@g.us`.
        id: String,
        /// Its subject, if known.
        name: Option<String>,
    },
    /// On a channel.
    Newsletter {
        /// Such as `120363000@newsletter`.
        id: String,
        /// Its name, if known.
        name: Option<String>,
    },
    /// As a status post, shown to everybody who has its author among the contacts.
    Status,
}

/// Where all status posts are.
const STATUS: &str = "status@broadcast";

impl Place {
    /// Reads a place by its id: the empty one is a chat of two. `None`: none of ours.
    pub fn read(id: &str, name: Option<String>) -> Option<Self> {
        let named = id.to_owned();
        match id.rsplit_once('@') {
            None if id.is_empty() => Some(Self::Direct),
            Some((_, "g.us")) => Some(Self::Group { id: named, name }),
            Some((_, "newsletter")) => Some(Self::Newsletter { id: named, name }),
            Some(_) if id == STATUS => Some(Self::Status),
            Some(_) | None => None,
        }
    }

    /// The id in the database.
    pub fn id(&self) -> &str {
        match self {
            Self::Direct => "",
            Self::Group { id, .. } | Self::Newsletter { id, .. } => id,
            Self::Status => STATUS,
        }
    }

    /// Id and name, of places that customers are told by name.
    pub fn named(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Direct | Self::Status => None,
            Self::Group { id, name } | Self::Newsletter { id, name } => Some((id, name.as_deref())),
        }
    }

    /// What customers are told of a message that came in here. Nothing of status posts: the contract
    /// has no event for them, and as `message.received` they would look like direct messages.
    pub const fn received(&self) -> Option<EventKind> {
        match self {
            Self::Direct => Some(EventKind::MessageReceived),
            Self::Group { .. } => Some(EventKind::MessageGroup),
            Self::Newsletter { .. } => Some(EventKind::MessageNewsletter),
            Self::Status => None,
        }
    }
}

/// The id of a message on WhatsApp's side (the stanza id).
///
/// Chosen and stored before the first try, so that a second try after a crash is the same message
/// to WhatsApp, which drops the repeat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WireId(String);

impl WireId {
    /// Mints an id in WhatsApp Web's own form: `3EB0` and 18 hexadecimal digits
    /// (seen in Baileys' `generateMessageIDV2`, 2026-11).
    pub fn mint() -> Self {
        Self::of(&rand::random())
    }

    /// The id of the one message that `cause` may have, in the same form: whoever answers it a second
    /// time answers with the same message.
    pub fn derived(cause: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(cause).into();
        Self::of(&std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default()))
    }

    fn of(bytes: &[u8; 9]) -> Self {
        Self(format!("3EB0{}", hex::encode_upper(bytes)))
    }

    /// Wraps an id that WhatsApp or the database named.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of everything that a number says with one person, or in one group or channel: derived, so that
/// nothing needs to be kept for it.
pub fn conversation_id(number: NumberId, peer: &Peer, place: &Place) -> String {
    let with = match place.id() {
        "" => peer.to_string(),
        place => place.to_owned(),
    };
    let digest = hex::encode(Sha256::digest(format!("{number}/{with}")));
    format!("conv_{}", digest.get(..26).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_only_moves_forward_and_final_ones_never() {
        for from in MessageStatus::ALL {
            for to in MessageStatus::ALL {
                if from.may_become(to) {
                    assert!(to > from, "{from:?} to {to:?}");
                    assert!(!to.may_become(from), "{to:?} back to {from:?}");
                }
            }
            assert_eq!(from.name().parse(), Ok(from));
        }
    }

    #[test]
    fn wire_ids_look_like_whatsapp_webs() {
        let id = WireId::mint();

        assert!(id.as_str().starts_with("3EB0"));
        assert_eq!(id.as_str().len(), 22);
        assert_ne!(id, WireId::mint());
    }

    #[test]
    fn one_cause_has_one_wire_id() {
        let id = WireId::derived("call 1");

        assert_eq!((id.as_str().len(), &id), (22, &WireId::derived("call 1")));
        assert_ne!(id, WireId::derived("call 2"));
    }

    #[test]
    fn a_conversation_is_with_one_person_or_in_one_place() {
        let (number, other) = (NumberId::mint(), NumberId::mint());
        let person = |digits: &str| Peer::Phone(digits.parse().unwrap());
        let (ana, bia) = (person("5511999990001"), person("5511999990002"));
        let group = Place::read("120363@g.us", None).unwrap();
        let direct = conversation_id(number, &ana, &Place::Direct);

        assert_eq!(direct, conversation_id(number, &ana, &Place::Direct));
        assert_ne!(direct, conversation_id(number, &bia, &Place::Direct));
        assert_ne!(direct, conversation_id(other, &ana, &Place::Direct));
        let ours = conversation_id(number, &ana, &group);
        assert_eq!(ours, conversation_id(number, &bia, &group));
    }

    #[test]
    fn places_are_known_by_their_ids() {
        for id in ["", "120363@g.us", "120363@newsletter", "status@broadcast"] {
            assert_eq!(Place::read(id, None).unwrap().id(), id);
        }
        for id in ["x", "900@lid", "123@broadcast", "g.us"] {
            assert_eq!(Place::read(id, None), None, "{id}");
        }
        assert_eq!(Place::Status.received(), None);
    }
}
