//! What is wrong with a number beyond its not being connected: restrictions, bans, an outdated client,
//! a connection that keeps breaking.
//!
//! The link says how things are at this moment; health remembers what happened until the number has
//! been open for a while. Its changes are told to webhooks that subscribe to everything.

use std::{str::FromStr, time::Duration};

use crate::{CloseReason, EventKind, Timestamp};

/// More losses than this are never remembered.
const LOSSES_KEPT: usize = 16;

/// What is wrong. A closed set: [`Ailment::code`] is what the API and the webhooks call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ailment {
    /// WhatsApp restricted the account for some time.
    Restricted,
    /// WhatsApp banned the account.
    Banned,
    /// WhatsApp no longer accepts the version of the protocol that we speak.
    ClientOutdated,
    /// The connection was lost too often in a short time.
    Unstable,
    /// Meta no longer takes an official number's access token.
    MetaTokenInvalid,
    /// An official number's access token may not do what is needed.
    MetaPermissionMissing,
    /// The owner of an official number disconnected it, or removed the app.
    MetaDisconnected,
    /// An official number is not registered with the Cloud API.
    MetaNotRegistered,
    /// Meta disabled or locked the account of an official number.
    MetaAccountDisabled,
    /// Meta restricts what an official number may send.
    MetaRestricted,
    /// Meta rates the quality of an official number as low.
    MetaQualityLow,
    /// Meta cannot reach our callback, so what is sent to an official number does not arrive.
    MetaCallbackUnreachable,
}

impl Ailment {
    /// Every ailment, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::Restricted,
        Self::Banned,
        Self::ClientOutdated,
        Self::Unstable,
        Self::MetaTokenInvalid,
        Self::MetaPermissionMissing,
        Self::MetaDisconnected,
        Self::MetaNotRegistered,
        Self::MetaAccountDisabled,
        Self::MetaRestricted,
        Self::MetaQualityLow,
        Self::MetaCallbackUnreachable,
    ];

    /// The ailment that a close reason tells of, if it does.
    pub const fn of(reason: CloseReason) -> Option<Self> {
        match reason {
            CloseReason::Restricted => Some(Self::Restricted),
            CloseReason::Banned => Some(Self::Banned),
            CloseReason::ClientOutdated => Some(Self::ClientOutdated),
            CloseReason::MetaTokenInvalid => Some(Self::MetaTokenInvalid),
            CloseReason::MetaPermissionMissing => Some(Self::MetaPermissionMissing),
            CloseReason::MetaDisconnected => Some(Self::MetaDisconnected),
            CloseReason::MetaNotRegistered => Some(Self::MetaNotRegistered),
            CloseReason::MetaAccountDisabled => Some(Self::MetaAccountDisabled),
            CloseReason::NotPaired
            | CloseReason::CodesExpired
            | CloseReason::PairingRefused
            | CloseReason::WrongPhone
            | CloseReason::PasskeyRequired
            | CloseReason::PasskeyRefused
            | CloseReason::LoggedOut
            | CloseReason::Replaced
            | CloseReason::Network => None,
        }
    }

    const fn reason(self) -> Option<CloseReason> {
        match self {
            Self::Restricted => Some(CloseReason::Restricted),
            Self::Banned => Some(CloseReason::Banned),
            Self::ClientOutdated => Some(CloseReason::ClientOutdated),
            Self::MetaTokenInvalid => Some(CloseReason::MetaTokenInvalid),
            Self::MetaPermissionMissing => Some(CloseReason::MetaPermissionMissing),
            Self::MetaDisconnected => Some(CloseReason::MetaDisconnected),
            Self::MetaNotRegistered => Some(CloseReason::MetaNotRegistered),
            Self::MetaAccountDisabled => Some(CloseReason::MetaAccountDisabled),
            Self::Unstable
            | Self::MetaRestricted
            | Self::MetaQualityLow
            | Self::MetaCallbackUnreachable => None,
        }
    }

    /// The stable code on the wire and in the database: that of the close reason, where there is one.
    pub const fn code(self) -> &'static str {
        match (self.reason(), self) {
            (Some(reason), _) => reason.code(),
            (None, Self::MetaRestricted) => "META_RESTRICTED",
            (None, Self::MetaQualityLow) => "META_QUALITY_LOW",
            (None, Self::MetaCallbackUnreachable) => "META_CALLBACK_UNREACHABLE",
            (None, _) => "UNSTABLE",
        }
    }

    /// What happened and what to do.
    pub const fn explain(self) -> &'static str {
        match (self.reason(), self) {
            (Some(reason), _) => reason.explain(),
            (None, Self::MetaRestricted) => {
                "Meta restricts what the number may send for some time; see the account in Meta's \
                 WhatsApp Manager"
            }
            (None, Self::MetaQualityLow) => {
                "Meta rates the number's quality as low: people block or report it; send less, and \
                 only what they asked for"
            }
            (None, Self::MetaCallbackUnreachable) => {
                "Meta cannot reach this server's callback, so messages to the number do not arrive; \
                 make server.public_url reachable from the Internet over https"
            }
            (None, _) => {
                "the connection to WhatsApp was lost several times in a short while; check the \
                 network between this server and WhatsApp"
            }
        }
    }

    /// The event that tells of it.
    pub const fn event(self) -> EventKind {
        match self {
            Self::Restricted
            | Self::Banned
            | Self::MetaTokenInvalid
            | Self::MetaPermissionMissing
            | Self::MetaDisconnected
            | Self::MetaNotRegistered
            | Self::MetaAccountDisabled => EventKind::NumberHealthBlocked,
            Self::ClientOutdated
            | Self::Unstable
            | Self::MetaRestricted
            | Self::MetaQualityLow
            | Self::MetaCallbackUnreachable => EventKind::NumberHealthDegraded,
        }
    }
}

impl FromStr for Ailment {
    type Err = UnknownAilment;

    fn from_str(code: &str) -> Result<Self, UnknownAilment> {
        Self::ALL.into_iter().find(|ailment| ailment.code() == code).ok_or(UnknownAilment)
    }
}

/// A stored health code that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown health code")]
pub struct UnknownAilment;

/// An ailment, since when, and until when if WhatsApp said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illness {
    /// What is wrong.
    pub ailment: Ailment,
    /// Since when.
    pub since: Timestamp,
    /// Until when a restriction lasts.
    pub until: Option<Timestamp>,
}

impl Illness {
    /// Whether this is news to whoever knows `before`: another ailment, or a new restriction after
    /// an old one was over. A connection that keeps breaking is no news where something worse is
    /// known.
    pub fn is_news_after(&self, before: Option<&Self>) -> bool {
        let Some(before) = before else { return true };
        if self.ailment == before.ailment {
            before.until.is_some_and(|until| until <= self.since)
        } else {
            self.ailment != Ailment::Unstable
        }
    }
}

/// When the connection was last lost, oldest first. Survives restarts as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(Vec<Timestamp>);

impl Losses {
    /// Adds one.
    pub fn note(&mut self, at: Timestamp) {
        self.0.push(at);
        let spare = self.0.len().saturating_sub(LOSSES_KEPT);
        self.0.drain(..spare);
    }

    /// How many there were within `window` before `now`.
    pub fn within(&self, window: Duration, now: Timestamp) -> usize {
        let from = now.before(window);
        self.0.iter().filter(|at| **at > from).count()
    }
}

impl std::fmt::Display for Losses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, at) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", at.as_millis())?;
        }
        Ok(())
    }
}

impl FromStr for Losses {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let times = text.split(',').filter(|part| !part.is_empty());
        times
            .map(|part| part.parse().map(Timestamp::from_millis))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn ill(ailment: Ailment, since: i64, until: Option<i64>) -> Illness {
        Illness { ailment, since: at(since), until: until.map(at) }
    }

    #[test]
    fn codes_round_trip_and_are_those_of_the_close_reasons() {
        for ailment in Ailment::ALL {
            assert_eq!(ailment.code().parse(), Ok(ailment));
        }
        for reason in CloseReason::ALL {
            if let Some(ailment) = Ailment::of(reason) {
                assert_eq!(ailment.code(), reason.code());
            }
        }
    }

    #[test]
    fn the_same_ailment_is_told_once_and_a_new_restriction_again() {
        let first = ill(Ailment::Restricted, 0, Some(60));
        assert!(first.is_news_after(None));
        assert!(!ill(Ailment::Restricted, 30, Some(60)).is_news_after(Some(&first)));
        assert!(ill(Ailment::Restricted, 60, Some(90)).is_news_after(Some(&first)));
        assert!(ill(Ailment::Banned, 30, None).is_news_after(Some(&first)));
        assert!(!ill(Ailment::Unstable, 30, None).is_news_after(Some(&first)));
    }

    #[test]
    fn losses_are_counted_within_their_window_and_bounded() {
        let mut losses = Losses::default();
        for secs in [0, 10, 20] {
            losses.note(at(secs));
        }
        assert_eq!(losses.within(Duration::from_secs(15), at(20)), 2);
        assert_eq!(losses.within(Duration::from_secs(20), at(20)), 2, "the first has just left it");
        assert_eq!(losses.to_string().parse(), Ok(losses.clone()));
        assert_eq!("".parse(), Ok(Losses::default()));
        for secs in 0..100 {
            losses.note(at(secs));
        }
        assert_eq!(losses.within(Duration::from_secs(1_000), at(100)), LOSSES_KEPT);
    }
}
