//! Wiring and stopping: the one place that knows every component.

use std::{
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::Context as _;
use axum::Router;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use ramal_app::App;
use ramal_domain::{ApiToken, Clock, SystemClock};
use ramal_session::Supervisor;
use ramal_store::{Store, Vault};
use ramal_web::{AuthOptions, Readiness, Web};
use ramal_whatsapp::WhatsApp;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Config, listener, master_key, private_file, proxies::Proxies};

/// How often metrics are compacted.
const UPKEEP: Duration = Duration::from_secs(5);

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    first_key: Option<ApiToken>,
    app: App,
    store: Store,
    readiness: Readiness,
    stop_timeout: Duration,
    head_timeout: Duration,
    proxies: Proxies,
    /// Stops in this order: see [`Server::stop`].
    http: Component,
    webhooks: Component,
    sessions: Component,
    official: Component,
    clients: TaskTracker,
}

/// A part that runs until it is told to stop.
#[derive(Debug, Default)]
struct Component {
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Component {
    fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
        self.tasks.close();
    }

    /// Returns whether it ended in time.
    async fn stop(&self, patience: Duration) -> bool {
        self.shutdown.cancel();
        tokio::time::timeout(patience, self.tasks.wait()).await.is_ok()
    }
}

impl Server {
    /// Starts everything. `dress` may add to the product's own routes: the sandbox does.
    ///
    /// # Errors
    ///
    /// The database, the master key or the listener cannot be had.
    pub async fn start(
        config: &Config,
        dress: impl FnOnce(Router) -> Router,
    ) -> anyhow::Result<Self> {
        Self::start_with(config, |web| web, dress).await
    }

    /// As [`Server::start`], with other choices of the web layer.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start_with(
        config: &Config,
        choose: impl FnOnce(Web) -> Web,
        dress: impl FnOnce(Router) -> Router,
    ) -> anyhow::Result<Self> {
        // First of all: a port that is taken must not cost the key that only the first start shows.
        let listener = TcpListener::bind(config.server.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.server.listen))?;
        let store = open_store(config).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let wake = Arc::new(Notify::new());
        let clients = TaskTracker::new();
        let address = listener.local_addr()?;
        let public_url = public_url(config, address);
        let provider = WhatsApp::new(
            config.whatsapp.clone(),
            store.clone(),
            Arc::clone(&clock),
            Arc::clone(&wake),
            clients.clone(),
            &public_url,
        )
        .context("the clients of WhatsApp")?;
        let supervisor = Supervisor::new(
            store.clone(),
            Arc::new(provider),
            Arc::clone(&clock),
            config.sessions.clone(),
            Arc::clone(&wake),
        );
        let app = App::new(
            store.clone(),
            supervisor.clone(),
            Arc::clone(&clock),
            config.numbers.clone(),
            config.webhooks.clone(),
            Arc::clone(&wake),
        );
        release(&store).await.context("what a dead process held")?;
        let app = app.with_limits(&config.limits).with_public_url(&public_url);
        let app = app.with_meta(&config.meta).context("the client of Meta's Cloud API")?;
        let first_key = app.ensure_tenant().await.context("the default tenant")?;
        let server = Self {
            address,
            first_key,
            app,
            store,
            readiness: Readiness::default(),
            stop_timeout: config.server.stop_timeout,
            head_timeout: config.server.head_timeout,
            // Checked when the configuration was read.
            proxies: Proxies::parse(&config.server.trusted_proxies).map_err(anyhow::Error::msg)?,
            http: Component::default(),
            webhooks: Component::default(),
            sessions: Component::default(),
            official: Component::default(),
            clients,
        };
        server.run_sessions(supervisor);
        server.run_official();
        server.run_webhooks(config, clock, wake)?;
        server.run_http(listener, config.auth, choose, dress);
        server.readiness.set(true);
        tracing::info!(address = %server.address, "listening");
        Ok(server)
    }

    fn run_sessions(&self, supervisor: Supervisor) {
        self.sessions.run(supervisor.run(self.sessions.shutdown.clone()));
    }

    fn run_official(&self) {
        self.official.run(self.app.clone().run_official(self.official.shutdown.clone()));
    }

    fn run_webhooks(
        &self,
        config: &Config,
        clock: Arc<dyn Clock>,
        wake: Arc<Notify>,
    ) -> anyhow::Result<()> {
        let options = config.webhooks.clone();
        let worker = ramal_webhooks::Worker::new(self.store.clone(), clock, options, wake)
            .context("the webhook worker")?;
        self.webhooks.run(worker.run(self.webhooks.shutdown.clone()));
        let (app, shutdown) = (self.app.clone(), self.webhooks.shutdown.clone());
        let every = config.numbers.sweep_every;
        self.webhooks.tasks.spawn(async move {
            // At once as well: a process that is often restarted must sweep, too.
            while !shutdown.is_cancelled() {
                if let Err(error) = app.sweep().await {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the sweep failed; it is tried again");
                }
                let _stopping = shutdown.run_until_cancelled(tokio::time::sleep(every)).await;
            }
        });
        Ok(())
    }

    fn run_http(
        &self,
        listener: TcpListener,
        auth: AuthOptions,
        choose: impl FnOnce(Web) -> Web,
        dress: impl FnOnce(Router) -> Router,
    ) {
        let metrics = recorder();
        if let Some(metrics) = metrics.clone() {
            let shutdown = self.http.shutdown.clone();
            self.http.tasks.spawn(async move {
                // Without this, samples that nobody fetches pile up.
                while shutdown.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
                    metrics.run_upkeep();
                }
            });
        }
        let render =
            Arc::new(move || metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default());
        let shutdown = self.http.shutdown.clone();
        let web = Web::new(self.app.clone(), self.readiness.clone(), render, shutdown.clone());
        let router = choose(web.with_auth(auth)).router(dress);
        let (head_timeout, proxies) = (self.head_timeout, self.proxies.clone());
        self.http.run(async move {
            listener::serve(listener, router, head_timeout, proxies, shutdown).await;
        });
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as an address to call.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The default tenant's key, when this start created it: shown once, kept as a hash.
    pub const fn first_key(&self) -> Option<&ApiToken> {
        self.first_key.as_ref()
    }

    /// The use cases, for binaries that add to the product.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Stops in order: no new requests, those in flight finish; webhook attempts in flight finish;
    /// sessions finish the send in hand, flush and disconnect; the store closes. Whatever takes too
    /// long is cut off: leases and wire ids make that a repeat, never a loss. Returns whether
    /// everything ended in time.
    pub async fn stop(self) -> bool {
        self.readiness.set(false);
        let patience = self.stop_timeout;
        let mut in_time = self.http.stop(patience).await;
        in_time &= tokio::time::timeout(patience, self.app.drain()).await.is_ok();
        in_time &= self.webhooks.stop(patience).await;
        in_time &= self.sessions.stop(patience).await;
        in_time &= self.official.stop(patience).await;
        self.clients.close();
        in_time &= tokio::time::timeout(patience, self.clients.wait()).await.is_ok();
        in_time &= tokio::time::timeout(patience, self.store.close()).await.is_ok();
        if in_time {
            tracing::info!("stopped");
        } else {
            tracing::warn!("stopped; something did not end in time and was cut off");
        }
        in_time
    }
}

/// One process at a time uses a database (docs/operations.md), so whoever held a lease of a delivery
/// or the claim of an idempotency key is dead.
async fn release(store: &Store) -> anyhow::Result<()> {
    let mut tx = store.begin().await?;
    tx.deliveries().release_leases().await?;
    tx.idempotency().release_all().await?;
    Ok(tx.commit().await?)
}

/// Opens the database under the master key, both of which the first start creates.
///
/// # Errors
///
/// One of them cannot be had, or the database was sealed with another key.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let dir = &config.data_dir;
    std::fs::DirBuilder::new()
        .recursive(true)
        // Messages and phone numbers are in there.
        .mode(0o700)
        .create(dir)
        .with_context(|| dir.display().to_string())?;
    let loaded = master_key::load(&config.secrets)?;
    if let Some(file) = config.database_file() {
        private_file::touch(&file)?;
    }
    let store =
        Store::open(&config.database, Vault::new(loaded.key)).await.context("the database")?;
    let tenants = store.read().await?.tenants().list().await?;
    if loaded.is_new && !tenants.is_empty() {
        master_key::forget(&config.secrets)?;
        anyhow::bail!(
            "the master key is missing: {} does not exist, but the database was sealed with one; \
             restore it from your backup",
            config.secrets.master_key_file.display()
        );
    }
    Ok(store)
}

/// What links for people begin with.
fn public_url(config: &Config, address: SocketAddr) -> String {
    let configured = &config.server.public_url;
    if configured.is_empty() { format!("http://{address}") } else { configured.clone() }
}

/// The process's one metrics recorder; tests may start several servers in a process.
fn recorder() -> Option<PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| match PrometheusBuilder::new().install_recorder() {
            Ok(handle) => Some(handle),
            Err(error) => {
                tracing::error!(%error, "metrics are off");
                None
            }
        })
        .clone()
}
