//! The supervisor: knows which sessions run, starts those that should, and restarts what died.
//!
//! # Theory of operation
//!
//! It is a reconciler. The rows say which numbers should have a session; every few seconds, and on
//! every nudge, they are compared with what runs. So a restart of the process, a session that
//! panicked and a device that is still to be unlinked all take the same path.

use std::{
    collections::HashMap,
    fs::File,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use ramal_domain::{
    Assertion, Backoff, Clock, CloseReason, Input, Link, NodeId, NumberId, Peer, PhoneNumber,
};
use ramal_store::{Epoch, Number, NumberStage, RemoteMedia, Runnable, Store, StoreError};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BehaveError, Behaviour, Connection, Crowd, LookupError, MediaError, Mode, OpenError, OpenSpec,
    Options, Outcome, Pairing, PasskeyError, Provider, Registered, Signal,
    actor::{Actor, Context, Reply, State},
    conduct::Conduct,
    turns::Turns,
};

/// Signals that a client may be ahead of its session.
const SIGNALS_MAX: usize = 256;

/// Replies of people that may wait for a session.
const REPLIES_MAX: usize = 4;

/// Runs the sessions of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Arc<Context>,
    provider: Arc<dyn Provider>,
    node: NodeId,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// Somebody changed a row that the reconciler should look at.
    nudge: Notify,
    /// The running sessions. Locked for look-ups only, never across an await.
    running: Mutex<HashMap<NumberId, Running>>,
    /// For starting and stopping.
    turns: Turns,
}

#[derive(Clone, Debug)]
struct Running {
    epoch: Epoch,
    connection: Arc<dyn Connection>,
    conduct: Conduct,
    pairing: watch::Receiver<Pairing>,
    nudge: Arc<Notify>,
    replies: mpsc::Sender<Reply>,
    stop: CancellationToken,
    /// Cancelled when the actor has ended, however it ended.
    ended: CancellationToken,
}

/// Why a session could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The number is gone.
    #[error("the number is gone")]
    Gone,
    /// It is connected: there is nothing to pair.
    #[error("the number is connected already")]
    AlreadyOpen,
    /// It is paired, and its login is under way or waits for WhatsApp: pairing anew would throw good
    /// credentials away.
    #[error("the number is paired already and reconnects")]
    Reconnecting,
    /// The process is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// The client could not be built.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a device could not be proven unlinked; the supervisor tries again.
#[derive(Debug, thiserror::Error)]
pub enum UnlinkError {
    /// The session could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// WhatsApp did not answer or did not confirm.
    #[error("WhatsApp did not confirm the unlinking")]
    Unconfirmed,
}

/// Why a phone that was not expected was not decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongPhoneError {
    /// Nobody asks, or it was decided already.
    #[error("the number's pairing asks about no phone")]
    NotAsked,
    /// Another number of the tenant has the phone number: it was rejected.
    #[error("another number has the phone number")]
    Taken,
    /// The session ended before it was stored; the next one asks again.
    #[error("the session ended; it asks again")]
    Interrupted,
}

impl Supervisor {
    /// A supervisor that runs nothing yet; [`Supervisor::run`] starts its loop.
    pub fn new(
        store: Store,
        provider: Arc<dyn Provider>,
        clock: Arc<dyn Clock>,
        options: Options,
        wake: Arc<Notify>,
    ) -> Self {
        Self(Arc::new(Inner {
            context: Arc::new(Context {
                store,
                clock,
                options,
                wake,
                outdated: AtomicBool::new(false),
            }),
            provider,
            node: NodeId::mint(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            nudge: Notify::new(),
            running: Mutex::default(),
            turns: Turns::default(),
        }))
    }

    /// This process, as the owner of sessions.
    pub fn node(&self) -> NodeId {
        self.0.node
    }

    /// Recovers what a dead process left behind, then reconciles until `shutdown`, then stops every
    /// session. Returns when all have ended.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut backoffs = Backoffs::default();
        while !shutdown.is_cancelled()
            && let Err(error) = self.recover().await
        {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "recovery failed; trying again"
            );
            let pause = tokio::time::sleep(self.retry(0));
            let _stopping = shutdown.run_until_cancelled(pause).await;
        }
        while !shutdown.is_cancelled() {
            if let Err(error) = self.reconcile(&mut backoffs, &shutdown).await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the numbers cannot be read; trying again");
            }
            // Every branch is cancel-safe; the work happens above, outside.
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.0.nudge.notified() => {}
                () = tokio::time::sleep(self.0.context.options.reconcile) => {}
            }
        }
        self.0.shutdown.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn retry(&self, tries: u32) -> Duration {
        let Options { retry_base: base, retry_cap: cap, .. } = self.0.context.options;
        Backoff { base, cap }.jittered(tries)
    }

    async fn recover(&self) -> Result<(), StoreError> {
        let now = self.0.context.clock.now();
        let mut tx = self.0.context.store.begin().await?;
        let (reserved, pairing) = tx.numbers().recover(self.0.node, now).await?;
        tx.commit().await?;
        if reserved + pairing > 0 {
            tracing::info!(reserved, pairing, "undid what a dead process left half-done");
        }
        Ok(())
    }

    async fn reconcile(
        &self,
        backoffs: &mut Backoffs,
        shutdown: &CancellationToken,
    ) -> Result<(), StoreError> {
        let runnable = self.0.context.store.read().await?.numbers().runnable().await?;
        for Runnable { id, unlink } in runnable {
            if shutdown.is_cancelled() {
                break;
            }
            // A session that runs is no proof that the device is being unlinked.
            let running = !unlink && self.find(id).is_some();
            if running || !backoffs.is_due(id) {
                continue;
            }
            let retry = self.retry(backoffs.tries(id));
            backoffs.tried(id, retry);
            if unlink {
                let supervisor = self.clone();
                self.0.tasks.spawn(async move { supervisor.unlink_again(id).await });
            } else if let Err(error) = self.resume(id).await {
                log_start_failure(id, &error);
            }
            // Paced, so that a restart with many numbers is no storm.
            tokio::time::sleep(self.0.context.options.resume_pace).await;
        }
        backoffs.settle(|id| self.is_open(id));
        Ok(())
    }

    /// Starts what the reconciler found missing. Whoever holds the number's turn is at it already,
    /// and the row may have changed since it was read.
    async fn resume(&self, id: NumberId) -> Result<(), StartError> {
        let turn = self.0.turns.of(id);
        let Ok(_turn) = turn.try_lock() else { return Ok(()) };
        if self.find(id).is_none() && self.row(id).await?.is_some_and(|row| resumes(&row)) {
            self.start(id, Mode::Resume).await?;
        }
        Ok(())
    }

    async fn unlink_again(&self, id: NumberId) {
        let turn = self.0.turns.of(id);
        let Ok(_turn) = turn.try_lock() else { return };
        match self.row(id).await {
            Ok(Some(row)) if row.unlink_pending => {}
            Ok(_) => return,
            Err(error) => return log_start_failure(id, &error.into()),
        }
        match self.unlink_in_turn(id).await {
            Ok(()) => tracing::info!(number.id = %id, "a removed number's device is unlinked"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(number.id = %id, error, "a removed number's device is still linked");
            }
        }
    }

    /// Starts a fresh pairing attempt, in place of whatever session the number has.
    ///
    /// # Errors
    ///
    /// [`StartError`]; the number is as it was, but for a session that was stopped.
    pub async fn pair(&self, id: NumberId) -> Result<watch::Receiver<Pairing>, StartError> {
        let turn = self.0.turns.of(id);
        let _turn = turn.lock().await;
        self.start(id, Mode::Pair).await
    }

    async fn start(
        &self,
        id: NumberId,
        mode: Mode,
    ) -> Result<watch::Receiver<Pairing>, StartError> {
        // `run` does not return while a start is under way.
        let _token = self.0.tasks.token();
        if mode == Mode::Pair {
            // Before anything is stopped or wiped: a connected number is left alone.
            self.refuse_open(id).await?;
        }
        self.stop_running(id).await;
        if mode == Mode::Pair {
            // Again, because the session may have logged in before it heard that it should stop.
            let refused = self.refuse_open(id).await;
            if refused.is_err() {
                self.reconcile_soon();
            }
            refused?;
        }
        if self.0.shutdown.is_cancelled() {
            return Err(StartError::Stopping);
        }
        let number = self.claim(id).await?;
        let (sender, signals) = mpsc::channel(SIGNALS_MAX);
        let opened = self.open(&number, mode, sender).await;
        let connection = match opened {
            Ok(connection) => connection,
            Err(StartError::Open(OpenError::NoSession)) if mode == Mode::Resume => {
                self.close_without_session(&number).await?;
                return Err(OpenError::NoSession.into());
            }
            Err(error) => return Err(error),
        };
        let (pairing, watcher) = watch::channel(Pairing::default());
        let store = self.0.context.store.clone();
        let conduct = Conduct::new(store, id, Arc::clone(&connection));
        let (reply_to, replies) = mpsc::channel(REPLIES_MAX);
        let running = Running {
            epoch: number.epoch,
            connection: Arc::clone(&connection),
            conduct: conduct.clone(),
            pairing: watcher.clone(),
            nudge: Arc::new(Notify::new()),
            replies: reply_to,
            stop: self.0.shutdown.child_token(),
            ended: CancellationToken::new(),
        };
        self.lock().insert(id, running.clone());
        let actor = Actor {
            context: Arc::clone(&self.0.context),
            number: id,
            phone: number.phone,
            epoch: number.epoch,
            mode,
            connection,
            conduct,
            signals,
            pairing,
            nudge: running.nudge,
            replies,
            stop: running.stop,
            state: State::new(mode),
        };
        self.spawn(actor, running.ended);
        Ok(watcher)
    }

    /// A panic in one session ends that session only: its client is closed, and the reconciler
    /// starts a new one.
    fn spawn(&self, actor: Actor, ended: CancellationToken) {
        let (supervisor, id, epoch) = (self.clone(), actor.number, actor.epoch);
        let (connection, patience) =
            (Arc::clone(&actor.connection), actor.context.options.stop_timeout);
        self.0.tasks.spawn(async move {
            let guard = Ended { supervisor: supervisor.clone(), id, epoch, token: ended };
            let panicked = AssertUnwindSafe(actor.run()).catch_unwind().await.is_err();
            if panicked {
                metrics::counter!("sessions_panics_total").increment(1);
                tracing::error!(number.id = %id, "a session panicked; it will be restarted");
                let close = AssertUnwindSafe(connection.close()).catch_unwind();
                let _closed = tokio::time::timeout(patience, close).await;
            }
            drop(guard);
            if panicked {
                supervisor.reconcile_soon();
            }
        });
    }

    async fn refuse_open(&self, id: NumberId) -> Result<(), StartError> {
        let row = self.row(id).await?.ok_or(StartError::Gone)?;
        if row.link == Link::Open {
            Err(StartError::AlreadyOpen)
        } else if row.awaits_login() {
            Err(StartError::Reconnecting)
        } else {
            Ok(())
        }
    }

    async fn row(&self, id: NumberId) -> Result<Option<Number>, StoreError> {
        self.0.context.store.read().await?.numbers().get(id).await
    }

    async fn claim(&self, id: NumberId) -> Result<Number, StartError> {
        let mut tx = self.0.context.store.begin().await?;
        let number = tx.numbers().claim(id, self.0.node).await?.ok_or(StartError::Gone)?;
        tx.commit().await?;
        Ok(number)
    }

    async fn open(
        &self,
        number: &Number,
        mode: Mode,
        signals: mpsc::Sender<Signal>,
    ) -> Result<Arc<dyn Connection>, StartError> {
        let spec = OpenSpec {
            number: number.id,
            tenant: number.tenant,
            phone: number.phone.clone(),
            epoch: number.epoch,
            mode,
            behaviour: Behaviour::of(&number.settings),
            signals,
        };
        // Contained: whoever starts a session, the reconciler above all, looks after others as well.
        let opened = AssertUnwindSafe(self.0.provider.open(spec)).catch_unwind().await;
        let opened = opened.map_err(|_panic| OpenError::Build("the client panicked".into()))?;
        Ok(Arc::from(opened?))
    }

    /// The row says that there was a connection, but nothing is stored to resume it with.
    async fn close_without_session(&self, number: &Number) -> Result<(), StoreError> {
        let input = match number.link {
            // No phone had answered when its session ended.
            Link::Pairing => Input::PairingEnded(CloseReason::CodesExpired),
            Link::Closed(_) | Link::Open | Link::Resuming { .. } => {
                Input::Revoked(CloseReason::NotPaired)
            }
        };
        let now = self.0.context.clock.now();
        let mut tx = self.0.context.store.begin().await?;
        tx.numbers().step(number.id, number.epoch, input, now).await?;
        tx.numbers().unlinked(number.id).await?;
        tx.commit().await?;
        self.0.context.wake.notify_one();
        Ok(())
    }

    /// Stops the number's session without unlinking its device, and waits until it has ended.
    pub async fn stop(&self, id: NumberId) {
        let turn = self.0.turns.of(id);
        let _turn = turn.lock().await;
        self.stop_running(id).await;
    }

    async fn stop_running(&self, id: NumberId) {
        let Some(running) = self.find(id) else { return };
        running.stop.cancel();
        running.ended.cancelled().await;
    }

    /// Unlinks the number's device from the account, waits for WhatsApp's confirmation, drops the
    /// stored session and stops the running one.
    ///
    /// # Errors
    ///
    /// [`UnlinkError`] when it is not confirmed; the row still says that it is to be done, and the
    /// supervisor does it as soon as WhatsApp can be reached.
    pub async fn unlink(&self, id: NumberId) -> Result<(), UnlinkError> {
        let turn = self.0.turns.of(id);
        let _turn = turn.lock().await;
        self.unlink_in_turn(id).await
    }

    /// In one turn to the end, so that nobody's new session is stopped, or its state dropped.
    async fn unlink_in_turn(&self, id: NumberId) -> Result<(), UnlinkError> {
        let running = match self.find(id) {
            Some(running) => running,
            None => match self.start(id, Mode::Resume).await {
                Ok(_watcher) => self.find(id).ok_or(UnlinkError::Unconfirmed)?,
                // Nothing stored means nothing linked.
                Err(StartError::Open(OpenError::NoSession)) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
        };
        let confirmed = self.log_out(&running).await;
        self.stop_running(id).await;
        if confirmed {
            self.drop_state(id).await.map_err(StartError::from)?;
            Ok(())
        } else {
            Err(UnlinkError::Unconfirmed)
        }
    }

    /// A session that has just been started needs a moment to log in before it can log out.
    async fn log_out(&self, running: &Running) -> bool {
        let deadline = Instant::now() + self.0.context.options.stop_timeout;
        let mut tries = 0;
        while !running.ended.is_cancelled() {
            match AssertUnwindSafe(running.connection.logout()).catch_unwind().await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "logout not confirmed yet");
                }
                Err(_panic) => tracing::error!("a logout panicked"),
            }
            let pause = Duration::from_millis(50) * 2_u32.saturating_pow(tries).min(20);
            tries += 1;
            if Instant::now() + pause >= deadline {
                return false;
            }
            // Ended meanwhile: perhaps because the device is unlinked already.
            let _ended = tokio::time::timeout(pause, running.ended.cancelled()).await;
        }
        false
    }

    async fn drop_state(&self, id: NumberId) -> Result<(), StoreError> {
        let mut tx = self.0.context.store.begin().await?;
        tx.numbers().unlinked(id).await?;
        tx.commit().await
    }

    /// [`Supervisor::pairing`], once whoever starts or stops the session at this moment is done.
    pub async fn settled_pairing(&self, id: NumberId) -> Option<watch::Receiver<Pairing>> {
        let turn = self.0.turns.of(id);
        let _turn = turn.lock().await;
        self.pairing(id)
    }

    /// The running pairing attempt, or the last one of a running session.
    pub fn pairing(&self, id: NumberId) -> Option<watch::Receiver<Pairing>> {
        self.find(id).map(|running| running.pairing)
    }

    /// Makes a round trip to WhatsApp for a number; `None` when it has no session here.
    pub async fn probe(&self, id: NumberId) -> Option<bool> {
        let running = self.find(id)?;
        let probe = AssertUnwindSafe(running.connection.probe()).catch_unwind().await;
        Some(matches!(probe, Ok(Ok(()))))
    }

    /// Asks WhatsApp through a number which phone numbers it knows; `None` when it has no session
    /// here.
    ///
    /// # Errors
    ///
    /// [`LookupError`].
    pub async fn lookup(
        &self,
        id: NumberId,
        phones: &[PhoneNumber],
    ) -> Result<Option<Vec<Option<Registered>>>, LookupError> {
        let Some(running) = self.find(id) else { return Ok(None) };
        running.connection.lookup(phones).await.map(Some)
    }

    /// Asks WhatsApp in which groups a number is; `None` when it has no session here.
    ///
    /// # Errors
    ///
    /// [`LookupError`].
    pub async fn groups(&self, id: NumberId) -> Result<Option<Vec<Crowd>>, LookupError> {
        let Some(running) = self.find(id) else { return Ok(None) };
        running.connection.groups().await.map(Some)
    }

    /// Asks WhatsApp which channels a number follows or owns; `None` when it has no session here.
    ///
    /// # Errors
    ///
    /// [`LookupError`].
    pub async fn newsletters(&self, id: NumberId) -> Result<Option<Vec<Crowd>>, LookupError> {
        let Some(running) = self.find(id) else { return Ok(None) };
        running.connection.newsletters().await.map(Some)
    }

    /// Fetches media that came in.
    ///
    /// # Errors
    ///
    /// [`MediaError`].
    pub async fn open_media(&self, remote: &RemoteMedia) -> Result<File, MediaError> {
        self.0.provider.open_media(remote).await
    }

    /// Shows `to` that something is being written; `None` when the number has no session here.
    ///
    /// # Errors
    ///
    /// [`LookupError`].
    pub async fn show_typing(&self, id: NumberId, to: &Peer) -> Result<Option<()>, LookupError> {
        let Some(running) = self.find(id) else { return Ok(None) };
        running.connection.show_typing(to, true).await.map(Some)
    }

    /// Has a number's client behave as its settings now say; `None` when it has no session here.
    ///
    /// # Errors
    ///
    /// [`BehaveError`]; the settings take effect with the next connection.
    pub async fn behave(&self, id: NumberId) -> Result<Option<()>, BehaveError> {
        let Some(running) = self.find(id) else { return Ok(None) };
        running.conduct.apply().await.map(Some)
    }

    /// Hands a passkey to WhatsApp, for the pairing attempt that asks for one.
    ///
    /// # Errors
    ///
    /// [`PasskeyError`]; a refusal ends the attempt.
    pub async fn answer_passkey(
        &self,
        id: NumberId,
        assertion: &Assertion,
    ) -> Result<(), PasskeyError> {
        let running = self.find(id).ok_or(PasskeyError::NotAsked)?;
        running.connection.answer_passkey(assertion).await
    }

    /// Tells WhatsApp that the phone shows the code that the pairing attempt shows.
    ///
    /// # Errors
    ///
    /// [`PasskeyError`]; a refusal ends the attempt.
    pub async fn confirm_passkey(&self, id: NumberId) -> Result<(), PasskeyError> {
        let running = self.find(id).ok_or(PasskeyError::NotAsked)?;
        running.connection.confirm_passkey().await
    }

    /// Says whether a phone that was not expected, and that a pairing asks about, is to be used. Returns
    /// once that is stored; a phone that is not to be used is unlinked afterwards.
    ///
    /// # Errors
    ///
    /// [`WrongPhoneError`].
    pub async fn answer_wrong_phone(
        &self,
        id: NumberId,
        adopt: bool,
    ) -> Result<(), WrongPhoneError> {
        let running = self.find(id).ok_or(WrongPhoneError::NotAsked)?;
        let (done, answer) = oneshot::channel();
        let sent = running.replies.send(Reply { adopt, done }).await;
        sent.map_err(|_ended| WrongPhoneError::NotAsked)?;
        answer.await.unwrap_or(Err(WrongPhoneError::Interrupted))
    }

    /// Whether WhatsApp no longer accepts our version, as far as any number has been told.
    pub fn is_outdated(&self) -> bool {
        self.0.context.outdated.load(Ordering::SeqCst)
    }

    /// Tells a session that its queue has grown. Only a hint: it looks by itself as well.
    pub fn nudge(&self, id: NumberId) {
        if let Some(running) = self.find(id) {
            running.nudge.notify_one();
        }
    }

    /// Tells the reconciler that a row has changed.
    pub fn reconcile_soon(&self) {
        self.0.nudge.notify_one();
    }

    /// How many sessions run: for metrics.
    pub fn running_count(&self) -> usize {
        self.lock().len()
    }

    fn is_open(&self, id: NumberId) -> bool {
        self.find(id).is_some_and(|running| running.pairing.borrow().outcome == Outcome::Open)
    }

    fn find(&self, id: NumberId) -> Option<Running> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NumberId, Running>> {
        // A poisoned map is whole: nothing is done under the lock but single operations.
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a session should run for a number, as `Numbers::runnable` has it.
fn resumes(number: &Number) -> bool {
    number.stage == NumberStage::Live && number.link.resumes()
}

fn log_start_failure(id: NumberId, error: &StartError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(number.id = %id, error, "a session cannot be started; trying again");
}

/// Marks a session as ended when its task ends, however it ends.
struct Ended {
    supervisor: Supervisor,
    id: NumberId,
    epoch: Epoch,
    token: CancellationToken,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut running = self.supervisor.lock();
        if running.get(&self.id).is_some_and(|running| running.epoch == self.epoch) {
            running.remove(&self.id);
        }
        drop(running);
        self.token.cancel();
    }
}

/// How often each number's session has been started in vain, and when it may be again.
#[derive(Debug, Default)]
struct Backoffs(HashMap<NumberId, (u32, Instant)>);

impl Backoffs {
    fn tries(&self, id: NumberId) -> u32 {
        self.0.get(&id).map_or(0, |(tries, _)| *tries)
    }

    fn is_due(&self, id: NumberId) -> bool {
        self.0.get(&id).is_none_or(|(_, due)| *due <= Instant::now())
    }

    fn tried(&mut self, id: NumberId, pause: Duration) {
        let tries = self.tries(id).saturating_add(1);
        self.0.insert(id, (tries, Instant::now() + pause));
    }

    /// A session that has logged in has proven itself.
    fn settle(&mut self, is_open: impl Fn(NumberId) -> bool) {
        self.0.retain(|id, _| !is_open(*id));
    }
}
