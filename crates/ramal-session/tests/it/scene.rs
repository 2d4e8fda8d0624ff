//! A database, a scripted WhatsApp and a supervisor, for tests to play with.

use std::{sync::Arc, time::Duration};

use ramal_domain::{
    Clock as _, CloseReason, Content, CorrelationId, EventKind, FakeClock, Link, Media, MediaKind,
    MediaSource, MessageId, MessageStatus, NodeId, NumberId, Peer, PhoneNumber, Provider, TenantId,
    Timestamp, WireId,
};
use ramal_session::{Options, Outcome, Pairing, Supervisor};
use ramal_store::{
    Draft, Epoch, MasterKey, Message, NewNumber, Number, Reservation, Schedule, Store, Tenant,
    Vault,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::script::{Client, SPACE, Script, Sending};

/// When tests begin.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);
/// How long anything may take, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often the database is asked whether something has happened.
const LOOK: Duration = Duration::from_millis(5);

/// Options under which everything happens soon.
pub(crate) fn brisk() -> Options {
    Options {
        confirm_outage: Duration::from_millis(100),
        probe_after: Duration::from_hours(1),
        resume_pace: Duration::ZERO,
        reconcile: Duration::from_millis(20),
        retry_base: Duration::from_millis(5),
        retry_cap: Duration::from_millis(20),
        dial_failures_max: 2,
        stop_timeout: Duration::from_secs(5),
        messages_per_minute: 0,
        ..Options::default()
    }
}

/// Options under which no outage is ever confirmed.
pub(crate) fn patient() -> Options {
    Options { confirm_outage: Duration::from_hours(1), ..brisk() }
}

/// Waits for `future`, but not forever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(DEADLINE, future).await;
    in_time.unwrap_or_else(|_elapsed| panic!("{what} did not happen in time"))
}

/// Everything that a test needs.
pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) script: Script,
    pub(crate) tenant: TenantId,
    pub(crate) sessions: Supervisor,
    options: Options,
    shutdown: CancellationToken,
    running: JoinSet<()>,
    opened: mpsc::Receiver<Client>,
    /// Clients of other numbers than the one that was asked for.
    aside: Vec<Client>,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::with(brisk()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let mut scene = Self::dormant(options).await;
        scene.boot();
        scene
    }

    /// With a supervisor that does not run yet.
    pub(crate) async fn dormant(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/ramal.db", folder.path().display());
        let database = ramal_store::Options { url: url.into(), max_connections: 6 };
        let store = Store::open(&database, Vault::new(MasterKey::mint())).await.unwrap();
        let tenant = Tenant { id: TenantId::mint(), name: "Acme".to_owned(), created_at: NOW };
        let mut tx = store.begin().await.unwrap();
        tx.tenants().create(&tenant).await.unwrap();
        tx.commit().await.unwrap();
        let (script, opened) = Script::new(store.clone());
        let clock = Arc::new(FakeClock::at(NOW));
        let sessions = supervisor(&store, &script, &clock, &options);
        Self {
            store,
            clock,
            script,
            tenant: tenant.id,
            sessions,
            options,
            shutdown: CancellationToken::new(),
            running: JoinSet::new(),
            opened,
            aside: Vec::new(),
            _folder: folder,
        }
    }

    /// Runs the supervisor.
    pub(crate) fn boot(&mut self) {
        self.running.spawn(self.sessions.clone().run(self.shutdown.clone()));
    }

    /// Asks the supervisor to stop, and does not wait.
    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Waits until the supervisor has returned.
    pub(crate) async fn returned(&mut self) {
        while let Some(run) = soon("the supervisor's end", self.running.join_next()).await {
            run.unwrap();
        }
    }

    pub(crate) fn has_returned(&mut self) -> bool {
        self.running.try_join_next().is_some()
    }

    /// Stops the supervisor in good order.
    pub(crate) async fn shut_down(&mut self) {
        self.begin_shutdown();
        self.returned().await;
    }

    /// A new process over the same database.
    pub(crate) async fn restart(&mut self) {
        self.shut_down().await;
        self.sessions = supervisor(&self.store, &self.script, &self.clock, &self.options);
        self.shutdown = CancellationToken::new();
        self.boot();
    }

    pub(crate) async fn reserve(&self, last: u32, owner: NodeId) -> (NumberId, Epoch) {
        let (id, phone) = (NumberId::mint(), phone(last));
        let new = NewNumber {
            id,
            tenant: self.tenant,
            phone: &phone,
            name: "Sales",
            settings: "{}",
            provider: Provider::Web,
        };
        let mut tx = self.store.begin().await.unwrap();
        let reserved = tx.numbers().reserve(&new, owner, NOW).await.unwrap();
        tx.commit().await.unwrap();
        match reserved {
            Reservation::Reserved(epoch) => (id, epoch),
            Reservation::AlreadyActive | Reservation::SoftDeleted => panic!("{reserved:?}"),
        }
    }

    /// A listed number of a process.
    pub(crate) async fn number_of(&self, last: u32, owner: NodeId) -> (NumberId, Epoch) {
        let (id, epoch) = self.reserve(last, owner).await;
        let mut tx = self.store.begin().await.unwrap();
        tx.numbers().publish(id, NOW).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        (id, epoch)
    }

    /// A listed number of this process.
    pub(crate) async fn number(&self, last: u32) -> NumberId {
        self.number_of(last, self.sessions.node()).await.0
    }

    /// A number whose client has been opened and shows nothing yet.
    pub(crate) async fn pairing(&mut self) -> (NumberId, Client, watch::Receiver<Pairing>) {
        let id = self.number(1).await;
        let watcher = self.sessions.pair(id).await.unwrap();
        let client = self.client_of(id).await;
        (id, client, watcher)
    }

    /// A connected number.
    pub(crate) async fn connected(&mut self, last: u32) -> (NumberId, Client) {
        let id = self.number(last).await;
        let mut watcher = self.sessions.pair(id).await.unwrap();
        let client = self.client_of(id).await;
        client.pair().await;
        until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
        (id, client)
    }

    /// The next client that is opened for a number, once its session is known to run: it is opened
    /// before that.
    pub(crate) async fn client_of(&mut self, id: NumberId) -> Client {
        let client = self.opened_for(id).await;
        self.eventually("the client's session", async |scene| {
            scene.sessions.pairing(id).is_some() || client.gone.is_cancelled()
        })
        .await;
        client
    }

    async fn opened_for(&mut self, id: NumberId) -> Client {
        if let Some(place) = self.aside.iter().position(|client| client.number == id) {
            return self.aside.remove(place);
        }
        loop {
            let client = soon("a new client", self.opened.recv()).await.unwrap();
            if client.number == id {
                return client;
            }
            self.aside.push(client);
        }
    }

    /// All clients that are opened from now on, for a test that plays them all.
    pub(crate) fn take_clients(&mut self) -> mpsc::Receiver<Client> {
        std::mem::replace(&mut self.opened, mpsc::channel(1).1)
    }

    pub(crate) async fn row(&self, id: NumberId) -> Option<Number> {
        self.store.read().await.unwrap().numbers().get(id).await.unwrap()
    }

    pub(crate) async fn link(&self, id: NumberId) -> Link {
        self.row(id).await.unwrap().link
    }

    pub(crate) async fn events(&self, id: NumberId) -> Vec<EventKind> {
        self.store.read().await.unwrap().events().kinds_of(id).await.unwrap()
    }

    /// Whether the number's credentials are stored.
    pub(crate) async fn has_state(&self, id: NumberId) -> bool {
        let Some(row) = self.row(id).await else { return false };
        let state = self.store.session_state(id, row.epoch);
        !state.keys(SPACE, "").await.unwrap().is_empty()
    }

    /// Waits until the database is as it should be.
    #[expect(clippy::future_not_send, reason = "tests await it where they are")]
    pub(crate) async fn eventually(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        soon(what, async {
            while !holds(self).await {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
    }

    pub(crate) async fn until_link(&self, id: NumberId, link: Link) {
        let what = format!("the link's being {link:?}");
        self.eventually(&what, async |scene| scene.link(id).await == link).await;
    }

    pub(crate) async fn until_closed(&self, id: NumberId, reason: CloseReason) {
        self.until_link(id, Link::Closed(reason)).await;
        self.until_ended(id).await;
    }

    /// Waits until the number has no session here.
    pub(crate) async fn until_ended(&self, id: NumberId) {
        self.eventually("the session's end", async |scene| scene.sessions.pairing(id).is_none())
            .await;
    }

    /// Queues a text to somebody, and nudges the session.
    pub(crate) async fn queue_to(
        &self,
        id: NumberId,
        to: &PhoneNumber,
        text: &str,
    ) -> (MessageId, WireId) {
        self.queue_content(id, to, &Content::Text { body: text.to_owned() }).await
    }

    /// Queues a picture with `caption` below it.
    pub(crate) async fn queue_picture(
        &self,
        id: NumberId,
        to: &PhoneNumber,
        caption: &str,
    ) -> (MessageId, WireId) {
        let source = MediaSource::Link("https://example.com/cat.jpg".to_owned());
        let caption = Some(caption.to_owned());
        let media = Media { kind: MediaKind::Image, source, caption, file_name: None };
        self.queue_content(id, to, &Content::Media(media)).await
    }

    async fn queue_content(
        &self,
        id: NumberId,
        to: &PhoneNumber,
        content: &Content,
    ) -> (MessageId, WireId) {
        let (message, wire_id) = (MessageId::mint(), WireId::mint());
        let draft = Draft {
            id: message,
            tenant: self.tenant,
            number: id,
            wire_id: &wire_id,
            correlation: CorrelationId::mint(),
            to: &Peer::Phone(to.clone()),
            content,
            bytes: None,
            mark_read: false,
            origin: "API",
            schedule: Schedule::default(),
            template: None,
            labels: &[],
        };
        let now = self.clock.now();
        let mut tx = self.store.begin().await.unwrap();
        tx.messages().accept(&draft, now).await.unwrap();
        tx.commit().await.unwrap();
        self.sessions.nudge(id);
        (message, wire_id)
    }

    /// Queues a text to the usual recipient, and nudges the session.
    pub(crate) async fn queue(&self, id: NumberId, text: &str) -> (MessageId, WireId) {
        self.queue_to(id, &phone(9999), text).await
    }

    /// The next message that a client is given; time passes while it is awaited.
    pub(crate) async fn sending(&self, client: &mut Client) -> Sending {
        soon("a message", async {
            loop {
                match tokio::time::timeout(LOOK, client.sends.recv()).await {
                    Ok(sending) => break sending.unwrap(),
                    Err(_elapsed) => self.clock.advance(LOOK),
                }
            }
        })
        .await
    }

    pub(crate) async fn message(&self, number: NumberId, id: MessageId) -> Message {
        let mut tx = self.store.read().await.unwrap();
        tx.messages().find(self.tenant, number, &id.to_string()).await.unwrap().unwrap()
    }

    pub(crate) async fn until_status(&self, number: NumberId, id: MessageId, is: MessageStatus) {
        let what = format!("the message's being {is:?}");
        self.eventually(&what, async |scene| scene.message(number, id).await.status == is).await;
    }

    /// Removes a number, as the application does.
    pub(crate) async fn remove(&self, id: NumberId) {
        let until = NOW.after(Duration::from_hours(24));
        let mut tx = self.store.begin().await.unwrap();
        tx.numbers().remove(self.tenant, id, until, NOW).await.unwrap().unwrap();
        tx.commit().await.unwrap();
    }
}

fn supervisor(
    store: &Store,
    script: &Script,
    clock: &Arc<FakeClock>,
    options: &Options,
) -> Supervisor {
    Supervisor::new(
        store.clone(),
        Arc::new(script.clone()),
        Arc::<FakeClock>::clone(clock),
        options.clone(),
        Arc::new(Notify::new()),
    )
}

/// Waits until a pairing attempt shows what it should, and returns it.
pub(crate) async fn until(
    watcher: &mut watch::Receiver<Pairing>,
    shows: impl FnMut(&Pairing) -> bool,
) -> Pairing {
    soon("the pairing's turn", watcher.wait_for(shows)).await.unwrap().clone()
}

pub(crate) fn phone(last: u32) -> PhoneNumber {
    format!("+551199999{last:04}").parse().unwrap()
}
