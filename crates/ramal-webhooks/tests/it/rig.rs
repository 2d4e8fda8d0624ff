//! A store with one number, and a worker over it.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use ramal_domain::{
    Clock as _, Event, EventKind, FakeClock, NodeId, NumberEvent, NumberId, PhoneNumber, TenantId,
    Timestamp, WebhookId, WebhookSecret,
};
use ramal_store::{
    LoggedAttempt, MasterKey, NewNumber, NewWebhook, Reservation, Store, Tenant, Vault,
};
use ramal_webhooks::{Options, Worker};
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::receiver::PATIENCE;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Between two looks at the database.
const GLANCE: Duration = Duration::from_millis(10);

/// What differs from the defaults in tests: private addresses, and a quick poll, because time stands
/// still until the test moves it.
pub(crate) fn options() -> Options {
    Options { allow_private: true, poll: Duration::from_millis(20), ..Options::default() }
}

pub(crate) fn limit(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap()
}

pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) options: Options,
    pub(crate) shutdown: CancellationToken,
    wake: Arc<Notify>,
    worker: JoinSet<()>,
    tenant: TenantId,
    number: NumberId,
    _folder: TempDir,
}

impl Rig {
    /// Everything but the worker, see [`Rig::run`].
    pub(crate) async fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/ramal.db", folder.path().display());
        let store = Store::open(
            &ramal_store::Options { url: url.into(), max_connections: 4 },
            Vault::new(MasterKey::mint()),
        )
        .await
        .unwrap();
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_780_000_000)));
        let (tenant, number) = (TenantId::mint(), NumberId::mint());
        let now = clock.now();
        let mut tx = store.begin().await.unwrap();
        let account = Tenant { id: tenant, name: "Acme".to_owned(), created_at: now };
        tx.tenants().create(&account).await.unwrap();
        let phone = phone();
        let new = NewNumber {
            id: number,
            tenant,
            phone: &phone,
            name: "Sales",
            settings: "{}",
            provider: ramal_domain::Provider::Web,
        };
        let reserved = tx.numbers().reserve(&new, NodeId::mint(), now).await.unwrap();
        assert!(matches!(reserved, Reservation::Reserved(_)));
        tx.numbers().publish(number, now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        Self {
            store,
            clock,
            options,
            shutdown: CancellationToken::new(),
            wake: Arc::default(),
            worker: JoinSet::new(),
            tenant,
            number,
            _folder: folder,
        }
    }

    /// Subscribes `url` to everything.
    pub(crate) async fn webhook(&self, url: &str) -> WebhookId {
        let (id, secret) = (WebhookId::mint(), SECRET.parse::<WebhookSecret>().unwrap());
        let webhook = NewWebhook {
            id,
            tenant: self.tenant,
            number: self.number,
            name: "n8n",
            url,
            events: &["*".to_owned()],
            active: true,
            secret: &secret,
        };
        let mut tx = self.store.begin().await.unwrap();
        tx.webhooks().create(&webhook, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    fn build(&self, name: &str) -> Event {
        NumberEvent {
            tenant: self.tenant,
            number: self.number,
            phone: phone(),
            display_name: name.to_owned(),
            profile_name: None,
            reason: None,
        }
        .build(EventKind::NumberConnected, self.clock.now())
    }

    /// Something happens, as committed by the rest of the gateway.
    pub(crate) async fn event(&self, name: &str) {
        let mut tx = self.store.begin().await.unwrap();
        tx.events().record(&self.build(name)).await.unwrap();
        tx.commit().await.unwrap();
        self.wake.notify_one();
    }

    /// Much happens before anybody delivers it.
    pub(crate) async fn backlog(&self, count: usize) {
        let mut tx = self.store.begin().await.unwrap();
        for _ in 0..count {
            tx.events().record(&self.build("backlog")).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Starts a worker; the last thing before the test looks at what it does.
    pub(crate) fn run(&mut self) {
        let worker = Worker::new(
            self.store.clone(),
            Arc::<FakeClock>::clone(&self.clock),
            self.options.clone(),
            Arc::clone(&self.wake),
        )
        .unwrap();
        self.worker.spawn(worker.run(self.shutdown.clone()));
    }

    /// Waits until every worker has ended.
    pub(crate) async fn ended(&mut self) {
        tokio::time::timeout(PATIENCE, async {
            while let Some(ended) = self.worker.join_next().await {
                ended.unwrap();
            }
        })
        .await
        .unwrap();
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
        self.wake.notify_one();
    }

    pub(crate) async fn log(&self, webhook: WebhookId) -> Vec<LoggedAttempt> {
        let mut tx = self.store.read().await.unwrap();
        tx.deliveries().log(webhook, None, 50).await.unwrap()
    }

    /// Waits until `count` attempts to `webhook` were settled, and returns them, newest first.
    pub(crate) async fn settled(&self, webhook: WebhookId, count: usize) -> Vec<LoggedAttempt> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log(webhook).await;
            if log.len() >= count {
                return log;
            }
            assert!(Instant::now() < deadline, "{} of {count} attempts", log.len());
            tokio::time::sleep(GLANCE).await;
        }
    }

    pub(crate) async fn is_active(&self, webhook: WebhookId) -> bool {
        let mut tx = self.store.read().await.unwrap();
        tx.webhooks().find(self.tenant, webhook).await.unwrap().unwrap().active
    }

    /// Gives `webhook` another secret; the one before stays valid for `overlap`.
    pub(crate) async fn rotate(&self, webhook: WebhookId, secret: &str, overlap: Duration) {
        let (secret, now) = (secret.parse::<WebhookSecret>().unwrap(), self.clock.now());
        let mut tx = self.store.begin().await.unwrap();
        let until = now.after(overlap);
        tx.webhooks().rotate_secret(self.tenant, webhook, &secret, until, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn pending(&self, webhook: WebhookId) -> u64 {
        self.store.read().await.unwrap().deliveries().pending(webhook).await.unwrap()
    }
}

fn phone() -> PhoneNumber {
    "+5511999999999".parse().unwrap()
}
