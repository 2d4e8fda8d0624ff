//! Opens clients: [`WhatsApp`] is the session layer's door to WhatsApp.

use std::{
    fmt,
    fs::File,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use async_trait::async_trait;
use ramal_domain::Clock;
use ramal_egress::{Fetcher, Policy};
use ramal_session::{Connection, MediaError, Mode, OpenError, OpenSpec, Provider};
use ramal_store::{RemoteMedia, SessionStateError, Store, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wacore::store::{DevicePropsOverride, traits::DeviceStore as _};
use whatsapp_rust::{
    Client, bot::Bot, pair_code::PairCodeOptions, waproto::whatsapp::device_props::PlatformType,
};

use crate::{
    Options, SessionBackend,
    acks::Acks,
    connection::{Line, Running},
    events::Ears,
    history,
    http::Http,
    inbound::{Inbox, Intake},
    keeping::Keeper,
    manners::Manners,
    media::MediaDoor,
    names::Names,
    outgoing::Desk,
    passkey::Gate,
    receipts::Receipts,
    reporter::Reporter,
    runtime::ClientRuntime,
    transport::{Address, Dialer},
};

/// Opens connections to WhatsApp with whatsapp-rust.
pub struct WhatsApp {
    options: Options,
    store: Store,
    clock: Arc<dyn Clock>,
    /// Rung after inbound messages were committed.
    wake: Arc<Notify>,
    /// Every task of every client is spawned here.
    tasks: TaskTracker,
    desk: Desk,
    media: MediaDoor,
    http: Http,
    /// What links to media begin with.
    public_url: Arc<str>,
}

impl fmt::Debug for WhatsApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhatsApp").field("options", &self.options).finish_non_exhaustive()
    }
}

impl WhatsApp {
    /// A provider whose clients keep their state in `store`, run on `tasks`, and ring `wake` after
    /// inbound messages were committed. Links to media begin with `public_url`.
    ///
    /// # Errors
    ///
    /// The directory for files on their way cannot be made, or there is no TLS.
    pub fn new(
        options: Options,
        store: Store,
        clock: Arc<dyn Clock>,
        wake: Arc<Notify>,
        tasks: TaskTracker,
        public_url: &str,
    ) -> Result<Self, OpenError> {
        let scratch = options.scratch_dir.clone();
        std::fs::create_dir_all(&scratch).map_err(build_error)?;
        let policy = Policy { plain: true, private: options.media_allow_private };
        let (patience, length_max) = (options.media_timeout, options.media_max);
        let fetcher =
            Fetcher::new(policy, scratch.clone(), patience, length_max).map_err(build_error)?;
        let desk = Desk { store: store.clone(), fetcher, scratch, patience };
        let media = MediaDoor::new(&options, tasks.clone());
        let http = Http::new(&options.media_url, options.media_max, options.media_timeout);
        let public_url = Arc::from(public_url.trim_end_matches('/'));
        Ok(Self { options, store, clock, wake, tasks, desk, media, http, public_url })
    }
}

#[async_trait]
impl Provider for WhatsApp {
    async fn open(&self, spec: OpenSpec) -> Result<Box<dyn Connection>, OpenError> {
        let state = self.store.session_state(spec.number, spec.epoch);
        if spec.mode == Mode::Pair {
            state.wipe().await.map_err(wipe_error)?;
        }
        let reporter = Arc::new(Reporter::new());
        let fenced = Arc::clone(&reporter);
        let backend = SessionBackend::new(state, Arc::clone(&self.clock), move || {
            fenced.end(ramal_domain::CloseReason::Replaced);
        });
        if spec.mode == Mode::Resume {
            let device = backend.load().await.map_err(build_error)?;
            if device.is_none_or(|device| device.pn.is_none()) {
                return Err(OpenError::NoSession);
            }
        }
        let address = Address::parse(&self.options.url).map_err(build_error)?;
        let runtime = ClientRuntime {
            tasks: self.tasks.clone(),
            cut: CancellationToken::new(),
            reporter: Arc::clone(&reporter),
            gate: Gate::new(),
        };
        let inbox = self.inbox(&spec);
        let line = Line {
            number: spec.number,
            reporter,
            acks: Acks::default(),
            receipts: Arc::new(Receipts::new()),
            runtime,
            answer_timeout: self.options.answer_timeout,
            close_timeout: self.options.close_timeout,
        };
        let renew_code = Arc::new(Notify::new());
        let slot = Arc::new(OnceLock::new());
        let (history, chunks) = mpsc::channel(history::CHUNKS_MAX);
        let ears = Ears {
            reporter: Arc::clone(&line.reporter),
            acks: line.acks.clone(),
            receipts: Arc::clone(&line.receipts),
            client: Arc::clone(&slot),
            renew_code: Arc::clone(&renew_code),
            gate: line.runtime.gate.clone(),
            names: inbox.names.clone(),
            history,
            pairing: AtomicBool::new(spec.mode == Mode::Pair),
        };
        let keeper = match spec.mode {
            Mode::Pair => Some(Keeper::new(backend.clone(), Arc::clone(&slot))),
            Mode::Resume => None,
        };
        let dialer = Dialer {
            address,
            patience: self.options.dial_timeout,
            reporter: Arc::clone(&line.reporter),
            keeper,
            receipts: Arc::clone(&line.receipts),
        };
        let bot = self.build(backend, dialer, &line, ears, inbox.clone()).await?;
        let client = bot.client();
        // A fresh slot: it cannot be full.
        drop(slot.set(Arc::downgrade(&client)));
        if spec.mode == Mode::Pair {
            let digits = spec.phone.digits().to_owned();
            let asking = ask_for_codes(Arc::clone(&client), digits, renew_code);
            drop(line.runtime.start(asking));
        }
        client.set_skip_history_sync(!spec.behaviour.history_import_enabled);
        let importing = history::import(inbox.clone(), client, self.tasks.clone(), chunks);
        drop(line.runtime.start(importing));
        Ok(Box::new(Running::start(line, bot, inbox, self.desk.clone(), spec.signals)))
    }

    async fn open_media(&self, remote: &RemoteMedia) -> Result<File, MediaError> {
        self.media.open(remote).await
    }
}

impl WhatsApp {
    fn inbox(&self, spec: &OpenSpec) -> Inbox {
        Inbox {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            wake: Arc::clone(&self.wake),
            tenant: spec.tenant,
            number: spec.number,
            manners: Manners::new(spec.behaviour),
            names: Names::default(),
            ours: Arc::default(),
            public_url: Arc::clone(&self.public_url),
        }
    }

    async fn build(
        &self,
        backend: SessionBackend,
        dialer: Dialer,
        line: &Line,
        ears: Ears,
        inbox: Inbox,
    ) -> Result<Bot, OpenError> {
        // Shown on the phone as "Google Chrome (Ramal)": the platform picks the icon and the first
        // words, the name stands where a browser's operating system stands.
        let device = DevicePropsOverride::new()
            .with_os(self.options.device_name.clone())
            .with_platform_type(PlatformType::CHROME);
        let mut builder = Bot::builder()
            .with_backend(backend)
            .with_transport_factory(dialer)
            .with_http_client(self.http.clone())
            .with_runtime(line.runtime.clone())
            .with_device_props(device)
            .with_event_handler(ears)
            .with_inbound_durability_hook(Intake::new(inbox, line.runtime.clone()));
        if let Some([primary, secondary, tertiary]) = self.options.app_version {
            builder = builder.with_version((primary, secondary, tertiary));
        }
        builder.build().await.map_err(build_error)
    }
}

/// Asks for a pairing code, and again whenever the last one is void. QR codes go on whatever comes
/// of it: failures are told by the library's own event.
async fn ask_for_codes(client: Arc<Client>, digits: String, renew: Arc<Notify>) {
    /// How long one wait for the socket lasts, and how long the next one is put off.
    const SOCKET_WAIT: Duration = Duration::from_secs(30);
    const PAUSE: Duration = Duration::from_secs(1);

    loop {
        while client.wait_for_socket(SOCKET_WAIT).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        if client.is_logged_in() {
            return;
        }
        let options = PairCodeOptions {
            phone_number: digits.clone(),
            // WhatsApp refuses the request when this is no operating system.
            display_os: Some("Linux".to_owned()),
            ..Default::default()
        };
        if let Err(error) = client.pair_with_code(options).await {
            tracing::debug!(%error, "no pairing code");
        }
        renew.notified().await;
        client.cancel_pair_code().await;
    }
}

fn wipe_error(error: SessionStateError) -> OpenError {
    match error {
        SessionStateError::Store(StoreError::Busy(_)) => OpenError::Busy(Box::new(error)),
        SessionStateError::Store(_) | SessionStateError::Fenced => build_error(error),
    }
}

fn build_error(error: impl std::error::Error + Send + Sync + 'static) -> OpenError {
    OpenError::Build(Box::new(error))
}
