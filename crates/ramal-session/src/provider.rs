//! The door to WhatsApp: what a session needs of a client library, and nothing more.
//!
//! `ramal-whatsapp` opens the real one; tests open scripted ones.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use ramal_domain::{CloseReason, NumberId, PhoneNumber, TenantId, Timestamp, WireId};
use ramal_store::Epoch;
use tokio::sync::mpsc;

/// Opens connections to WhatsApp.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// Starts a client for one number and returns at once; what happens next arrives as
    /// [`Signal`]s on `spec.signals`. The client reconnects by itself until
    /// [`Connection::close`] or a final signal.
    ///
    /// In [`Mode::Pair`] any stored session of the number is wiped first.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the client cannot be built; nothing runs then.
    async fn open(&self, spec: OpenSpec) -> Result<Box<dyn Connection>, OpenError>;
}

/// What to connect, and how.
#[derive(Debug)]
pub struct OpenSpec {
    /// The number.
    pub number: NumberId,
    /// Its owner.
    pub tenant: TenantId,
    /// Its phone number: pairing codes are bound to it.
    pub phone: PhoneNumber,
    /// The fencing token for writes of session state.
    pub epoch: Epoch,
    /// Pair anew, or log in with the stored session.
    pub mode: Mode,
    /// Where to report. Bounded; the client waits when it is full.
    pub signals: mpsc::Sender<Signal>,
}

/// How to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Register as a new companion device: show QR codes and ask for a pairing code.
    Pair,
    /// Log in with the stored session.
    Resume,
}

/// A client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no stored session to resume.
    #[error("there is no stored session")]
    NoSession,
    /// The database did not answer in time; waiting helps.
    #[error("the stored session cannot be read at this moment")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The stored session cannot be used, or the client refused its configuration.
    #[error("the client cannot be built")]
    Build(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a client reports. In order, per connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A QR code to show, in place of the one before.
    Qr {
        /// The text inside the picture.
        text: String,
        /// How long WhatsApp accepts it.
        valid_for: Duration,
    },
    /// The pairing code to type on the phone, as `ABCD-1234`.
    PairingCode {
        /// The code.
        code: String,
        /// How long WhatsApp accepts it.
        valid_for: Duration,
    },
    /// WhatsApp gives no pairing code; QR codes go on.
    NoPairingCode {
        /// Why, for the log.
        reason: String,
    },
    /// WhatsApp's server could not be reached once; the client tries again by itself.
    DialFailed {
        /// Whether it was silence rather than a refusal.
        timed_out: bool,
    },
    /// The last QR code ran out.
    CodesExhausted,
    /// The phone accepted us; a login follows.
    Paired(Account),
    /// Logged in and ready to send.
    Opened(Account),
    /// The socket is gone; the client reconnects by itself.
    Lost,
    /// The end: the client has stopped for good.
    Ended(CloseReason),
    /// The other side got or read messages of ours.
    Receipt {
        /// The messages.
        wire_ids: Vec<WireId>,
        /// What happened to them.
        kind: ReceiptKind,
        /// When.
        at: Timestamp,
    },
    /// Proof that WhatsApp answers: something arrived from its server.
    Alive,
}

/// Who we are on WhatsApp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Our device's phone-number JID, such as `5511999999999:3@s.whatsapp.net`.
    pub jid: Option<String>,
    /// Our device's LID.
    pub lid: Option<String>,
    /// The profile (push) name.
    pub profile_name: Option<String>,
}

impl Account {
    /// The phone number that paired: the user part of the JID.
    pub fn phone(&self) -> Option<PhoneNumber> {
        let user = self.jid.as_deref()?.split(['@', ':', '.']).next()?;
        PhoneNumber::from_whatsapp(user).ok()
    }
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptKind {
    /// The recipient's device has it.
    Delivered,
    /// The recipient read or played it.
    Read,
}

/// One running client.
#[async_trait]
pub trait Connection: fmt::Debug + Send + Sync {
    /// Hands a text to WhatsApp under `wire_id` and returns once its server has it.
    ///
    /// Calling again with the same `wire_id` after an error sends at most one message: the server
    /// drops the repeat.
    async fn send_text(
        &self,
        wire_id: &WireId,
        to: &PhoneNumber,
        text: &str,
    ) -> Result<(), SendError>;

    /// Makes one round trip to WhatsApp's server.
    async fn probe(&self) -> Result<(), ProbeError>;

    /// Unlinks this device from the account and waits until WhatsApp confirms it (at most some
    /// seconds). After success the client has stopped. After an error it may go on, so that a
    /// client that is not logged in yet can be asked again.
    async fn logout(&self) -> Result<(), LogoutError>;

    /// Disconnects without unlinking, after pending state is flushed. Idempotent.
    async fn close(&self);
}

/// Why a message did not go out, sorted by what to do next.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not connected, or no answer: wait for the link, then try again with the same wire id.
    #[error("WhatsApp did not take the message")]
    Offline(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The recipient is not on WhatsApp.
    #[error("the recipient is not on WhatsApp")]
    UnknownRecipient,
    /// WhatsApp refused this message for good.
    #[error("WhatsApp refused the message")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// WhatsApp did not answer a probe in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WhatsApp did not answer")]
pub struct ProbeError;

/// The device could not be proven unlinked.
#[derive(Debug, thiserror::Error)]
#[error("WhatsApp did not confirm the unlinking")]
pub struct LogoutError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
