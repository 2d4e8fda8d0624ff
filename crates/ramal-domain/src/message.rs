//! Messages: direction, status and the id that WhatsApp knows them by.

use std::{fmt, str::FromStr};

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
            | (Sent, Delivered | Read)
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
        let bytes: [u8; 9] = rand::random();
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
}
