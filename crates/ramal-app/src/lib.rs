//! The use cases of Ramal. Everything that a customer can ask for is a method of [`App`]; it decides
//! what is allowed, and writes each fact in one transaction. It knows no HTTP and no SQL.
#![deny(missing_docs)]

mod audit;
mod auth;
mod branding;
mod change;
mod check;
mod crowds;
mod error;
mod event_feed;
mod idempotency;
mod keys;
mod limits;
mod links;
mod media;
mod message_log;
mod messages;
mod names;
mod numbers;
mod official;
mod outgoing;
mod overview;
mod pairing;
mod passkey;
mod passwords;
mod people;
mod projects;
mod remote_pairing;
mod room;
mod settings;
mod templates;
mod tenants;
mod webhook_stats;
mod webhook_tools;
mod webhooks;

use std::{sync::Arc, time::Duration};

use crate::limits::Limits;
use ramal_domain::Clock;
use ramal_session::Supervisor;
use ramal_store::Store;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

pub use audit::AuditPage;
pub use auth::{Caller, Scoped};
pub use branding::{Branding, PageLook, TenantPatch, UploadedLogo};
pub use change::{Changed, SettingsSync};
pub use check::Checked;
pub use error::{AppError, ErrorKind, Refusal};
pub use event_feed::{EventFeed, FeedItem, FeedStart, FeedWish};
pub use idempotency::{Attempt, Claimed, IdempotencyKey, Memo};
pub use keys::{KeyOfNumber, MaskedKey, NewRawKey};
pub use limits::LimitOptions;
pub use links::Language;
pub use media::OpenMedia;
pub use message_log::{CancelOutcome, MessageList, MessageWish};
pub use messages::Sent;
pub use numbers::{Codes, CreateNumber, Created, LiveState, NumberView, Removed};
pub use official::{
    CreateOfficial, CreatedOfficial, CreatedSignupLink, CredentialsPatch, EmbeddedResult,
    EmbeddedSignup, LiveSignup, MetaCredentials, MetaOptions, Migration, NewSignupLink,
    OfficialButton, OfficialTemplate, OfficialView, SignupChoice, SignupOutcome, SignupStart, Step,
    StepName, StepStatus,
};
pub use outgoing::{Destination, OutgoingMessage, WishedButton};
pub use pairing::{Followed, PairingNews};
pub use people::{Credentials, SignInError, Visitor};
pub use projects::TenantProjects;
pub use ramal_session::Crowd;
pub use ramal_store::{PairingAttempt, SignupFlow, SignupLink, StoredAnswer};
pub use remote_pairing::{
    CreatedPairingLink, DeadLink, HelperLink, LinkOptions, LinkRole, LinkView, LiveLink,
    NewPairingLink, Sending,
};
pub use settings::{NumberPatch, NumberSettings, PiiMode, SettingsPatch};
pub use templates::{AnyTemplate, Filled, TemplateFields};
pub use webhook_stats::{Span, WebhookStats};
pub use webhook_tools::{Replay, RotatedSecret};
pub use webhooks::{CreatedWebhook, WebhookDraft, WebhookPatch, event_names};

/// `[numbers]`: how numbers are created and removed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How long create and connect wait for the first QR code. Below the client's own patience (the
    /// SDK's is 30 s).
    #[serde(with = "humantime_serde")]
    pub qr_deadline: Duration,
    /// How long they wait for the pairing code once the QR code is there.
    #[serde(with = "humantime_serde")]
    pub code_grace: Duration,
    /// How long a removed number can be restored; zero removes it for good at once.
    #[serde(with = "humantime_serde")]
    pub restore_window: Duration,
    /// How many messages of one number may wait to be sent; 0: as many as there are.
    pub queue_max: u32,
    /// How many bytes of media that were handed in may wait with them; 0: as many as there are.
    pub queue_media_max: u64,
    /// How often what is due is deleted for good.
    #[serde(with = "humantime_serde")]
    pub sweep_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            qr_deadline: Duration::from_secs(20),
            code_grace: Duration::from_secs(5),
            restore_window: Duration::from_hours(30 * 24),
            queue_max: 100_000,
            queue_media_max: 1 << 30,
            sweep_every: Duration::from_mins(1),
        }
    }
}

impl Options {
    /// Adds what is wrong with this section to `problems`.
    pub fn check(&self, problems: &mut Vec<String>) {
        if self.qr_deadline.is_zero() {
            problems.push("numbers.qr_deadline must be above 0".to_owned());
        }
        if self.sweep_every.is_zero() {
            problems.push("numbers.sweep_every must be above 0".to_owned());
        }
    }
}

/// The use cases. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    store: Store,
    sessions: Supervisor,
    clock: Arc<dyn Clock>,
    options: Options,
    webhooks: ramal_webhooks::Options,
    /// Wakes the webhook worker.
    wake: Arc<Notify>,
    limits: Arc<Limits>,
    /// How much more may wait to be sent from each number.
    rooms: Arc<room::Rooms>,
    /// Meta's Cloud API, where the server has it.
    meta: Option<Arc<official::Meta>>,
    /// What links for people begin with, such as `https://wa.acme.com`.
    public_url: Arc<str>,
    /// Owns work that must not stop half-way when a caller hangs up.
    tasks: TaskTracker,
    /// How far those who follow events may read.
    settling: event_feed::SharedSettling,
}

impl App {
    /// Wires the use cases.
    pub fn new(
        store: Store,
        sessions: Supervisor,
        clock: Arc<dyn Clock>,
        options: Options,
        webhooks: ramal_webhooks::Options,
        wake: Arc<Notify>,
    ) -> Self {
        let limits = Arc::new(Limits::new(&LimitOptions::default()));
        Self {
            store,
            sessions,
            clock,
            options,
            webhooks,
            wake,
            limits,
            rooms: Arc::default(),
            meta: None,
            public_url: Arc::from(""),
            tasks: TaskTracker::new(),
            settling: event_feed::SharedSettling::default(),
        }
    }

    /// Says what links for people begin with.
    #[must_use]
    pub fn with_public_url(self, url: &str) -> Self {
        Self { public_url: Arc::from(url.trim_end_matches('/')), ..self }
    }

    /// What links for people begin with.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Gives access to Meta's Cloud API.
    ///
    /// # Errors
    ///
    /// The client cannot be built.
    pub fn with_meta(self, options: &MetaOptions) -> Result<Self, ramal_meta::BuildError> {
        Ok(Self { meta: Some(Arc::new(official::Meta::new(options)?)), ..self })
    }

    /// Sets other limits than the default ones.
    #[must_use]
    pub fn with_limits(self, options: &LimitOptions) -> Self {
        Self { limits: Arc::new(Limits::new(options)), ..self }
    }

    /// The database, for readiness checks and metrics.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The sessions, for metrics.
    pub const fn sessions(&self) -> &Supervisor {
        &self.sessions
    }

    /// Waits until work that outlives its request has ended.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Runs `work` to its end even when the caller hangs up meanwhile: a reservation must be
    /// published or undone, never left.
    ///
    /// # Errors
    ///
    /// Those of `work`, and [`AppError::Internal`] when it panicked.
    pub async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, AppError>> + Send + 'static,
    ) -> Result<T, AppError> {
        self.tasks.spawn(work).await.map_err(|panicked| AppError::Internal(Box::new(panicked)))?
    }
}
