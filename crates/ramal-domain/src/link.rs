//! The link of a QR-paired number: is it connected to WhatsApp, and if not, why?
//!
//! ```text
//! Closed ──PairingStarted──▶ Pairing ──Opened──▶ Open ──Lost──▶ Resuming ──Opened──▶ Open
//!   ▲                           │                  │                │
//!   └───────PairingEnded────────┘◀────Revoked──────┴────────────────┘
//! ```

use std::{fmt, str::FromStr};

use crate::EventKind;

/// Why a number is not connected. A closed set: [`CloseReason::code`] is what the API, the
/// webhooks (`errorCode`) and the log call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// It was never paired, or was just restored.
    NotPaired,
    /// Nobody scanned a QR code or typed the pairing code in time.
    CodesExpired,
    /// WhatsApp or the phone refused the pairing.
    PairingRefused,
    /// The phone that scanned is not the one that the number was created for; it was unlinked.
    WrongPhone,
    /// The account asks for a passkey step that was not taken in time.
    PasskeyRequired,
    /// WhatsApp refused the passkey, or the phone its confirmation.
    PasskeyRefused,
    /// The device was unlinked, on the phone or by WhatsApp.
    LoggedOut,
    /// WhatsApp restricted the account for some time.
    Restricted,
    /// WhatsApp banned the account.
    Banned,
    /// WhatsApp no longer accepts the version of the protocol that we speak.
    ClientOutdated,
    /// Another process logged in with the same credentials.
    Replaced,
    /// WhatsApp could not be reached.
    Network,
    /// Meta no longer takes an official number's access token.
    MetaTokenInvalid,
    /// An official number's access token may not do what is needed.
    MetaPermissionMissing,
    /// The owner of an official number disconnected it, or removed the app.
    MetaDisconnected,
    /// An official number is not registered with the Cloud API.
    MetaNotRegistered,
    /// Meta disabled or locked the WhatsApp Business account of an official number.
    MetaAccountDisabled,
}

impl CloseReason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 17] = [
        Self::NotPaired,
        Self::CodesExpired,
        Self::PairingRefused,
        Self::WrongPhone,
        Self::PasskeyRequired,
        Self::PasskeyRefused,
        Self::LoggedOut,
        Self::Restricted,
        Self::Banned,
        Self::ClientOutdated,
        Self::Replaced,
        Self::Network,
        Self::MetaTokenInvalid,
        Self::MetaPermissionMissing,
        Self::MetaDisconnected,
        Self::MetaNotRegistered,
        Self::MetaAccountDisabled,
    ];

    /// The stable code on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotPaired => "NOT_PAIRED",
            Self::CodesExpired => "CODES_EXPIRED",
            Self::PairingRefused => "PAIRING_REFUSED",
            Self::WrongPhone => "WRONG_PHONE",
            Self::PasskeyRequired => "PASSKEY_REQUIRED",
            Self::PasskeyRefused => "PASSKEY_REFUSED",
            Self::LoggedOut => "LOGGED_OUT",
            Self::Restricted => "RESTRICTED_UNTIL",
            Self::Banned => "BANNED",
            Self::ClientOutdated => "CLIENT_OUTDATED",
            Self::Replaced => "REPLACED",
            Self::Network => "NETWORK",
            Self::MetaTokenInvalid => "META_TOKEN_INVALID",
            Self::MetaPermissionMissing => "META_PERMISSION_MISSING",
            Self::MetaDisconnected => "META_DISCONNECTED",
            Self::MetaNotRegistered => "META_NOT_REGISTERED",
            Self::MetaAccountDisabled => "META_ACCOUNT_DISABLED",
        }
    }

    /// What happened and what to do, for the person who reads the webhook.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::NotPaired => "the number has not been paired; call connect and scan the QR code",
            Self::CodesExpired => "nobody scanned the QR code in time; call connect for a new one",
            Self::PairingRefused => {
                "WhatsApp refused the pairing; call connect and let the person try again"
            }
            Self::WrongPhone => {
                "another phone than the expected one was linked, and unlinked again; call connect \
                 and use the right phone"
            }
            Self::PasskeyRequired => {
                "the account asks for a passkey while linking, and that step was not finished in \
                 time; call connect and finish it"
            }
            Self::PasskeyRefused => {
                "WhatsApp refused the passkey; call connect and use the passkey of this account"
            }
            Self::LoggedOut => {
                "the device was unlinked from the account; call connect and scan the QR code again"
            }
            Self::Restricted => {
                "WhatsApp restricted the account for some time; wait, then call connect"
            }
            Self::Banned => {
                "WhatsApp banned the account; the owner must appeal in the WhatsApp app"
            }
            Self::ClientOutdated => {
                "WhatsApp no longer accepts this protocol version; update the server, and the \
                 number connects by itself"
            }
            Self::Replaced => {
                "another process uses the credentials of this number; stop it, then call connect"
            }
            Self::Network => "WhatsApp cannot be reached; the connection is retried automatically",
            Self::MetaTokenInvalid => {
                "Meta no longer accepts the access token: it expired or was revoked; reconnect the \
                 number with a new one"
            }
            Self::MetaPermissionMissing => {
                "the access token may not manage this number; give it both WhatsApp permissions and \
                 the account as an asset, then reconnect"
            }
            Self::MetaDisconnected => {
                "the number was disconnected from the app at Meta, by its owner or because it was deleted \
                 here, or it is gone there; reconnect it with its credentials"
            }
            Self::MetaNotRegistered => {
                "the number is not registered with the Cloud API; reconnect it, with its PIN if it \
                 has one"
            }
            Self::MetaAccountDisabled => {
                "Meta disabled or locked the WhatsApp Business account; the owner must appeal in \
                 Meta's Business Support"
            }
        }
    }

    /// Whether the stored credentials are worthless after this: only a confirmed logout is proof.
    pub const fn forgets_credentials(self) -> bool {
        matches!(self, Self::LoggedOut)
    }
}

impl FromStr for CloseReason {
    type Err = UnknownReason;

    fn from_str(code: &str) -> Result<Self, UnknownReason> {
        Self::ALL.into_iter().find(|reason| reason.code() == code).ok_or(UnknownReason)
    }
}

/// A stored reason code that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown close reason")]
pub struct UnknownReason;

/// The state of a number's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not connected, and nothing is being tried.
    Closed(CloseReason),
    /// A pairing attempt is under way: codes are being shown.
    Pairing,
    /// Paired and connected.
    Open,
    /// Paired, the socket is lost, the connection is being made again.
    Resuming {
        /// Whether the outage has lasted so long that `number.disconnected` was sent.
        reported: bool,
    },
}

/// The three states that the API prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireState {
    /// Ready to send.
    Open,
    /// On its way.
    Connecting,
    /// Not connected.
    Close,
}

impl fmt::Display for WireState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "OPEN",
            Self::Connecting => "CONNECTING",
            Self::Close => "CLOSE",
        })
    }
}

/// What happened to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A fresh pairing attempt begins.
    PairingStarted,
    /// The attempt ended without a pairing.
    PairingEnded(CloseReason),
    /// The device is logged in.
    Opened,
    /// The socket is gone; the credentials are believed good.
    Lost,
    /// The socket has been gone for the whole confirmation window.
    OutageConfirmed,
    /// WhatsApp refused the credentials for good, or another process took over.
    Revoked(CloseReason),
}

/// The outcome of a transition: the next state and what customers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state to store.
    pub next: Link,
    /// The event to write in the same transaction.
    pub announce: Option<EventKind>,
}

/// An input that makes no sense in the present state; nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a link that is {link:?} cannot take {input:?}")]
pub struct InvalidTransition {
    /// The state.
    pub link: Link,
    /// The refused input.
    pub input: Input,
}

impl Link {
    /// The only way a link changes. Pure: whoever calls it stores the next state and writes the
    /// event in one transaction.
    ///
    /// # Errors
    ///
    /// [`InvalidTransition`] when the input belongs to another state, for example a late report of
    /// a session that has been replaced.
    pub const fn on(self, input: Input) -> Result<Step, InvalidTransition> {
        use {Input as I, Link as L};
        let (next, announce) = match (self, input) {
            (L::Closed(_) | L::Pairing | L::Resuming { .. }, I::PairingStarted) => {
                (L::Pairing, None)
            }
            (L::Pairing, I::PairingEnded(reason) | I::Revoked(reason)) => (L::Closed(reason), None),
            (L::Pairing, I::Lost) => (L::Pairing, None),
            (L::Pairing | L::Resuming { reported: true }, I::Opened) => {
                (L::Open, Some(EventKind::NumberConnected))
            }
            (L::Open | L::Resuming { reported: false }, I::Opened) => (L::Open, None),
            (L::Open, I::Lost) => (L::Resuming { reported: false }, None),
            (L::Resuming { reported }, I::Lost) => (L::Resuming { reported }, None),
            (L::Resuming { reported: false }, I::OutageConfirmed) => {
                (L::Resuming { reported: true }, Some(EventKind::NumberDisconnected))
            }
            (L::Resuming { reported: true }, I::OutageConfirmed) => (self, None),
            // After a reported outage this is told a second time, for it is news: the reason is
            // another one, and final. The same reason again is none.
            (L::Resuming { reported: true }, I::Revoked(CloseReason::Network)) => {
                (L::Closed(CloseReason::Network), None)
            }
            (L::Open | L::Resuming { .. }, I::Revoked(reason)) => {
                (L::Closed(reason), Some(EventKind::NumberDisconnected))
            }
            (link, input) => return Err(InvalidTransition { link, input }),
        };
        Ok(Step { next, announce })
    }

    /// What the API prints.
    pub const fn wire(self) -> WireState {
        match self {
            Self::Open => WireState::Open,
            Self::Pairing | Self::Resuming { reported: false } => WireState::Connecting,
            Self::Closed(_) | Self::Resuming { reported: true } => WireState::Close,
        }
    }

    /// Whether a session should be running for a number in this state, after a restart as well. Of a
    /// pairing only the session can tell whether a phone had answered.
    pub const fn resumes(self) -> bool {
        matches!(self, Self::Open | Self::Resuming { .. } | Self::Pairing)
    }

    /// Why the link is not open, if it is not.
    pub const fn reason(self) -> Option<CloseReason> {
        match self {
            Self::Closed(reason) => Some(reason),
            Self::Resuming { .. } => Some(CloseReason::Network),
            Self::Pairing | Self::Open => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_reason() -> impl Strategy<Value = CloseReason> {
        prop::sample::select(CloseReason::ALL.to_vec())
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::PairingStarted),
            any_reason().prop_map(Input::PairingEnded),
            Just(Input::Opened),
            Just(Input::Lost),
            Just(Input::OutageConfirmed),
            any_reason().prop_map(Input::Revoked),
        ]
    }

    fn follow(link: Link, inputs: &[Input]) -> (Link, Vec<EventKind>) {
        inputs.iter().fold((link, Vec::new()), |(link, mut told), &input| match link.on(input) {
            Ok(step) => {
                told.extend(step.announce);
                (step.next, told)
            }
            Err(_refused) => (link, told),
        })
    }

    #[test]
    fn a_flap_is_told_to_nobody() {
        let (link, told) = follow(Link::Open, &[Input::Lost, Input::Opened, Input::Lost]);

        assert_eq!(link, Link::Resuming { reported: false });
        assert_eq!(told, []);
    }

    #[test]
    fn a_confirmed_outage_is_told_once_and_so_is_its_end() {
        use Input::{Lost, Opened, OutageConfirmed};
        let (link, told) =
            follow(Link::Open, &[Lost, OutageConfirmed, OutageConfirmed, Lost, Opened, Opened]);

        assert_eq!(link, Link::Open);
        assert_eq!(told, [EventKind::NumberDisconnected, EventKind::NumberConnected]);
    }

    #[test]
    fn after_a_reported_outage_only_a_new_reason_is_told() {
        use Input::{Lost, OutageConfirmed, Revoked};
        let told_twice = [EventKind::NumberDisconnected, EventKind::NumberDisconnected];
        for reason in CloseReason::ALL {
            let (link, told) = follow(Link::Open, &[Lost, OutageConfirmed, Revoked(reason)]);

            assert_eq!(link, Link::Closed(reason));
            let again = usize::from(reason != CloseReason::Network);
            assert_eq!(told, told_twice[..=again], "{reason:?}");
        }
    }

    #[test]
    fn reason_codes_round_trip() {
        for reason in CloseReason::ALL {
            assert_eq!(reason.code().parse(), Ok(reason));
        }
    }

    proptest! {
        #[test]
        fn only_pairing_leaves_closed(inputs in prop::collection::vec(any_input(), 0..32)) {
            let mut link = Link::Closed(CloseReason::LoggedOut);
            for input in inputs {
                let next = link.on(input).map_or(link, |step| step.next);
                let left = matches!(link, Link::Closed(_)) && !matches!(next, Link::Closed(_));
                prop_assert!(!left || input == Input::PairingStarted, "{input:?} revived it");
                link = next;
            }
        }

        #[test]
        fn what_is_told_matches_what_the_api_prints(
            inputs in prop::collection::vec(any_input(), 0..64)
        ) {
            let mut link = Link::Closed(CloseReason::NotPaired);
            for input in inputs {
                let Ok(step) = link.on(input) else { continue };
                match step.announce {
                    Some(EventKind::NumberConnected) => {
                        prop_assert_eq!(step.next.wire(), WireState::Open);
                        prop_assert_ne!(link.wire(), WireState::Open);
                    }
                    Some(_) => prop_assert_eq!(step.next.wire(), WireState::Close),
                    None => {}
                }
                link = step.next;
            }
        }
    }
}
