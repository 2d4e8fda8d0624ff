//! A scripted WhatsApp: what a client reports and answers, the test decides.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use ramal_domain::{Assertion, CloseReason, NumberId, Peer, PhoneNumber, WireId};
use ramal_session::{
    Account, BehaveError, Behaviour, Call as Ring, Connection, LogoutError, Mode, OpenError,
    OpenSpec, PasskeyError, ProbeError, Provider, RejectError, SendError, Signal,
};
use ramal_store::{Epoch, QueuedMessage, SessionState, StateWrite, Store};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Where the provider keeps a paired client's credentials.
pub(crate) const SPACE: &str = "script";
const KEY: &str = "credentials";
/// More than any test opens or sends.
const ROOM: usize = 4096;

/// What can be made to panic or to take its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Open,
    Prepare,
    SendText,
    Probe,
    Logout,
    Close,
}

/// What happened to clients, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    Open(Mode, Epoch),
    /// Whether it was confirmed.
    Logout(bool),
    /// Handed a passkey to WhatsApp.
    Passkey(Assertion),
    /// Said that the codes are the same.
    Confirm,
    Close(Epoch),
}

/// The provider. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Script {
    store: Store,
    clients: mpsc::Sender<Client>,
    told: Arc<Mutex<Told>>,
    /// A call that is held up has arrived there.
    arrived: Arc<Notify>,
    released: Arc<Notify>,
}

/// What the test wants, and what came of it.
#[derive(Default)]
struct Told {
    panics: HashSet<(NumberId, Call)>,
    held_up: HashSet<(NumberId, Call)>,
    /// Clients that nobody answers any more.
    silent: Vec<(NumberId, Epoch)>,
    /// What logouts come to; `true` when nothing is left.
    logouts: VecDeque<bool>,
    journal: Vec<(NumberId, Did)>,
    /// How clients were last told to behave.
    behaviours: HashMap<NumberId, Behaviour>,
    rejected: Vec<(NumberId, String)>,
    live: HashMap<NumberId, u32>,
    /// The most clients of one number at once.
    live_max: u32,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub(crate) fn new(store: Store) -> (Self, mpsc::Receiver<Client>) {
        let (clients, opened) = mpsc::channel(ROOM);
        let (arrived, released) = (Arc::default(), Arc::default());
        (Self { store, clients, told: Arc::default(), arrived, released }, opened)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// Makes the next call of this kind panic, once.
    pub(crate) fn panic_at(&self, number: NumberId, point: Call) {
        self.told().panics.insert((number, point));
    }

    /// Lets a client's probes fail from now on.
    pub(crate) fn silence(&self, client: &Client) {
        self.told().silent.push((client.number, client.epoch));
    }

    /// Whether a call that was to panic has done so.
    pub(crate) fn has_panicked(&self, number: NumberId, point: Call) -> bool {
        !self.told().panics.contains(&(number, point))
    }

    /// Holds up the next call of this kind until [`Script::release`].
    pub(crate) fn hold_up(&self, number: NumberId, call: Call) {
        self.told().held_up.insert((number, call));
    }

    /// Waits until a call is held up.
    pub(crate) async fn is_held_up(&self) {
        self.arrived.notified().await;
    }

    pub(crate) fn release(&self) {
        self.released.notify_one();
    }

    pub(crate) fn answer_logouts(&self, confirmed: impl IntoIterator<Item = bool>) {
        self.told().logouts.extend(confirmed);
    }

    pub(crate) fn journal(&self, number: NumberId) -> Vec<Did> {
        let told = self.told();
        told.journal.iter().filter(|(of, _)| *of == number).map(|(_, did)| did.clone()).collect()
    }

    /// How a number's client was last told to behave.
    pub(crate) fn behaviour(&self, number: NumberId) -> Option<Behaviour> {
        self.told().behaviours.get(&number).copied()
    }

    pub(crate) fn forget_behaviour(&self, number: NumberId) {
        self.told().behaviours.remove(&number);
    }

    /// The calls to a number that were rejected.
    pub(crate) fn rejected(&self, number: NumberId) -> Vec<String> {
        let told = self.told();
        told.rejected.iter().filter(|(of, _)| *of == number).map(|(_, id)| id.clone()).collect()
    }

    /// How many clients of a number are open.
    pub(crate) fn live(&self, number: NumberId) -> u32 {
        self.told().live.get(&number).copied().unwrap_or_default()
    }

    pub(crate) fn live_max(&self) -> u32 {
        self.told().live_max
    }

    fn trip(&self, number: NumberId, point: Call) {
        let tripped = self.told().panics.remove(&(number, point));
        assert!(!tripped, "scripted panic in {point:?}");
    }

    async fn wait(&self, number: NumberId, call: Call) {
        let held_up = self.told().held_up.remove(&(number, call));
        if held_up {
            self.arrived.notify_one();
            self.released.notified().await;
        }
    }

    fn opened(&self, spec: &OpenSpec) {
        let mut told = self.told();
        told.journal.push((spec.number, Did::Open(spec.mode, spec.epoch)));
        let live = told.live.entry(spec.number).or_default();
        *live += 1;
        let live = *live;
        told.live_max = told.live_max.max(live);
    }
}

#[async_trait]
impl Provider for Script {
    async fn open(&self, spec: OpenSpec) -> Result<Box<dyn Connection>, OpenError> {
        self.trip(spec.number, Call::Open);
        self.wait(spec.number, Call::Open).await;
        let state = self.store.session_state(spec.number, spec.epoch);
        match spec.mode {
            Mode::Pair => state.wipe().await.map_err(|error| OpenError::Build(error.into()))?,
            Mode::Resume => {
                let stored = state.get(SPACE, KEY).await;
                let stored = stored.map_err(|error| OpenError::Build(error.into()))?;
                stored.ok_or(OpenError::NoSession)?;
            }
        }
        self.opened(&spec);
        let (sender, sends) = mpsc::channel(ROOM);
        let gone = CancellationToken::new();
        let reports = Reports::default();
        let line = Line {
            script: self.clone(),
            number: spec.number,
            epoch: spec.epoch,
            sends: sender,
            gone: gone.clone(),
            reports: Arc::clone(&reports),
        };
        let OpenSpec { number, phone, epoch, mode, signals, tenant: _, behaviour: _ } = spec;
        *reports.lock().unwrap() = Some(signals);
        let client = Client { number, phone, epoch, mode, state, sends, gone, reports };
        self.clients.send(client).await.map_err(|error| OpenError::Build(error.into()))?;
        Ok(Box::new(line))
    }
}

/// Where a client reports, for as long as it runs.
type Reports = Arc<Mutex<Option<mpsc::Sender<Signal>>>>;

/// The session's end of a client.
struct Line {
    script: Script,
    number: NumberId,
    epoch: Epoch,
    sends: mpsc::Sender<Sending>,
    gone: CancellationToken,
    reports: Reports,
}

impl Line {
    fn leave(&self) {
        let mut told = self.script.told();
        if self.gone.is_cancelled() {
            return;
        }
        self.gone.cancel();
        *self.reports.lock().unwrap() = None;
        told.journal.push((self.number, Did::Close(self.epoch)));
        *told.live.entry(self.number).or_default() -= 1;
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

#[async_trait]
impl Connection for Line {
    async fn prepare(&self, _message: &QueuedMessage) -> Result<(), SendError> {
        self.script.trip(self.number, Call::Prepare);
        self.script.wait(self.number, Call::Prepare).await;
        Ok(())
    }

    async fn send(&self, message: &QueuedMessage) -> Result<(), SendError> {
        self.script.trip(self.number, Call::SendText);
        let (answer, answered) = oneshot::channel();
        let Peer::Phone(to) = message.to.clone() else { return Err(offline()) };
        let text = message.content.words().unwrap_or_default().to_owned();
        let sending = Sending { wire_id: message.wire_id.clone(), to, text, answer };
        self.sends.send(sending).await.map_err(|_no_client| offline())?;
        answered.await.map_err(|_no_answer| offline())?
    }

    async fn answer_passkey(&self, assertion: &Assertion) -> Result<(), PasskeyError> {
        self.script.told().journal.push((self.number, Did::Passkey(assertion.clone())));
        Ok(())
    }

    async fn confirm_passkey(&self) -> Result<(), PasskeyError> {
        self.script.told().journal.push((self.number, Did::Confirm));
        Ok(())
    }

    async fn behave(&self, behaviour: Behaviour) -> Result<(), BehaveError> {
        self.script.told().behaviours.insert(self.number, behaviour);
        Ok(())
    }

    async fn reject_call(&self, ring: &Ring) -> Result<Option<PhoneNumber>, RejectError> {
        self.script.told().rejected.push((self.number, ring.id.clone()));
        Ok(ring.phone.clone())
    }

    async fn probe(&self) -> Result<(), ProbeError> {
        self.script.trip(self.number, Call::Probe);
        let silent = self.script.told().silent.contains(&(self.number, self.epoch));
        if silent || self.gone.is_cancelled() { Err(ProbeError) } else { Ok(()) }
    }

    async fn logout(&self) -> Result<(), LogoutError> {
        self.script.trip(self.number, Call::Logout);
        if self.gone.is_cancelled() {
            // Like the real client, which knows that it was unlinked: a tick may ask again.
            return Ok(());
        }
        let confirmed = {
            let mut told = self.script.told();
            let confirmed = told.logouts.pop_front().unwrap_or(true);
            told.journal.push((self.number, Did::Logout(confirmed)));
            confirmed
        };
        if !confirmed {
            return Err(LogoutError("no answer".into()));
        }
        self.leave();
        Ok(())
    }

    async fn close(&self) {
        self.script.trip(self.number, Call::Close);
        self.script.wait(self.number, Call::Close).await;
        self.leave();
    }
}

pub(crate) fn offline() -> SendError {
    SendError::Offline("the socket is gone".into())
}

/// A message that a session hands over, and waits for the answer.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) wire_id: WireId,
    pub(crate) to: PhoneNumber,
    pub(crate) text: String,
    answer: oneshot::Sender<Result<(), SendError>>,
}

impl Sending {
    pub(crate) fn answer(self, result: Result<(), SendError>) {
        // A session that was cut meanwhile does not hear it.
        let _unheard = self.answer.send(result);
    }
}

/// The test's end of a client. Dropping it is the death of the client's task.
pub(crate) struct Client {
    pub(crate) number: NumberId,
    pub(crate) phone: PhoneNumber,
    pub(crate) epoch: Epoch,
    pub(crate) mode: Mode,
    state: SessionState,
    pub(crate) sends: mpsc::Receiver<Sending>,
    /// Cancelled when the session has closed the client.
    pub(crate) gone: CancellationToken,
    reports: Reports,
}

impl Drop for Client {
    fn drop(&mut self) {
        *self.reports.lock().unwrap() = None;
    }
}

impl Client {
    /// Reports something; a session that has ended does not hear it.
    pub(crate) async fn tell(&self, signal: Signal) {
        let reports = self.reports.lock().unwrap().clone();
        if let Some(reports) = reports {
            let _unheard = reports.send(signal).await;
        }
    }

    /// Whether everything that was told has been taken.
    pub(crate) fn is_heard(&self) -> bool {
        let reports = self.reports.lock().unwrap();
        reports.as_ref().is_none_or(|reports| reports.capacity() == reports.max_capacity())
    }

    /// Stores credentials, as a client does when the phone accepts it.
    pub(crate) async fn store_credentials(&self) -> bool {
        self.state.apply(&[StateWrite::put(SPACE, KEY, b"secret")]).await.is_ok()
    }

    /// The phone with these digits accepts the client.
    pub(crate) async fn answer(&self, digits: &str) {
        self.store_credentials().await;
        self.tell(Signal::Paired(account(digits))).await;
    }

    pub(crate) async fn open(&self) {
        self.tell(Signal::Opened(account(self.phone.digits()))).await;
    }

    /// The right phone accepts the client, which logs in.
    pub(crate) async fn pair(&self) {
        self.answer(self.phone.digits()).await;
        self.open().await;
    }

    pub(crate) async fn end(&self, reason: CloseReason) {
        self.tell(Signal::Ended(reason)).await;
    }
}

pub(crate) fn account(digits: &str) -> Account {
    Account {
        jid: Some(format!("{digits}:3@s.whatsapp.net")),
        lid: Some("77:3@lid".to_owned()),
        profile_name: Some("Ana".to_owned()),
    }
}
