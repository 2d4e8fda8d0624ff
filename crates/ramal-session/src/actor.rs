//! The session of one number: owns its connection, its link and its queue.
//!
//! # Theory of operation
//!
//! The loop waits for one input in a `select!` of cancel-safe branches, and works on it outside: the
//! link moves through [`ramal_store::Numbers::step`], which stores the state and its event in one
//! transaction. The queue of messages is rows; a nudge is only a hint, and every change of the link
//! looks at the queue again. One message is in flight at a time, so order is kept. Media are fetched and
//! uploaded ahead of that, some messages at once; only their own chats wait for them.

mod passkey;
mod wrong_phone;

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use ramal_domain::{
    Backoff, Clock, CloseReason, Content, Input, Link, NumberId, Peer, PhoneNumber, Timestamp,
};
use ramal_store::{
    AttemptNote, Epoch, Failure, Number, QueuedMessage, Stepped, Store, StoreError, Tried,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::{self, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use wrong_phone::Asked;
pub(crate) use wrong_phone::Reply;

use crate::{
    Account, CodeState, Connection, Mode, Options, Outcome, Pairing, PairingFailure, QrCode,
    SendError, Signal,
    conduct::Conduct,
    ledger::{Fact, Ledger},
    pulse::Pulse,
};

/// Of how many messages of one number media are fetched at a time.
const MEDIA_AHEAD: usize = 4;
/// How many chats whose media must wait are passed over at a time.
const CHATS_PASSED: usize = 16;

/// A message, and what came of the work on it.
type Worked = (Box<QueuedMessage>, Result<(), SendError>);

/// What the actor needs of the world.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    /// Wakes the webhook worker.
    pub(crate) wake: Arc<Notify>,
    /// Whether WhatsApp has told some number that our version is too old, and none has logged in since:
    /// one alarm for all.
    pub(crate) outdated: AtomicBool,
}

/// The session of one number.
pub(crate) struct Actor {
    pub(crate) context: Arc<Context>,
    pub(crate) number: NumberId,
    pub(crate) phone: PhoneNumber,
    pub(crate) epoch: Epoch,
    pub(crate) mode: Mode,
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) conduct: Conduct,
    pub(crate) signals: mpsc::Receiver<Signal>,
    pub(crate) pairing: watch::Sender<Pairing>,
    /// Somebody queued a message.
    pub(crate) nudge: Arc<Notify>,
    /// What people say of a phone that was not expected.
    pub(crate) replies: mpsc::Receiver<Reply>,
    pub(crate) stop: CancellationToken,
    pub(crate) state: State,
}

/// What changes while it runs.
#[derive(Default)]
pub(crate) struct State {
    link: Option<Link>,
    /// When the present outage becomes one to report.
    outage_due: Option<Instant>,
    /// When the first message that waits for its next try is due.
    retry_due: Option<Instant>,
    /// Until when nothing is sent, after the queue or the client failed in a way that another
    /// message would meet as well.
    paused_until: Option<Instant>,
    /// Until when nothing is sent, so that the number keeps its pace.
    paced_until: Option<Instant>,
    /// When the pairing code dies after the last QR code has.
    pairing_due: Option<Instant>,
    /// When the person that the pairing waits for is out of time: from the first step of the passkey
    /// gate to its end, or while a phone that was not expected is asked about. Codes are of no use
    /// meanwhile.
    action_due: Option<Instant>,
    /// When an unhealthy number has been open for long enough.
    recovery_due: Option<Instant>,
    /// Until when WhatsApp restricts the account, if it has said so.
    restricted_until: Option<Timestamp>,
    dial_failures: u32,
    /// The message in flight: at most one.
    sending: JoinSet<Worked>,
    /// Messages whose media are being got ready: at most [`MEDIA_AHEAD`], one of each chat.
    preparing: JoinSet<Worked>,
    /// Their chats, in which nothing overtakes them.
    busy: HashMap<task::Id, Peer>,
    /// Messages whose media are ready. They go before whatever is still in the queue.
    ready: VecDeque<Box<QueuedMessage>>,
    /// A phone that was not expected, while a person is asked about it.
    asked: Option<Asked>,
    /// Whether the client is logged in, as far as it has said.
    online: bool,
    pulse: Pulse,
    /// A phone has answered: the credentials are good, whatever happens to the socket.
    paired: bool,
}

impl State {
    /// Whoever resumes has credentials, so a phone has answered before.
    pub(crate) fn new(mode: Mode) -> Self {
        Self { paired: mode == Mode::Resume, ..Self::default() }
    }
}

/// Whether the session goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    End,
}

enum Woken {
    Signal(Option<Signal>),
    Sent(Worked),
    Prepared(task::Id, Worked),
    /// The work on a message broke off outside of what catches its panics.
    Broken(JoinError),
    Nudged,
    OutageDue,
    PairingDue,
    ActionDue,
    RecoveryDue,
    RetryDue,
    /// Nothing has proven life for a while.
    Silent,
    /// A probe ended: whether there is life.
    Probed(bool),
    PauseOver,
    /// The next message may be sent.
    PaceOver,
    /// Somebody says what to do with a phone that was not expected.
    Replied(Reply),
    Stopped,
}

impl Actor {
    /// Runs until the connection ends for good or the session is stopped.
    pub(crate) async fn run(mut self) {
        let opening = match self.mode {
            Mode::Pair => Input::PairingStarted,
            // Whatever the row says, the socket is not there yet.
            Mode::Resume => Input::Lost,
        };
        let mut flow = self.step(opening).await;
        while flow == Flow::Continue {
            let woken = self.wait().await;
            flow = self.handle(woken).await;
            if flow == Flow::Continue {
                self.pump().await;
            }
        }
        self.finish().await;
    }

    /// Every branch is cancel-safe: channels, notifications, timers and join sets by their contract.
    async fn wait(&mut self) -> Woken {
        let (outage_due, pairing_due) = (self.state.outage_due, self.state.pairing_due);
        let (action_due, recovery_due) = (self.state.action_due, self.state.recovery_due);
        let (retry_due, paused_until) = (self.state.retry_due, self.state.paused_until);
        let paced_until = self.state.paced_until;
        let open = self.state.link == Some(Link::Open);
        let patience = self.context.options.probe_after;
        let probe_due = self.state.pulse.due(patience).filter(|_| open);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Woken::Stopped,
            Some(sent) = self.state.sending.join_next() => {
                sent.map_or_else(Woken::Broken, Woken::Sent)
            }
            Some(prepared) = self.state.preparing.join_next_with_id() => {
                prepared.map_or_else(Woken::Broken, |(task, done)| Woken::Prepared(task, done))
            }
            signal = self.signals.recv() => Woken::Signal(signal),
            alive = self.state.pulse.answer() => Woken::Probed(alive),
            () = sleep_until(probe_due) => Woken::Silent,
            () = sleep_until(outage_due) => Woken::OutageDue,
            () = sleep_until(pairing_due) => Woken::PairingDue,
            () = sleep_until(action_due) => Woken::ActionDue,
            () = sleep_until(recovery_due) => Woken::RecoveryDue,
            () = sleep_until(retry_due) => Woken::RetryDue,
            () = sleep_until(paused_until) => Woken::PauseOver,
            () = sleep_until(paced_until) => Woken::PaceOver,
            Some(reply) = self.replies.recv() => Woken::Replied(reply),
            () = self.nudge.notified() => Woken::Nudged,
        }
    }

    async fn handle(&mut self, woken: Woken) -> Flow {
        match woken {
            Woken::Stopped => Flow::End,
            Woken::Signal(None) => {
                // The client's task is gone, and the socket with it: the supervisor starts a new one.
                let _ended = self.step(Input::Lost).await;
                Flow::End
            }
            Woken::Signal(Some(signal)) => self.on_signal(signal).await,
            Woken::Silent => {
                self.state.pulse.ask(Arc::clone(&self.connection));
                Flow::Continue
            }
            Woken::Probed(true) => self.note(Fact::Alive, "a sign of life was not noted").await,
            Woken::Probed(false) => self.on_silence().await,
            Woken::Sent((message, result)) => {
                // Also after a failure: WhatsApp has seen something of the try, as a rule.
                self.keep_pace();
                self.settle(&message, result).await
            }
            Woken::Broken(error) => {
                // Still queued under its wire id: the next try is the same message.
                self.state.busy.remove(&error.id());
                tracing::error!(number.id = %self.number, %error, "the work on a message broke off");
                self.pause();
                Flow::Continue
            }
            Woken::Prepared(task, (message, result)) => {
                self.state.busy.remove(&task);
                if result.is_err() {
                    return self.settle(&message, result).await;
                }
                self.state.ready.push_back(message);
                Flow::Continue
            }
            Woken::Nudged => Flow::Continue,
            Woken::OutageDue => self.step(Input::OutageConfirmed).await,
            Woken::PairingDue => self.end_pairing(CloseReason::CodesExpired).await,
            Woken::ActionDue => match self.state.asked.take() {
                // Silence is a no.
                Some(asked) => self.reject_phone(asked.wrong).await,
                None => self.end_pairing(CloseReason::PasskeyRequired).await,
            },
            Woken::Replied(reply) => self.on_reply(reply).await,
            Woken::RecoveryDue => {
                self.state.recovery_due = None;
                let flow = self.note(Fact::Recovered, "a recovery was not noted").await;
                self.context.wake.notify_one();
                flow
            }
            Woken::RetryDue => {
                self.state.retry_due = None;
                Flow::Continue
            }
            Woken::PauseOver => {
                self.state.paused_until = None;
                Flow::Continue
            }
            Woken::PaceOver => {
                self.state.paced_until = None;
                Flow::Continue
            }
        }
    }

    /// The socket is there, but nobody is behind it. The client may go on believing in it for long,
    /// so it is given up: the supervisor starts a new one.
    async fn on_silence(&mut self) -> Flow {
        if self.state.link != Some(Link::Open) {
            return Flow::Continue;
        }
        metrics::counter!("sessions_silent_total").increment(1);
        tracing::warn!(number.id = %self.number, "WhatsApp has gone silent; connecting anew");
        let _ended = self.step(Input::Lost).await;
        Flow::End
    }

    /// Presence and the like are no reason to wait long, or to end.
    async fn behave(&self) {
        if let Err(error) = self.conduct.apply().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(number.id = %self.number, error, "the settings are not in effect");
        }
    }

    async fn on_signal(&mut self, signal: Signal) -> Flow {
        if matches!(signal, Signal::Alive | Signal::Opened(_)) {
            self.state.pulse.beat();
        }
        if self.state.action_due.is_some() && is_about_codes(&signal) {
            return Flow::Continue;
        }
        match signal {
            Signal::Qr { text, valid_for } => {
                self.show_qr(text, valid_for);
                self.remember(AttemptNote::Qr).await;
            }
            Signal::PairingCode { code, valid_for } => {
                let expires_at = self.context.clock.now().after(valid_for);
                let given = CodeState::Given { code, expires_at };
                self.pairing.send_modify(|pairing| pairing.code = given);
                self.remember(AttemptNote::Code).await;
            }
            Signal::NoPairingCode { reason } => {
                tracing::warn!(number.id = %self.number, reason, "WhatsApp gave no pairing code");
                self.pairing.send_modify(|pairing| pairing.code = CodeState::Unavailable);
            }
            Signal::DialFailed { timed_out } => return self.on_dial_failed(timed_out).await,
            Signal::CodesExhausted => return self.on_codes_exhausted().await,
            Signal::PasskeyAsked(request) => return self.on_passkey_asked(request).await,
            Signal::PasskeyTaken => self.on_passkey_taken(),
            Signal::PasskeyCode(code) => return self.on_passkey_code(code).await,
            Signal::Restricted { lasts } => {
                self.state.restricted_until = Some(self.context.clock.now().after(lasts));
            }
            Signal::Paired(account) => return self.on_paired(account).await,
            Signal::Opened(account) => return self.on_opened(account).await,
            Signal::Lost => return self.on_lost().await,
            Signal::Ended(reason) => return self.on_ended(reason).await,
            Signal::Called(call) => return self.on_call(call).await,
            Signal::Alive => return self.note(Fact::Alive, "a sign of life was not noted").await,
        }
        Flow::Continue
    }

    fn show_qr(&mut self, text: String, valid_for: Duration) {
        self.state.dial_failures = 0;
        let issued_at = self.context.clock.now();
        self.pairing.send_modify(|pairing| {
            let sequence = pairing.qr.as_ref().map_or(1, |qr| qr.sequence.saturating_add(1));
            let expires_at = issued_at.after(valid_for);
            pairing.qr = Some(QrCode { text, issued_at, expires_at, sequence });
        });
    }

    async fn on_dial_failed(&mut self, timed_out: bool) -> Flow {
        self.state.dial_failures = self.state.dial_failures.saturating_add(1);
        if self.state.dial_failures < self.context.options.dial_failures_max {
            return Flow::Continue;
        }
        if self.state.link != Some(Link::Pairing) || self.state.paired {
            // The library's own backoff grows to a quarter of an hour. Ours is shorter: the
            // supervisor starts a new client, and the row remembers since when there is none.
            return Flow::End;
        }
        let failure =
            if timed_out { PairingFailure::TimedOut } else { PairingFailure::Unreachable };
        self.fail_pairing(failure);
        let _ended = self.step(Input::PairingEnded(CloseReason::Network)).await;
        Flow::End
    }

    async fn on_paired(&mut self, account: Account) -> Flow {
        self.state.paired = true;
        self.state.pairing_due = None;
        self.state.action_due = None;
        self.pairing.send_modify(|pairing| {
            pairing.action = None;
            pairing.outcome = Outcome::Paired;
        });
        self.remember(AttemptNote::Scanned).await;
        let wrong = self.actual_phone(&account).is_some();
        self.identify(if wrong { account.device_only() } else { account }).await
    }

    async fn on_opened(&mut self, account: Account) -> Flow {
        self.state.dial_failures = 0;
        self.state.online = true;
        self.version_is(true);
        // Here and not when the phone answers: after a restart between that and the login, the answer
        // is not heard again, and before the login nothing can be unlinked.
        if let Some(actual) = self.actual_phone(&account) {
            return self.on_wrong_phone(account, actual).await;
        }
        self.state.pairing_due = None;
        if self.identify(account).await == Flow::End {
            return Flow::End;
        }
        let flow = self.step(Input::Opened).await;
        self.opened(flow).await
    }

    /// What follows the step to an open link.
    async fn opened(&mut self, flow: Flow) -> Flow {
        if flow == Flow::Continue && self.state.link == Some(Link::Open) {
            self.pairing.send_modify(|pairing| pairing.outcome = Outcome::Open);
            self.behave().await;
        }
        flow
    }

    /// The pairing code has its own clock and may outlive the last QR code.
    async fn on_codes_exhausted(&mut self) -> Flow {
        let pairing = self.pairing.borrow().clone();
        let CodeState::Given { expires_at, .. } = pairing.code else {
            return self.end_pairing(CloseReason::CodesExpired).await;
        };
        self.pairing.send_modify(|pairing| pairing.qr = None);
        let left = expires_at.since(self.context.clock.now());
        self.state.pairing_due = Some(Instant::now() + left);
        Flow::Continue
    }

    async fn on_lost(&mut self) -> Flow {
        self.state.online = false;
        // They are in the queue still, and what was uploaded for them may be old when the link opens.
        self.state.ready.clear();
        self.pairing.send_if_modified(|pairing| {
            let was_open = pairing.outcome == Outcome::Open;
            if was_open {
                // Whoever waits for the login waits for the next one.
                pairing.outcome = Outcome::Waiting;
            }
            was_open
        });
        self.step(Input::Lost).await
    }

    async fn on_ended(&mut self, reason: CloseReason) -> Flow {
        let pairing = self.state.link == Some(Link::Pairing);
        let waits = self.state.action_due.is_some();
        let reason = if waits && reason == CloseReason::CodesExpired {
            // It was not the codes that the client waited for.
            CloseReason::PasskeyRequired
        } else {
            reason
        };
        if reason == CloseReason::ClientOutdated {
            self.version_is(false);
        }
        let _ended = if reason == CloseReason::Network && (self.state.paired || !pairing) {
            // The client died, the credentials did not: the supervisor starts a new one.
            self.step(Input::Lost).await
        } else if pairing {
            self.end_pairing(reason).await
        } else {
            self.step(Input::Revoked(reason)).await
        };
        if reason.forgets_credentials() {
            // Only after a confirmed logout: they are worthless, and the number is free to pair.
            let _ended = self.note(Fact::Unlinked, "credentials were not forgotten").await;
        }
        Flow::End
    }

    async fn end_pairing(&mut self, reason: CloseReason) -> Flow {
        self.fail_pairing(PairingFailure::Closed(reason));
        let _ended = self.step(Input::PairingEnded(reason)).await;
        Flow::End
    }

    fn fail_pairing(&self, failure: PairingFailure) {
        self.pairing.send_modify(|pairing| {
            pairing.qr = None;
            pairing.action = None;
            pairing.outcome = Outcome::Failed(failure);
        });
    }

    async fn identify(&self, account: Account) -> Flow {
        self.note(Fact::Account(account.into()), "the account was not noted").await
    }

    /// The row remembers since when the socket is gone, so a restarted session does not start the
    /// confirmation window anew.
    fn watch_outage(&mut self, number: &Number) {
        self.state.outage_due = match number.link {
            Link::Resuming { reported: false } => {
                let gone = self.context.clock.now().since(number.link_since);
                let left = self.context.options.confirm_outage.saturating_sub(gone);
                Some(Instant::now() + left)
            }
            Link::Closed(_) | Link::Pairing | Link::Open | Link::Resuming { reported: true } => {
                None
            }
        };
    }

    /// Likewise, the row remembers since when the number has been open.
    fn watch_recovery(&mut self, number: &Number) {
        let ill = number.link == Link::Open && number.illness.is_some();
        self.state.recovery_due = ill.then(|| {
            let open = self.context.clock.now().since(number.link_since);
            Instant::now() + self.context.options.recover_after.saturating_sub(open)
        });
    }

    /// One alarm for all numbers: a version that is too old is not the fault of any of them.
    fn version_is(&self, accepted: bool) {
        let was_outdated = self.context.outdated.swap(!accepted, Ordering::SeqCst);
        if was_outdated == accepted {
            metrics::gauge!("whatsapp_client_outdated").set(if accepted { 0.0 } else { 1.0 });
            if accepted {
                tracing::info!("WhatsApp accepts this version again");
            } else {
                tracing::error!(
                    "WhatsApp no longer accepts the version that this server speaks: update it; \
                     all numbers are concerned"
                );
            }
        }
    }

    fn ledger(&self) -> Ledger<'_> {
        Ledger { context: &self.context, number: self.number, epoch: self.epoch }
    }

    /// Writes down what happened within the pairing attempt. It is for people who look back, so its
    /// loss ends nothing.
    async fn remember(&self, note: AttemptNote) {
        if let Err(error) = self.ledger().write(&Fact::Attempt(note)).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(number.id = %self.number, ?note, error, "an attempt was not noted");
        }
    }

    /// Writes a fact; a session whose database is broken ends, and the supervisor starts a new one.
    pub(crate) async fn note(&self, fact: Fact, loss: &'static str) -> Flow {
        match self.ledger().write(&fact).await {
            Ok(_stepped) => Flow::Continue,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(number.id = %self.number, error, "{loss}");
                Flow::End
            }
        }
    }

    /// Moves the link; its event is in the same transaction.
    async fn step(&mut self, input: Input) -> Flow {
        let restricted_until = self.state.restricted_until;
        let written = self.ledger().write(&Fact::Link { input, restricted_until }).await;
        self.moved(written)
    }

    /// Takes note of where the link is now.
    fn moved(&mut self, written: Result<Option<Stepped>, StoreError>) -> Flow {
        match written {
            Ok(Some(Stepped::Done { number, .. })) => {
                self.state.link = Some(number.link);
                self.watch_outage(&number);
                self.watch_recovery(&number);
                let link = number.link.wire();
                tracing::info!(number.id = %self.number, %link, "link moved");
                self.context.wake.notify_one();
                Flow::Continue
            }
            Ok(Some(Stepped::Refused(refused))) => {
                self.state.link = Some(refused.link);
                tracing::debug!(number.id = %self.number, %refused, "late report ignored");
                Flow::Continue
            }
            Ok(Some(Stepped::Fenced) | None) => {
                tracing::info!(number.id = %self.number, "another session owns the number");
                Flow::End
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(number.id = %self.number, error, "the link was not stored");
                Flow::End
            }
        }
    }

    /// Starts sending the head of the queue, when the link is open and nothing is in flight. Messages
    /// with media that come first are got ready meanwhile.
    async fn pump(&mut self) {
        while self.may_send() {
            match self.advance().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(number.id = %self.number, error, "the queue cannot be read");
                    self.pause();
                }
            }
        }
    }

    fn may_send(&self) -> bool {
        let waits = self.state.paused_until.is_some() || self.state.paced_until.is_some();
        self.state.link == Some(Link::Open) && self.state.sending.is_empty() && !waits
    }

    /// Takes the next message one step further; returns `false` when there is none to take.
    async fn advance(&mut self) -> Result<bool, StoreError> {
        if let Some(ready) = self.state.ready.pop_front() {
            self.send(ready).await?;
            return Ok(true);
        }
        let mut busy: Vec<Peer> = self.state.busy.values().cloned().collect();
        for _ in 0..CHATS_PASSED {
            let Some(next) = self.next_queued(&busy).await? else { return Ok(false) };
            let has_media = matches!(next.content, Content::Media(_));
            if has_media && self.state.preparing.len() >= MEDIA_AHEAD {
                // Its chat waits until others are ready; those that only talk do not.
                busy.push(next.to.clone());
                continue;
            }
            if has_media {
                self.prepare(next);
            } else {
                self.send(next).await?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Starts to get a message's media ready. WhatsApp is told nothing of it yet, so it may still be
    /// canceled.
    fn prepare(&mut self, message: Box<QueuedMessage>) {
        let connection = Arc::clone(&self.connection);
        let chat = message.to.clone();
        let work = async move {
            let result = survived(connection.prepare(&message), SendError::Offline).await;
            (message, result)
        };
        let task = self.state.preparing.spawn(work).id();
        self.state.busy.insert(task, chat);
    }

    /// Notes that a try begins and starts it, unless the message was canceled or its time is over.
    async fn send(&mut self, message: Box<QueuedMessage>) -> Result<(), StoreError> {
        let mut tx = self.context.store.begin().await?;
        let begun = tx.messages().begin(message.id, self.context.clock.now()).await?;
        tx.commit().await?;
        if begun {
            let connection = Arc::clone(&self.connection);
            self.state.sending.spawn(async move {
                let result = survived(connection.send(&message), SendError::Unconfirmed).await;
                (message, result)
            });
        }
        Ok(())
    }

    /// The next message of the queue outside of `busy` chats; when there is none, notes when there will be.
    async fn next_queued(
        &mut self,
        busy: &[Peer],
    ) -> Result<Option<Box<QueuedMessage>>, StoreError> {
        loop {
            let now = self.context.clock.now();
            let mut tx = self.context.store.read().await?;
            match tx.messages().next_queued(self.number, busy, now).await {
                Ok(Some(next)) => return Ok(Some(Box::new(next))),
                Ok(None) => {
                    let due = tx.messages().next_due(self.number, now).await?;
                    self.state.retry_due = due.map(|due| Instant::now() + due.since(now));
                    return Ok(None);
                }
                Err(error @ StoreError::Inconsistent { .. }) => {
                    drop(tx);
                    let mut tx = self.context.store.begin().await?;
                    if !tx.messages().give_up_unreadable(self.number, busy, now).await? {
                        return Err(error);
                    }
                    tx.commit().await?;
                    self.context.wake.notify_one();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Nothing is sent for a while after each message, so that the number does not look like a machine.
    fn keep_pace(&mut self) {
        let wait = self.conduct.pace(self.context.options.messages_per_minute);
        self.state.paced_until = wait.map(|wait| Instant::now() + wait);
    }

    async fn settle(&mut self, message: &QueuedMessage, result: Result<(), SendError>) -> Flow {
        let failure = match &result {
            Ok(()) => None,
            Err(error @ SendError::NotConnected) => {
                return self.put_off(message, error, Tried::NotAtAll).await;
            }
            Err(error @ SendError::Offline(_)) => {
                return self.put_off(message, error, Tried::InVain).await;
            }
            Err(error @ SendError::NoMedia(_)) => {
                return self.put_off(message, error, Tried::NoMedia).await;
            }
            Err(error @ SendError::Unconfirmed(_)) => {
                return self.put_off(message, error, Tried::InDoubt).await;
            }
            Err(error @ SendError::UnknownRecipient) => Some(("WHATSAPP_NOT_EXIST", error)),
            Err(error @ SendError::Refused(_)) => Some(("INVALID_DESTINATION", error)),
            Err(error @ SendError::Media(_)) => Some(("MEDIA_UNAVAILABLE", error)),
        };
        let failure = failure.map(|(code, error)| {
            self.log_send(message, error);
            Failure { code: code.to_owned(), message: error.to_string() }
        });
        // If this is lost, the message stays queued under its wire id: a second try is the same
        // message to WhatsApp.
        let fact = Fact::Settled(message.id, failure);
        let flow = self.note(fact, "the outcome of a send was not stored").await;
        self.context.wake.notify_one();
        flow
    }

    async fn put_off(&self, message: &QueuedMessage, error: &SendError, outcome: Tried) -> Flow {
        self.log_send(message, error);
        // What was in doubt before still is.
        let outcome = if message.doubtful { Tried::InDoubt } else { outcome };
        let due = self.context.clock.now().after(self.backoff().jittered(message.tries));
        self.note(Fact::Tried(message.id, outcome, due), "a failed try was not noted").await
    }

    fn backoff(&self) -> Backoff {
        let Options { retry_base: base, retry_cap: cap, .. } = self.context.options;
        Backoff { base, cap }
    }

    fn pause(&mut self) {
        self.state.paused_until = Some(Instant::now() + self.backoff().jittered(0));
    }

    fn log_send(&self, message: &QueuedMessage, error: &SendError) {
        let error = error as &dyn std::error::Error;
        let (number, message) = (self.number, message.id);
        tracing::warn!(number.id = %number, message.id = %message, error, "send failed");
    }

    /// Disconnects, without unlinking, and tells whoever still watches that it is over.
    async fn finish(mut self) {
        let stopped = self.stop.is_cancelled();
        // A message in flight is finished first: its wire id would make a repeat harmless, but a
        // settled one saves it.
        let patience = self.context.options.stop_timeout;
        let last = tokio::time::timeout(patience, self.state.sending.join_next()).await;
        if let Ok(Some(Ok((message, result)))) = last {
            let _ended = self.settle(&message, result).await;
        }
        if tokio::time::timeout(patience, self.connection.close()).await.is_err() {
            tracing::warn!(number.id = %self.number, "the client did not stop in time");
        }
        self.pairing.send_if_modified(|pairing| {
            let waiting = matches!(pairing.outcome, Outcome::Waiting | Outcome::Paired);
            if waiting {
                pairing.action = None;
                pairing.outcome = Outcome::Failed(PairingFailure::Superseded);
            }
            waiting
        });
        tracing::debug!(number.id = %self.number, stopped, "session ended");
    }
}

/// Turns a panic into a try that did not succeed: it counts, so that what always panics is given up.
async fn survived(
    work: impl Future<Output = Result<(), SendError>>,
    failure: fn(Box<dyn std::error::Error + Send + Sync>) -> SendError,
) -> Result<(), SendError> {
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.unwrap_or_else(|_panic| Err(failure("it panicked".into())))
}

/// Whether a signal is of no interest once a phone has answered.
const fn is_about_codes(signal: &Signal) -> bool {
    matches!(
        signal,
        Signal::Qr { .. }
            | Signal::PairingCode { .. }
            | Signal::NoPairingCode { .. }
            | Signal::CodesExhausted
    )
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
