//! Official numbers: those of Meta's Cloud API.
//!
//! One module per thing that is done: `onboarding` walks the checklist that connects a number, `create`
//! and `migrate` begin with it, `look` keeps what is known of a number fresh, `inbound` takes in what
//! Meta reports, `sender` empties the queue, `leave` ends it all at Meta.

mod approved;
mod create;
mod inbound;
mod leave;
mod look;
mod migrate;
mod onboarding;
mod sender;
mod signup;
mod templates;
mod view;

use std::sync::Arc;

use ramal_domain::NumberId;
use ramal_meta::{Access, BuildError, ErrorClass, Graph, GraphError, Phone, PhoneId, WabaId};
use ramal_session::Turns;
use ramal_store::OfficialNumber;
use tokio::sync::Notify;

use crate::{App, AppError, Refusal};

pub use approved::{OfficialButton, OfficialTemplate};
pub use create::{CreateOfficial, CreatedOfficial, CredentialsPatch, MetaCredentials};
pub use migrate::Migration;
pub use onboarding::{Step, StepName, StepStatus};
pub use ramal_meta::Options as MetaOptions;
pub use signup::{
    CreatedSignupLink, EmbeddedResult, EmbeddedSignup, LiveSignup, NewSignupLink, SignupChoice,
    SignupOutcome, SignupStart,
};
pub use view::OfficialView;

/// Where the callbacks of numbers are, below the public address.
const CALLBACKS: &str = "/webhooks/meta/";

/// Meta's Cloud API, as the use cases have it.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) graph: Graph,
    pub(crate) options: MetaOptions,
    /// Somebody queued a message.
    pub(crate) wake: Notify,
    /// A number is to be looked at, or to leave.
    pub(crate) wake_upkeep: Notify,
    /// What Meta said of templates lately.
    pub(crate) templates: templates::Templates,
    /// Whoever holds a number's turn is alone with our row of it.
    pub(crate) turns: Turns,
    /// Whoever holds the turn of Meta's id of a phone number is alone with it at Meta: several rows may
    /// be the same number there. It is taken after a number's own turn.
    pub(crate) phone_turns: Turns<String>,
}

impl Meta {
    pub(crate) fn new(options: &MetaOptions) -> Result<Self, BuildError> {
        Ok(Self {
            graph: Graph::new(options)?,
            options: options.clone(),
            wake: Notify::new(),
            wake_upkeep: Notify::new(),
            templates: templates::Templates::default(),
            turns: Turns::default(),
            phone_turns: Turns::default(),
        })
    }

    /// How to act for a number.
    pub(crate) fn access(&self, official: &OfficialNumber) -> Access {
        let credentials = &official.credentials;
        let operators = || self.options.app_secret.clone();
        Access {
            token: credentials.token.clone(),
            app_secret: credentials
                .app_secret
                .clone()
                .or_else(|| credentials.operators_app.then(operators)),
        }
    }
}

impl App {
    pub(crate) fn meta(&self) -> Result<&Arc<Meta>, Refusal> {
        self.meta
            .as_ref()
            .ok_or(Refusal::ProviderNotConfigured("this server has no access to Meta's Cloud API"))
    }

    /// The address that Meta delivers a number's webhooks to.
    pub fn meta_callback(&self, id: NumberId) -> String {
        format!("{}{id}", self.meta_callbacks())
    }

    /// What all those addresses begin with.
    fn meta_callbacks(&self) -> String {
        format!("{}{CALLBACKS}", self.public_url)
    }

    /// Whether the operator has an app for Embedded Signup.
    pub fn signup_configured(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.options.signup_configured())
    }

    /// Wakes whoever sends for official numbers. Only a hint.
    pub(crate) fn wake_official(&self) {
        if let Some(meta) = &self.meta {
            meta.wake.notify_one();
        }
    }

    /// Wakes whoever looks at official numbers and lets them leave. Only a hint.
    pub(crate) fn wake_upkeep(&self) {
        if let Some(meta) = &self.meta {
            meta.wake_upkeep.notify_one();
        }
    }
}

/// Whether Meta delivers what concerns this phone to the callback of our number `id`, be it at an address
/// that we had before.
fn delivers_to(phone: &Phone, id: NumberId) -> bool {
    phone.callback_number.as_deref().is_some_and(|url| url.ends_with(&format!("{CALLBACKS}{id}")))
}

/// Ids of Meta's that were checked before they were stored.
pub(crate) fn stored_ids(official: &OfficialNumber) -> Result<(PhoneId, WabaId), AppError> {
    let broken = |_malformed| AppError::Internal("an id of Meta's is stored malformed".into());
    let phone = official.phone_id.parse().map_err(broken)?;
    let waba = official.waba_id.parse().map_err(broken)?;
    Ok((phone, waba))
}

/// What a caller is told when Meta does not do what it was asked for.
pub(crate) fn refusal_of(error: &GraphError) -> Refusal {
    let sentence = error.to_string();
    match error.class {
        ErrorClass::Credentials => Refusal::MetaCredentialsInvalid(sentence),
        ErrorClass::Permission => Refusal::MetaPermissionMissing(sentence),
        ErrorClass::NotFound => Refusal::MetaNumberMismatch(sentence),
        ErrorClass::Pin => Refusal::MetaPinMismatch,
        ErrorClass::Unverified => Refusal::MetaNumberNotVerified,
        ErrorClass::CallbackRefused => Refusal::MetaCallbackUnreachable,
        ErrorClass::TimedOut => Refusal::MetaTimeout,
        ErrorClass::Transient
        | ErrorClass::Throttled
        | ErrorClass::Unreachable
        | ErrorClass::Unexpected => Refusal::MetaUnavailable,
        ErrorClass::Invalid
        | ErrorClass::RegisterLimit
        | ErrorClass::NotRegistered
        | ErrorClass::WindowClosed
        | ErrorClass::Template
        | ErrorClass::Undeliverable
        | ErrorClass::Blocked
        | ErrorClass::Config => Refusal::MetaRefused(sentence),
    }
}
