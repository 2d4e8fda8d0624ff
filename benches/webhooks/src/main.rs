//! How fast events reach webhooks: sustained deliveries per second, and the time from commit to
//! receipt. Usage: `webhooks-bench [postgres://…/empty_database]`; see `benches/README.md`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use ramal_domain::{
    Clock as _, EventKind, NodeId, NumberEvent, NumberId, PhoneNumber, SystemClock, TenantId,
    WebhookId, WebhookSecret,
};
use ramal_store::{MasterKey, NewNumber, NewWebhook, Store, Tenant, Vault};
use ramal_webhooks::{Options, Worker};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Numbers with one webhook each. First attempts to a webhook go out one at a time, so one alone
/// measures the round trip, not the worker.
const WEBHOOKS: [usize; 3] = [8, 64, 256];
/// Events of the throughput run.
const BACKLOG: usize = 20_000;
/// Events of the latency run, and the pause between two.
const SAMPLES: usize = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// When each event arrived first, by its `webhook-id`.
type Arrivals = Arc<Mutex<HashMap<String, Instant>>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = std::env::args().nth(1);
    let url = url.unwrap_or_else(|| format!("sqlite://{}/ramal.db", folder.path().display()));
    println!("{}", url.split(':').next().unwrap_or_default());
    let options = ramal_store::Options { url: url.into(), max_connections: 8 };
    let store = Store::open(&options, Vault::new(MasterKey::mint())).await?;
    let arrivals = Arrivals::default();
    let target = receiver(Arc::clone(&arrivals)).await?;
    for webhooks in WEBHOOKS {
        let bench = Bench::new(&store, &arrivals, &target, webhooks).await?;
        bench.throughput().await?;
        if webhooks == 64 {
            bench.latency().await?;
        }
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let memory =
        status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    println!("memory of worker and receiver: {}", memory.collect::<Vec<_>>().join(", "));
    Ok(())
}

async fn receiver(arrivals: Arrivals) -> anyhow::Result<String> {
    async fn receive(
        State(arrivals): State<Arrivals>,
        headers: HeaderMap,
        _: String,
    ) -> StatusCode {
        let now = Instant::now();
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        arrivals.lock().expect("nobody panics").entry(id.to_owned()).or_insert(now);
        StatusCode::NO_CONTENT
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let router = Router::new().route("/hook", post(receive)).with_state(arrivals);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

struct Bench {
    store: Store,
    arrivals: Arrivals,
    tenant: TenantId,
    numbers: Vec<NumberId>,
}

impl Bench {
    async fn new(
        store: &Store,
        arrivals: &Arrivals,
        target: &str,
        webhooks: usize,
    ) -> anyhow::Result<Self> {
        let (tenant, now) = (TenantId::mint(), SystemClock.now());
        let mut numbers = Vec::new();
        let mut tx = store.begin().await?;
        tx.tenants()
            .create(&Tenant { id: tenant, name: "Bench".to_owned(), created_at: now })
            .await?;
        for index in 0..webhooks {
            let number = NumberId::mint();
            let phone: PhoneNumber = format!("+551199999{index:04}").parse()?;
            let new =
                NewNumber { id: number, tenant, phone: &phone, name: "Sales", settings: "{}" };
            tx.numbers().reserve(&new, NodeId::mint(), now).await?;
            tx.numbers().publish(number, now).await?;
            let webhook = NewWebhook {
                id: WebhookId::mint(),
                tenant,
                number,
                name: "bench",
                url: target,
                events: &["*".to_owned()],
                active: true,
                secret: &WebhookSecret::mint(),
            };
            tx.webhooks().create(&webhook, now).await?;
            numbers.push(number);
        }
        tx.commit().await?;
        Ok(Self { store: store.clone(), arrivals: Arc::clone(arrivals), tenant, numbers })
    }

    /// Commits `count` events to the numbers in turn, and returns the id of the last.
    async fn happen(&self, first: usize, count: usize) -> anyhow::Result<String> {
        let mut last = String::new();
        let mut tx = self.store.begin().await?;
        for index in first..first + count {
            let event = NumberEvent {
                tenant: self.tenant,
                number: self.numbers[index % self.numbers.len()],
                phone: "+5511999990000".parse()?,
                display_name: "My WhatsApp".to_owned(),
                profile_name: None,
                reason: None,
            }
            .build(EventKind::NumberConnected, SystemClock.now());
            tx.events().record(&event).await?;
            last = event.id.to_string();
        }
        tx.commit().await?;
        Ok(last)
    }

    fn worker(&self, wake: &Arc<Notify>, stop: &CancellationToken) -> anyhow::Result<Running> {
        let options = Options { allow_private: true, ..Options::default() };
        let (store, clock) = (self.store.clone(), Arc::new(SystemClock));
        let worker = Worker::new(store, clock, options, Arc::clone(wake))?;
        Ok(tokio::spawn(worker.run(stop.clone())))
    }

    /// Lets a backlog build up, then measures until the last delivery of it is settled.
    async fn throughput(&self) -> anyhow::Result<()> {
        for first in (0..BACKLOG).step_by(1_000) {
            self.happen(first, 1_000).await?;
        }
        let (wake, stop) = (Arc::default(), CancellationToken::new());
        let started = Instant::now();
        let worker = self.worker(&wake, &stop)?;
        while self.store.read().await?.deliveries().pending_total().await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let rate = BACKLOG as f64 / started.elapsed().as_secs_f64();
        println!("{:>3} webhooks: {rate:.0} deliveries/s", self.numbers.len());
        stop.cancel();
        worker.await.context("the worker")
    }

    /// One event at a time: from its commit to its receipt.
    async fn latency(&self) -> anyhow::Result<()> {
        let (wake, stop) = (Arc::<Notify>::default(), CancellationToken::new());
        let worker = self.worker(&wake, &stop)?;
        let mut taken = Vec::new();
        for index in 0..SAMPLES {
            let id = self.happen(index, 1).await?;
            let committed = Instant::now();
            wake.notify_one();
            let arrived = loop {
                let arrived = self.arrivals.lock().expect("nobody panics").get(&id).copied();
                match arrived {
                    Some(arrived) => break arrived,
                    None => tokio::time::sleep(Duration::from_micros(200)).await,
                }
            };
            taken.push(arrived.saturating_duration_since(committed));
            tokio::time::sleep(PAUSE).await;
        }
        taken.sort();
        let at = |percent: usize| taken[(taken.len() * percent / 100).min(taken.len() - 1)];
        println!("idle, commit to receipt: p50 {:.1?}, p99 {:.1?}", at(50), at(99));
        stop.cancel();
        worker.await.context("the worker")
    }
}

type Running = tokio::task::JoinHandle<()>;
