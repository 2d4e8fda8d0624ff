//! The door to WhatsApp: what a session needs of a client library, and nothing more.
//!
//! `ramal-whatsapp` opens the real one; tests open scripted ones.

use std::{fmt, fs::File, time::Duration};

use async_trait::async_trait;
use ramal_domain::{Assertion, CloseReason, NumberId, PasskeyRequest, Peer, PhoneNumber, TenantId};
use ramal_store::{Epoch, Identity, QueuedMessage, RemoteMedia};
use serde::{Deserialize, Deserializer};
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

    /// Fetches media that came in, and decrypts them: into a file that is gone when it is dropped. No
    /// session is needed for it.
    ///
    /// By default, for providers without media, there are none.
    async fn open_media(&self, remote: &RemoteMedia) -> Result<File, MediaError> {
        let _ = remote;
        Err(MediaError::Gone("this provider has no media".into()))
    }
}

/// Why media cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// WhatsApp does not have them any more, or what we know of them is not enough.
    #[error("WhatsApp does not have the media any more")]
    Gone(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// They have more bytes than this server takes.
    #[error("the media have more than {0} bytes")]
    TooLarge(u64),
    /// WhatsApp's media servers do not answer, or what they have is not what was sent.
    #[error("WhatsApp's media servers did not give the media")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
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
    /// How to behave from the start.
    pub behaviour: Behaviour,
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
    /// WhatsApp wants a passkey before it goes on with the pairing. Codes are of no use from here on.
    PasskeyAsked(PasskeyRequest),
    /// It has accepted the passkey; the phone is next.
    PasskeyTaken,
    /// The phone shows this code, as `ABCD-1234`: a person must say that it does.
    PasskeyCode(String),
    /// The phone accepted us; a login follows.
    Paired(Account),
    /// Logged in and ready to send.
    Opened(Account),
    /// The socket is gone; the client reconnects by itself.
    Lost,
    /// WhatsApp says for how long it restricts the account; the end follows.
    Restricted {
        /// For how long from now.
        lasts: Duration,
    },
    /// The end: the client has stopped for good.
    Ended(CloseReason),
    /// Somebody calls; the client lets it ring.
    Called(Call),
    /// Proof that WhatsApp answers: something arrived from its server.
    Alive,
}

/// A call that rings. Ids are WhatsApp's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The call's id.
    pub id: String,
    /// Who signals it: a device's JID.
    pub peer: String,
    /// Who began it: a device's JID.
    pub creator: String,
    /// The caller's phone number, where the call names it.
    pub phone: Option<PhoneNumber>,
    /// Whether a group is called.
    pub group: bool,
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

    /// What must be remembered of an account that may not stay.
    pub(crate) fn device_only(self) -> Self {
        Self { jid: self.jid, ..Self::default() }
    }
}

impl From<Account> for Identity {
    fn from(account: Account) -> Self {
        Self { jid: account.jid, lid: account.lid, profile_name: account.profile_name }
    }
}

/// One running client.
#[async_trait]
pub trait Connection: fmt::Debug + Send + Sync {
    /// Gets ready what takes long, ahead of the message's turn: media are fetched, encrypted and
    /// uploaded. The next [`Connection::send`] of the message uses what is ready.
    ///
    /// By default, for clients that send texts only, this does nothing.
    async fn prepare(&self, message: &QueuedMessage) -> Result<(), SendError> {
        let _ = message;
        Ok(())
    }

    /// Hands a message to WhatsApp under its wire id and returns once WhatsApp's server has it. Media
    /// that are not ready are got ready before.
    ///
    /// Calling again with the same wire id after an error sends at most one message: the server drops
    /// the repeat.
    async fn send(&self, message: &QueuedMessage) -> Result<(), SendError>;

    /// The groups that the number is in.
    ///
    /// By default, for clients that cannot ask, this fails.
    async fn groups(&self) -> Result<Vec<Crowd>, LookupError> {
        Err(LookupError("this client cannot ask".into()))
    }

    /// The channels that the number follows or owns.
    ///
    /// By default, for clients that cannot ask, this fails.
    async fn newsletters(&self) -> Result<Vec<Crowd>, LookupError> {
        Err(LookupError("this client cannot ask".into()))
    }

    /// Shows `to` that something is being written, or not any more.
    ///
    /// By default, for clients that show nothing of themselves, this fails.
    async fn show_typing(&self, to: &Peer, typing: bool) -> Result<(), LookupError> {
        let _ = (to, typing);
        Err(LookupError("this client cannot show it".into()))
    }

    /// Asks WhatsApp which of `phones` it knows; the answers are in their order, and name the number
    /// as WhatsApp has it.
    ///
    /// By default, for clients that cannot ask, this fails.
    async fn lookup(&self, phones: &[PhoneNumber]) -> Result<Vec<Option<Registered>>, LookupError> {
        let _ = phones;
        Err(LookupError("this client cannot ask".into()))
    }

    /// Behaves so from now on.
    ///
    /// By default, for clients that show nothing of themselves, this does nothing.
    async fn behave(&self, behaviour: Behaviour) -> Result<(), BehaveError> {
        let _ = behaviour;
        Ok(())
    }

    /// Rejects a call that rings. Returns the caller's phone number, if it is known.
    ///
    /// By default, for clients that hear no calls, this fails.
    async fn reject_call(&self, call: &Call) -> Result<Option<PhoneNumber>, RejectError> {
        let _ = call;
        Err(RejectError("this client cannot reject calls".into()))
    }

    /// Answers [`Signal::PasskeyAsked`], and returns once WhatsApp has accepted the answer. A refusal
    /// is also the end of the client.
    ///
    /// By default, for clients that are never asked, this fails.
    async fn answer_passkey(&self, assertion: &Assertion) -> Result<(), PasskeyError> {
        let _ = assertion;
        Err(PasskeyError::NotAsked)
    }

    /// Answers [`Signal::PasskeyCode`]: the phone shows the same code. A refusal is also the end of
    /// the client.
    ///
    /// By default, for clients that are never asked, this fails.
    async fn confirm_passkey(&self) -> Result<(), PasskeyError> {
        Err(PasskeyError::NotAsked)
    }

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
    /// The client is not logged in: nothing was tried.
    #[error("the client is not connected")]
    NotConnected,
    /// It did not get as far as WhatsApp, or WhatsApp cannot take it now: try again later.
    #[error("WhatsApp did not take the message")]
    Offline(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its media cannot be had at the moment: their address does not answer.
    #[error("the address of its media does not answer")]
    NoMedia(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It left, and no answer came: WhatsApp may have it. Try again with the same wire id.
    #[error("WhatsApp did not say whether it has the message")]
    Unconfirmed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The recipient is not on WhatsApp.
    #[error("the recipient is not on WhatsApp")]
    UnknownRecipient,
    /// WhatsApp refused this message for good.
    #[error("WhatsApp refused the message")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its media cannot be had, or are none that WhatsApp takes, and waiting does not help.
    #[error("the media cannot be sent: {0}")]
    Media(String),
}

/// A group or a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// Its JID, such as `120363000@g.us` or `120363000@newsletter`.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// How many are in it, if that is known.
    pub size: Option<u64>,
    /// Whether the number may write to it.
    pub writable: bool,
}

/// Why a step of the passkey gate was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// Nothing is asked for, or it was answered already.
    #[error("WhatsApp asks for no passkey")]
    NotAsked,
    /// WhatsApp refused it.
    #[error("WhatsApp refused the passkey")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// WhatsApp did not answer, or there is no connection.
    #[error("WhatsApp did not answer to the passkey")]
    Silent(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A phone number that is on WhatsApp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The number as WhatsApp has it.
    pub phone: PhoneNumber,
    /// The verified name of a business.
    pub name: Option<String>,
}

/// WhatsApp could not be asked, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("WhatsApp did not answer which numbers it knows")]
pub struct LookupError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What a number's settings ask of its client. The names are those of contract C.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches that the contract names")]
pub struct Behaviour {
    /// Appear online (`true`) or offline (`false`) while connected; `None` leaves it to the client.
    pub always_online: Option<bool>,
    /// Mark messages as read as they come in.
    #[serde(deserialize_with = "switch")]
    pub read_messages: bool,
    /// Drop what is said in groups.
    #[serde(deserialize_with = "switch")]
    pub ignore_groups: bool,
    /// Drop status posts.
    #[serde(deserialize_with = "switch")]
    pub ignore_status: bool,
    /// Drop what channels post.
    pub ignore_newsletters: bool,
    /// Store the history that a phone shares when it is linked.
    pub history_import_enabled: bool,
    /// Tell customers of that history, too.
    pub webhook_historical_messages: bool,
    /// Send at most so many messages a minute; 0: as many as there are; `None`: as the server's
    /// configuration says. An extension of ours.
    pub messages_per_minute: Option<u32>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            always_online: None,
            read_messages: false,
            ignore_groups: false,
            ignore_status: false,
            ignore_newsletters: false,
            history_import_enabled: true,
            webhook_historical_messages: false,
            messages_per_minute: None,
        }
    }
}

/// A setting whose default, a stored `null`, is off.
fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Behaviour {
    /// Reads a number's settings, as the database keeps them. What cannot be read asks for nothing.
    pub fn of(settings: &str) -> Self {
        serde_json::from_str(settings).unwrap_or_else(|error| {
            tracing::error!(%error, "stored settings cannot be read");
            Self::default()
        })
    }
}

/// The client could not behave as asked.
#[derive(Debug, thiserror::Error)]
#[error("the client could not take the settings")]
pub struct BehaveError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A call could not be rejected: it rings on.
#[derive(Debug, thiserror::Error)]
#[error("the call could not be rejected")]
pub struct RejectError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// WhatsApp did not answer a probe in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WhatsApp did not answer")]
pub struct ProbeError;

/// The device could not be proven unlinked.
#[derive(Debug, thiserror::Error)]
#[error("WhatsApp did not confirm the unlinking")]
pub struct LogoutError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_defaults() {
        let of = Behaviour::of;

        assert_eq!(of("{}"), Behaviour::default());
        assert_eq!(of(r#"{"readMessages":null,"alwaysOnline":null}"#), Behaviour::default());
        assert!(of("{}").history_import_enabled);
        let set = of(r#"{"readMessages":true,"ignoreGroups":true,"historyImportEnabled":false}"#);
        assert!(set.read_messages && set.ignore_groups && !set.history_import_enabled);
        assert_eq!(of("nonsense"), Behaviour::default());
    }
}
