//! One running client: sending, probing, leaving.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use ramal_domain::{Assertion, CloseReason, MessageId, NumberId, Peer, PhoneNumber};
use ramal_session::{
    BehaveError, Behaviour, Call, Connection, Crowd, LogoutError, LookupError, PasskeyError,
    ProbeError, Registered, RejectError, SendError, Signal,
};
use ramal_store::QueuedMessage;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use wacore::iq::{devices::RemoveCompanionDeviceSpec, keepalive::KeepaliveSpec, spec::IqSpec as _};
use whatsapp_rust::{
    Client, ErrorChainExt as _, GroupMetadata, IsOnWhatsAppResult, Jid, NewsletterMetadata,
    NewsletterRole, SendOptions, bot::Bot, send, wacore_binary::JidExt as _,
    waproto::whatsapp as wa,
};

use crate::{
    acks::Acks,
    identity::Identity,
    inbound::{Inbox, Unhooked},
    manners::Manners,
    outgoing::Desk,
    passkey,
    receipts::{Receipts, Register},
    reporter::Reporter,
    runtime::ClientRuntime,
};

/// How many recipients are remembered as existing. The oldest knowledge is not worth sorting out:
/// when the memory is full it starts anew.
const RECIPIENTS: usize = 4_096;

/// How many messages are remembered whose media are uploaded. Those that were canceled meanwhile are never
/// asked for: when the memory is full it starts anew, and what is missing is uploaded again.
const PREPARED: usize = 64;

/// What the parts of one client share.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) number: NumberId,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) acks: Acks,
    pub(crate) receipts: Arc<Receipts>,
    pub(crate) runtime: ClientRuntime,
    pub(crate) answer_timeout: Duration,
    pub(crate) close_timeout: Duration,
}

/// A client that runs until it is told to stop, or dropped.
pub(crate) struct Running {
    line: Line,
    client: Arc<Client>,
    /// Phone number to the JID that WhatsApp names for it.
    recipients: Mutex<HashMap<String, Jid>>,
    manners: Manners,
    desk: Desk,
    /// Messages whose media are uploaded, until they are sent.
    prepared: Mutex<HashMap<MessageId, wa::Message>>,
    /// Asks the client to stop.
    stop: CancellationToken,
    /// It has stopped, and nothing of it is left.
    stopped: CancellationToken,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("number", &self.line.number).finish_non_exhaustive()
    }
}

/// What went wrong, in words for the log.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the client is not connected")]
    NotConnected,
    #[error("WhatsApp's server did not answer in time")]
    NoAnswer,
    #[error("the socket was lost before WhatsApp's server answered")]
    SocketLost,
    #[error("WhatsApp's server could not look the recipient up")]
    LookUp,
}

impl Running {
    /// Starts the client's tasks.
    pub(crate) fn start(
        line: Line,
        bot: Bot,
        inbox: Inbox,
        desk: Desk,
        signals: mpsc::Sender<Signal>,
    ) -> Self {
        let client = bot.client();
        let stop = CancellationToken::new();
        let stopped = CancellationToken::new();
        let tasks = line.runtime.tasks.clone();
        let manners = inbox.manners.clone();
        tasks.spawn(keep_receipts(line.clone(), inbox.register()));
        tasks.spawn(carry(Arc::clone(&line.reporter), Arc::clone(&client), inbox, signals));
        tasks.spawn(supervise(line.clone(), bot, stop.clone(), stopped.clone()));
        Self {
            line,
            client,
            recipients: Mutex::default(),
            manners,
            desk,
            prepared: Mutex::default(),
            stop,
            stopped,
        }
    }

    /// The JID that WhatsApp names for a phone number. Numbers of old Brazilian accounts have no
    /// ninth digit there, whatever people dial.
    async fn recipient(&self, phone: &PhoneNumber) -> Result<Jid, SendError> {
        if let Some(jid) = self.remembered(phone) {
            return Ok(jid);
        }
        let asked = [Jid::pn(phone.digits())];
        let contacts = self.client.contacts();
        let answers = timeout(self.line.answer_timeout, contacts.is_on_whatsapp(&asked))
            .await
            .map_err(|_elapsed| offline(Trouble::NoAnswer))?
            .map_err(offline)?;
        let jid = named_recipient(answers)?;
        let mut known = self.recipients.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= RECIPIENTS {
            known.clear();
        }
        known.insert(phone.digits().to_owned(), jid.clone());
        Ok(jid)
    }

    fn remembered(&self, phone: &PhoneNumber) -> Option<Jid> {
        let known = self.recipients.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(phone.digits()).cloned()
    }

    /// Asks WhatsApp to unlink this device, and waits for its word.
    async fn unlink(&self) -> Result<(), LogoutError> {
        let Some(jid) = self.client.pn() else {
            // Not paired: there is nothing to unlink. A phone that answers at this very moment is
            // seen afterwards, once nothing runs any more.
            self.close().await;
            let answered = self.client.pn().is_some();
            return if answered { Err(LogoutError(Trouble::NotConnected.into())) } else { Ok(()) };
        };
        if self.line.reporter.reason() == Some(CloseReason::LoggedOut) {
            return Ok(());
        }
        if !self.client.is_logged_in() {
            // The client goes on: it may log in yet, and then this can be asked again.
            return Err(LogoutError(Trouble::NotConnected.into()));
        }
        self.line.reporter.mute();
        // The server answers and ends the stream at once; the client must not come back.
        self.client.enable_auto_reconnect.store(false, Ordering::Relaxed);
        let patience = self.line.answer_timeout;
        // The library's own patience here is 3 seconds.
        let request = RemoveCompanionDeviceSpec::new(&jid).build_iq().with_timeout(patience);
        let answer = timeout(patience, self.client.send_iq(request)).await;
        let error: Box<dyn Error + Send + Sync> = match answer {
            Ok(Ok(_confirmation)) => return Ok(()),
            Ok(Err(error)) => error.into(),
            Err(_elapsed) => Trouble::NoAnswer.into(),
        };
        // The end of the stream may overtake the answer; it names the same fact.
        if self.line.reporter.reason() == Some(CloseReason::LoggedOut) {
            return Ok(());
        }
        Err(LogoutError(error))
    }
}

#[async_trait]
impl Connection for Running {
    async fn prepare(&self, message: &QueuedMessage) -> Result<(), SendError> {
        if !self.client.is_logged_in() {
            return Err(SendError::NotConnected);
        }
        let words = self.desk.ready(&self.client, message.id, &message.content).await?;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if prepared.len() >= PREPARED {
            prepared.clear();
        }
        prepared.insert(message.id, words);
        Ok(())
    }

    async fn send(&self, message: &QueuedMessage) -> Result<(), SendError> {
        if !self.client.is_logged_in() {
            return Err(SendError::NotConnected);
        }
        let jid = match &message.to {
            Peer::Phone(phone) => self.recipient(phone).await?,
            Peer::Jid(jid) => jid.parse().map_err(|error| SendError::Refused(Box::new(error)))?,
        };
        let prepared =
            self.prepared.lock().unwrap_or_else(PoisonError::into_inner).remove(&message.id);
        let words = match prepared {
            Some(words) => words,
            None => self.desk.ready(&self.client, message.id, &message.content).await?,
        };
        let mut ack = self.line.acks.expect(message.wire_id.as_str());
        let options = SendOptions::default().with_message_id(message.wire_id.as_str());
        let sending = self.client.send_message_with_options(jid, words, options);
        let unconfirmed = |trouble: Trouble| SendError::Unconfirmed(trouble.into());
        timeout(self.line.answer_timeout, sending)
            .await
            .map_err(|_elapsed| unconfirmed(Trouble::NoAnswer))?
            .map_err(send_error)?;
        // The library returns as soon as the socket has the message.
        let answer = timeout(self.line.answer_timeout, ack.answer())
            .await
            .map_err(|_elapsed| unconfirmed(Trouble::NoAnswer))?
            .ok_or_else(|| unconfirmed(Trouble::SocketLost))?;
        answer.map_err(|nack| {
            if nack.is_temporary() { offline(nack) } else { SendError::Refused(Box::new(nack)) }
        })
    }

    async fn groups(&self) -> Result<Vec<Crowd>, LookupError> {
        let failed = |trouble: Trouble| LookupError(trouble.into());
        if !self.client.is_logged_in() {
            return Err(failed(Trouble::NotConnected));
        }
        let groups = self.client.groups();
        let groups = timeout(self.line.answer_timeout, groups.get_participating())
            .await
            .map_err(|_elapsed| failed(Trouble::NoAnswer))?
            .map_err(|error| LookupError(error.into()))?;
        let own = [self.client.pn(), self.client.lid()];
        let crowd = |group: GroupMetadata| {
            let is_us = |jid: &Jid| own.iter().flatten().any(|own| own.is_same_user_as(jid));
            let admin = group.participants.iter().any(|one| {
                one.is_admin() && (is_us(&one.jid) || one.phone_number.as_ref().is_some_and(is_us))
            });
            Crowd {
                id: group.id.to_string(),
                name: group.subject,
                size: u64::try_from(group.participants.len()).ok(),
                writable: !group.is_announcement || admin,
            }
        };
        Ok(groups.into_values().map(crowd).collect())
    }

    async fn newsletters(&self) -> Result<Vec<Crowd>, LookupError> {
        let failed = |trouble: Trouble| LookupError(trouble.into());
        if !self.client.is_logged_in() {
            return Err(failed(Trouble::NotConnected));
        }
        let newsletters = self.client.newsletter();
        let channels = timeout(self.line.answer_timeout, newsletters.list_subscribed())
            .await
            .map_err(|_elapsed| failed(Trouble::NoAnswer))?
            .map_err(|error| LookupError(error.into()))?;
        let crowd = |channel: NewsletterMetadata| Crowd {
            id: channel.jid.to_string(),
            name: channel.name,
            size: Some(channel.subscriber_count),
            writable: matches!(channel.role, Some(NewsletterRole::Owner | NewsletterRole::Admin)),
        };
        Ok(channels.into_iter().map(crowd).collect())
    }

    async fn show_typing(&self, to: &Peer, typing: bool) -> Result<(), LookupError> {
        if !self.client.is_logged_in() {
            return Err(LookupError(Trouble::NotConnected.into()));
        }
        let jid = match to {
            Peer::Phone(phone) => {
                self.recipient(phone).await.map_err(|error| LookupError(error.into()))?
            }
            Peer::Jid(jid) => jid.parse().map_err(|_malformed| LookupError("no JID".into()))?,
        };
        let chat = self.client.chatstate();
        let shown =
            if typing { chat.send_composing(&jid).await } else { chat.send_paused(&jid).await };
        shown.map_err(|error| LookupError(error.into()))
    }

    async fn lookup(&self, phones: &[PhoneNumber]) -> Result<Vec<Option<Registered>>, LookupError> {
        let failed = |trouble: Trouble| LookupError(trouble.into());
        if !self.client.is_logged_in() {
            return Err(failed(Trouble::NotConnected));
        }
        let spellings = phones.iter().flat_map(PhoneNumber::spellings);
        let asked: Vec<Jid> = spellings.map(|phone| Jid::pn(phone.digits())).collect();
        let contacts = self.client.contacts();
        let answers = timeout(self.line.answer_timeout, contacts.is_on_whatsapp(&asked))
            .await
            .map_err(|_elapsed| failed(Trouble::NoAnswer))?
            .map_err(|error| LookupError(error.into()))?;
        if answers.iter().any(|answer| answer.contact_error.is_some()) {
            return Err(failed(Trouble::LookUp));
        }
        let known = known_phones(answers);
        Ok(phones.iter().map(|phone| best_match(phone, &known)).collect())
    }

    async fn behave(&self, behaviour: Behaviour) -> Result<(), BehaveError> {
        self.manners.set(behaviour);
        self.client.set_skip_history_sync(!behaviour.history_import_enabled);
        let Some(online) = behaviour.always_online else { return Ok(()) };
        show(&self.client, online).await.map_err(BehaveError)?;
        let client = Arc::clone(&self.client);
        drop(self.line.runtime.start(async move {
            tokio::time::sleep(SHOW_AGAIN).await;
            if let Err(error) = show(&client, online).await {
                tracing::debug!(%error, "the presence was not sent again");
            }
        }));
        Ok(())
    }

    async fn reject_call(&self, call: &Call) -> Result<Option<PhoneNumber>, RejectError> {
        let jid = |text: &str| text.parse::<Jid>().map_err(|error| RejectError(error.into()));
        let (peer, creator) = (jid(&call.peer)?, jid(&call.creator)?);
        let rejected = self.client.voip().reject_call(&call.id, &peer, &creator).await;
        rejected.map_err(|error| RejectError(error.into()))?;
        if call.phone.is_some() {
            return Ok(call.phone.clone());
        }
        Ok(Identity::named([&creator, &peer]).learned(&self.client).await.phone)
    }

    async fn answer_passkey(&self, assertion: &Assertion) -> Result<(), PasskeyError> {
        passkey::answer(&self.line, &self.client, assertion).await
    }

    async fn confirm_passkey(&self) -> Result<(), PasskeyError> {
        passkey::confirm(&self.line, &self.client).await
    }

    async fn probe(&self) -> Result<(), ProbeError> {
        let patience = self.line.answer_timeout;
        let ping = self.client.execute(KeepaliveSpec::with_timeout(patience));
        match timeout(patience, ping).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(number.id = %self.line.number, %error, "a probe failed");
                Err(ProbeError)
            }
            Err(_elapsed) => Err(ProbeError),
        }
    }

    async fn logout(&self) -> Result<(), LogoutError> {
        self.unlink().await?;
        self.close().await;
        Ok(())
    }

    async fn close(&self) {
        self.line.reporter.mute();
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever forgets to close a client must not leave it running.
        self.stop.cancel();
    }
}

/// The library says by itself that it is online, right after it has learned its name, which it may do
/// shortly after it says that it is connected.
const SHOW_AGAIN: Duration = Duration::from_secs(2);

async fn show(client: &Client, online: bool) -> Result<(), Box<dyn Error + Send + Sync>> {
    let presence = client.presence();
    let shown =
        if online { presence.set_available().await } else { presence.set_unavailable().await };
    Ok(shown?)
}

/// The registered phone numbers among the answers.
fn known_phones(answers: Vec<IsOnWhatsAppResult>) -> Vec<Registered> {
    answers
        .into_iter()
        .filter(|answer| answer.is_registered)
        .filter_map(|answer| {
            // The phone-number form, also where the server names the LID first.
            let jid = answer.pn_jid.filter(Jid::is_pn).unwrap_or(answer.jid);
            let phone = PhoneNumber::from_whatsapp(&jid.user).ok().filter(|_| jid.is_pn())?;
            Some(Registered { phone, name: answer.verified_name.and_then(|name| name.name) })
        })
        .collect()
}

/// What WhatsApp knows of a line: as it was written if possible, else in its other spelling.
fn best_match(phone: &PhoneNumber, known: &[Registered]) -> Option<Registered> {
    let exact = known.iter().find(|registered| registered.phone == *phone);
    exact.or_else(|| known.iter().find(|other| other.phone.same_line(phone))).cloned()
}

/// Carries news to the session, and stores what came past the durability hook.
async fn carry(
    reporter: Arc<Reporter>,
    client: Arc<Client>,
    inbox: Inbox,
    signals: mpsc::Sender<Signal>,
) {
    let keep = |messages: Unhooked| {
        let (inbox, client) = (&inbox, &client);
        async move {
            if let Err(error) = inbox.keep_at_last(client, &messages).await {
                tracing::error!(
                    number.id = %inbox.number,
                    messages.count = messages.len(),
                    error = &error as &dyn Error,
                    "messages that nobody delivers again could not be stored and are lost"
                );
            }
        }
    };
    reporter.carry(signals, keep).await;
}

/// Stores receipts, until the client has stopped.
async fn keep_receipts(line: Line, register: Register) {
    line.receipts.keep(&register, &line.reporter).await;
}

/// The end of a client, however it comes.
struct LastRites {
    line: Line,
    stopped: CancellationToken,
}

impl Drop for LastRites {
    fn drop(&mut self) {
        self.line.runtime.cut.cancel();
        self.line.acks.give_up();
        self.line.receipts.close();
        self.line.reporter.close();
        self.stopped.cancel();
    }
}

/// Runs the client to its end, and tells the session of an end that nobody asked for.
async fn supervise(line: Line, bot: Bot, stop: CancellationToken, stopped: CancellationToken) {
    let _last = LastRites { line: line.clone(), stopped };
    let client = bot.client();
    let mut run = bot.spawn();
    // All branches only wait; the client goes on whichever is first.
    tokio::select! {
        () = &mut run => {}
        _reason = line.reporter.ended() => {}
        () = stop.cancelled() => {}
    }
    client.enable_auto_reconnect.store(false, Ordering::Relaxed);
    let leaving = async {
        client.disconnect().await;
        (&mut run).await;
    };
    if timeout(line.close_timeout, leaving).await.is_err() {
        tracing::warn!(number.id = %line.number, "a client did not stop in time and is cut off");
    }
    if !stop.is_cancelled() {
        let reason = line.reporter.reason();
        if reason.is_none() {
            line.reporter.lost();
        }
        line.reporter.tell(Signal::Ended(reason.unwrap_or(CloseReason::Network)));
    }
}

/// The JID to send to, from the answer to one question.
fn named_recipient(answers: Vec<IsOnWhatsAppResult>) -> Result<Jid, SendError> {
    let Some(answer) = answers.into_iter().next() else { return Err(SendError::UnknownRecipient) };
    if answer.is_registered {
        // The phone-number form, also where the server names the LID first.
        return Ok(answer.pn_jid.filter(Jid::is_pn).unwrap_or(answer.jid));
    }
    if answer.contact_error.is_some() {
        return Err(offline(Trouble::LookUp));
    }
    Err(SendError::UnknownRecipient)
}

pub(crate) fn offline(error: impl Into<Box<dyn Error + Send + Sync>>) -> SendError {
    SendError::Offline(error.into())
}

/// Sorts the library's errors: what the server or the library says about this very message is final,
/// everything else may pass.
fn send_error(error: send::SendError) -> SendError {
    let refused = matches!(error, send::SendError::InvalidRequest(_))
        || error
            .server_rejection()
            .is_some_and(|rejection| matches!(rejection.code, 400..=428 | 430..=499));
    if refused { SendError::Refused(Box::new(error)) } else { offline(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_not_on_whatsapp() {
        assert!(matches!(named_recipient(Vec::new()), Err(SendError::UnknownRecipient)));
    }

    #[test]
    fn a_line_is_known_by_either_spelling_and_best_as_written() {
        let registered = |digits: &str| Registered {
            phone: PhoneNumber::from_whatsapp(digits).unwrap(),
            name: None,
        };
        let phone: PhoneNumber = "+5511967435133".parse().unwrap();
        let (nine, eight) = (registered("5511967435133"), registered("551167435133"));

        assert_eq!(best_match(&phone, &[eight.clone(), nine.clone()]), Some(nine));
        assert_eq!(best_match(&phone, std::slice::from_ref(&eight)), Some(eight));
        assert_eq!(best_match(&phone, &[registered("5511967435134")]), None);
    }

    #[test]
    fn a_bad_message_is_refused_and_a_lost_socket_is_not() {
        let bad = send::SendError::InvalidRequest("empty".to_owned());
        assert!(matches!(send_error(bad), SendError::Refused(_)));
        let lost = send::SendError::Client(whatsapp_rust::ClientError::NotConnected);
        assert!(matches!(send_error(lost), SendError::Offline(_)));
        assert!(matches!(send_error(send::SendError::NotLoggedIn), SendError::Offline(_)));
    }
}
