//! The checklist that connects a number to the Cloud API.
//!
//! Every step looks first and acts only where something is missing, so the list can be walked again from
//! its beginning at any time: after a crash, with a new token, after a review of Meta's. Subscribing comes
//! before registering, so that a callback that Meta cannot reach is known before anything is taken over.

use ramal_domain::{NumberId, PhoneNumber};
use ramal_meta::{
    Access, AppData, AppId, ErrorClass, GraphError, Phone, PhoneId, TokenInfo, WabaId,
};
use ramal_store::{Credentials, OfficialNumber};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Meta, refusal_of, stored_ids};
use crate::{App, AppError, Refusal};

/// What a token must be allowed to do.
const SCOPES: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

/// A step of the checklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepName {
    /// Token, secret and number id are good, and belong together.
    Validate,
    /// The number is one of the account's.
    Waba,
    /// The number is registered with the Cloud API.
    Register,
    /// Meta delivers to us.
    Subscribe,
    /// Meta says so, too.
    Verify,
}

impl StepName {
    /// As the API and the pages name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Waba => "waba",
            Self::Register => "register",
            Self::Subscribe => "subscribe",
            Self::Verify => "verify",
        }
    }
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepStatus {
    /// It is done.
    Done,
    /// There was nothing to do.
    Skipped,
    /// It did not succeed; the detail says why.
    Failed,
    /// It was not reached, or waits for Meta.
    Pending,
}

impl StepStatus {
    /// As the API and the pages name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Pending => "pending",
        }
    }
}

/// A step, and how far it has come.
#[expect(clippy::struct_field_names, reason = "the contract calls it so")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The step.
    pub step: StepName,
    /// How far it has come.
    pub status: StepStatus,
    /// Why it was skipped, failed or waits.
    pub detail: Option<String>,
}

/// The list, in the order of the contract.
#[derive(Clone, Debug)]
pub(crate) struct Checklist(Vec<Step>);

impl Checklist {
    const ORDER: [StepName; 5] = [
        StepName::Validate,
        StepName::Waba,
        StepName::Register,
        StepName::Subscribe,
        StepName::Verify,
    ];

    /// Nothing has been done.
    pub(crate) fn new() -> Self {
        let pending = |step| Step { step, status: StepStatus::Pending, detail: None };
        Self(Self::ORDER.into_iter().map(pending).collect())
    }

    /// As it was stored; what cannot be read has not been done.
    pub(crate) fn read(stored: &str) -> Self {
        serde_json::from_str(stored).map_or_else(|_unreadable| Self::new(), Self)
    }

    pub(crate) fn write(&self) -> String {
        // Names and texts: this cannot fail.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(crate) fn set(&mut self, step: StepName, status: StepStatus, detail: Option<&str>) {
        if let Some(found) = self.0.iter_mut().find(|it| it.step == step) {
            found.status = status;
            found.detail = detail.map(str::to_owned);
        }
    }

    pub(crate) fn status(&self, step: StepName) -> StepStatus {
        self.0.iter().find(|it| it.step == step).map_or(StepStatus::Pending, |it| it.status)
    }
}

/// What the checklist is walked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// A callback that Meta cannot reach is noted; sending works without.
    Lenient,
    /// A callback that Meta cannot reach ends it, before anything is taken over.
    Strict,
}

/// A number that was walked through the checklist.
#[derive(Debug)]
pub(crate) struct Onboarded {
    /// What it is at Meta, with what was found out and chosen on the way.
    pub(crate) official: OfficialNumber,
    /// How far each step came.
    pub(crate) checklist: Checklist,
    /// The number, as Meta described it at the end.
    pub(crate) phone: Phone,
}

/// A step that failed, with the list as far as it came.
#[derive(Debug)]
pub(crate) struct Stuck {
    pub(crate) official: OfficialNumber,
    pub(crate) checklist: Checklist,
    pub(crate) error: AppError,
    /// Whether the account was subscribed on the way, where it was not before.
    pub(crate) subscribed: bool,
}

/// How far a walk has come.
struct Progress {
    checklist: Checklist,
    subscribed: bool,
}

struct Walker<'a> {
    meta: &'a Meta,
    access: Access,
    phone_id: PhoneId,
    waba_id: WabaId,
    callback: String,
    walk: Walk,
}

impl App {
    /// Walks a number through the checklist. `expected` is the phone number that it must have.
    pub(crate) async fn onboard(
        &self,
        mut official: OfficialNumber,
        expected: Option<&PhoneNumber>,
        walk: Walk,
    ) -> Result<Onboarded, Box<Stuck>> {
        let mut progress = Progress { checklist: Checklist::new(), subscribed: false };
        let number = official.number;
        let walked = self.walk(&mut official, expected, walk, &mut progress).await;
        let Progress { mut checklist, subscribed } = progress;
        match walked {
            Ok(phone) => Ok(Onboarded { official, checklist, phone }),
            Err((step, error)) => {
                let sentence = error.to_string();
                checklist.set(step, StepStatus::Failed, Some(&sentence));
                tracing::info!(number.id = %number, step = step.name(), %error, "onboarding stopped");
                Err(Box::new(Stuck { official, checklist, error, subscribed }))
            }
        }
    }

    async fn walk(
        &self,
        official: &mut OfficialNumber,
        expected: Option<&PhoneNumber>,
        walk: Walk,
        progress: &mut Progress,
    ) -> Result<Phone, (StepName, AppError)> {
        let list = &mut progress.checklist;
        let at = |step: StepName| move |error: AppError| (step, error);
        let meta = self.meta().map_err(|refusal| (StepName::Validate, refusal.into()))?;
        let (phone_id, waba_id) = stored_ids(official).map_err(at(StepName::Validate))?;
        let access = meta.access(official);
        let callback = self.meta_callback(official.number);
        let walker = Walker { meta, access, phone_id, waba_id, callback, walk };
        let phone = walker.validate(official, expected).await.map_err(at(StepName::Validate))?;
        list.set(StepName::Validate, StepStatus::Done, None);
        walker.belongs().await.map_err(at(StepName::Waba))?;
        list.set(StepName::Waba, StepStatus::Done, None);
        let (status, detail) = walker
            .subscribe(official, &phone, &mut progress.subscribed)
            .await
            .map_err(at(StepName::Subscribe))?;
        list.set(StepName::Subscribe, status, detail.as_deref());
        let (status, detail) =
            walker.register(official, &phone).await.map_err(at(StepName::Register))?;
        list.set(StepName::Register, status, detail);
        walker.share_app_data(&phone).await;
        let phone = walker.read_back(list).await.map_err(at(StepName::Verify))?;
        Ok(phone)
    }

    /// Leaves nothing behind at Meta of a number that did not come to be: its owner's own callback would
    /// hear nothing.
    pub(crate) async fn take_back(&self, stuck: &Stuck) -> Result<(), AppError> {
        let meta = self.meta()?;
        let number = stuck.official.number;
        let (phone_id, waba_id) = stored_ids(&stuck.official)?;
        let access = meta.access(&stuck.official);
        if stuck.checklist.status(StepName::Subscribe) == StepStatus::Done
            && let Err(error) = meta.graph.set_callback(&access, &phone_id, None).await
        {
            tracing::warn!(number.id = %number, %error, "Meta still delivers a number's webhooks here");
        }
        if stuck.subscribed
            && let Err(error) = meta.graph.unsubscribe(&access, &waba_id).await
        {
            tracing::warn!(number.id = %number, %error, "an account is still subscribed");
        }
        Ok(())
    }

    /// The callback of a number whose subscription had failed, tried again. Returns whether it is set.
    pub(crate) async fn subscribe_again(
        &self,
        official: &OfficialNumber,
        phone: &Phone,
    ) -> Result<bool, AppError> {
        let meta = self.meta()?;
        let (phone_id, waba_id) = stored_ids(official)?;
        let access = meta.access(official);
        let callback = self.meta_callback(official.number);
        let walker = Walker { meta, access, phone_id, waba_id, callback, walk: Walk::Lenient };
        let (status, _detail) = walker.subscribe(official, phone, &mut false).await?;
        Ok(status != StepStatus::Failed)
    }
}

impl Walker<'_> {
    /// Token, secret and ids are good, and belong together. Finds out the app and the token's end.
    async fn validate(
        &self,
        official: &mut OfficialNumber,
        expected: Option<&PhoneNumber>,
    ) -> Result<Phone, AppError> {
        let credentials = &mut official.credentials;
        let app = credentials.app_id.as_deref().and_then(|id| id.parse::<AppId>().ok());
        match self.meta.graph.inspect_token(&self.access, app.as_ref()).await {
            Ok(info) => self.judge(&info, credentials)?,
            // Whether a token may inspect itself is not certain; what follows tests it anyway.
            Err(error) if matches!(error.class, ErrorClass::Invalid | ErrorClass::Permission) => {
                tracing::debug!(%error, "the token could not be inspected");
            }
            Err(error) => return Err(refusal_of(&error).into()),
        }
        let phone = self.meta.graph.phone(&self.access, &self.phone_id).await;
        let phone = phone.map_err(|error| self.number_refusal(&error))?;
        let theirs = phone.digits();
        let same = expected.is_none_or(|expected| {
            let theirs = theirs.as_deref().and_then(|it| PhoneNumber::from_whatsapp(it).ok());
            theirs.is_some_and(|theirs| theirs.same_line(expected))
        });
        if same {
            Ok(phone)
        } else {
            let shown = theirs.unwrap_or_else(|| "another number".to_owned());
            let sentence = format!("metaPhoneId {} is {shown}, not number", self.phone_id);
            Err(Refusal::MetaNumberMismatch(sentence).into())
        }
    }

    fn number_refusal(&self, error: &GraphError) -> Refusal {
        unknown(error, "metaPhoneId", self.phone_id.as_str())
    }

    fn judge(&self, info: &TokenInfo, credentials: &mut Credentials) -> Result<(), Refusal> {
        if !info.valid {
            let why = info.error.clone().unwrap_or_else(|| "it is not valid".to_owned());
            return Err(Refusal::MetaCredentialsInvalid(format!("metaAccessToken: {why}")));
        }
        if let Some(scope) = SCOPES.into_iter().find(|scope| !info.has_scope(scope)) {
            let sentence = format!("metaAccessToken lacks the permission {scope}");
            return Err(Refusal::MetaPermissionMissing(sentence));
        }
        for scope in SCOPES {
            let waba = self.waba_id.as_str();
            if info.wabas_of(scope).is_some_and(|ids| ids.iter().all(|id| id != waba)) {
                let sentence =
                    format!("metaAccessToken has {scope}, but not for metaWabaId {waba}");
                return Err(Refusal::MetaPermissionMissing(sentence));
            }
        }
        if let (Some(claimed), Some(found)) = (&credentials.app_id, &info.app_id)
            && claimed != found
        {
            let sentence = format!("metaAccessToken is of app {found}, not of metaAppId {claimed}");
            return Err(Refusal::MetaCredentialsInvalid(sentence));
        }
        credentials.app_id = info.app_id.clone().or_else(|| credentials.app_id.take());
        credentials.token_expires_at = info.expires_at;
        Ok(())
    }

    async fn belongs(&self) -> Result<(), AppError> {
        let phones = self.meta.graph.phones_of(&self.access, &self.waba_id).await;
        let phones =
            phones.map_err(|error| unknown(&error, "metaWabaId", self.waba_id.as_str()))?;
        if phones.iter().any(|phone| phone.id == self.phone_id.as_str()) {
            return Ok(());
        }
        let (phone, waba) = (&self.phone_id, &self.waba_id);
        let sentence = format!("metaPhoneId {phone} is no number of metaWabaId {waba}");
        Err(Refusal::MetaNumberMismatch(sentence).into())
    }

    /// Has Meta deliver what concerns this number to its own callback. The account's subscription is
    /// made where it is missing, and left as it is where it is not: other numbers live by it.
    async fn subscribe(
        &self,
        official: &OfficialNumber,
        phone: &Phone,
        fresh: &mut bool,
    ) -> Result<(StepStatus, Option<String>), AppError> {
        let graph = &self.meta.graph;
        let subscribed = graph.subscriptions(&self.access, &self.waba_id).await;
        let subscribed = subscribed.map_err(|error| refusal_of(&error))?;
        let ours = match &official.credentials.app_id {
            Some(app) => subscribed.iter().any(|it| &it.app_id == app),
            None => false,
        };
        if !ours {
            let done = graph.subscribe(&self.access, &self.waba_id, None).await;
            done.map_err(|error| refusal_of(&error))?;
            *fresh = true;
        }
        if ours && phone.callback_number.as_deref() == Some(self.callback.as_str()) {
            return Ok((StepStatus::Skipped, Some("Meta delivers here already".to_owned())));
        }
        let callback = Some((self.callback.as_str(), &official.verify_token));
        match graph.set_callback(&self.access, &self.phone_id, callback).await {
            Ok(()) => Ok((StepStatus::Done, None)),
            Err(error) if self.walk == Walk::Lenient && is_about_callback(&error) => {
                Ok((StepStatus::Failed, Some(Refusal::MetaCallbackUnreachable.to_string())))
            }
            Err(error) if is_about_callback(&error) => Err(Refusal::MetaCallbackUnreachable.into()),
            Err(error) => Err(refusal_of(&error).into()),
        }
    }

    async fn register(
        &self,
        official: &mut OfficialNumber,
        phone: &Phone,
    ) -> Result<(StepStatus, Option<&'static str>), AppError> {
        if phone.is_on_biz_app {
            let detail = "the WhatsApp Business app keeps the registration (coexistence)";
            return Ok((StepStatus::Skipped, Some(detail)));
        }
        let on_cloud = phone.platform_type.as_deref() == Some("CLOUD_API");
        let refused =
            |status: &str| !["CONNECTED", "PENDING", "FLAGGED", "RESTRICTED"].contains(&status);
        if on_cloud && !phone.status.as_deref().is_some_and(refused) {
            return Ok((StepStatus::Skipped, Some("it was registered already")));
        }
        // Whoever has no PIN yet gets this one. It is kept: registering again needs it.
        let pin = official.credentials.pin.clone().unwrap_or_else(mint_pin);
        let done = self.meta.graph.register(&self.access, &self.phone_id, &pin).await;
        done.map_err(|error| refusal_of(&error))?;
        official.credentials.pin = Some(pin);
        Ok((StepStatus::Done, None))
    }

    /// What the WhatsApp Business app knows is shared once, within a day; a refusal costs nothing.
    async fn share_app_data(&self, phone: &Phone) {
        if !phone.is_on_biz_app {
            return;
        }
        for what in [AppData::State, AppData::History] {
            let done = self.meta.graph.sync_app_data(&self.access, &self.phone_id, what).await;
            if let Err(error) = done {
                tracing::info!(%error, "the WhatsApp Business app's data is not shared");
            }
        }
    }

    async fn read_back(&self, list: &mut Checklist) -> Result<Phone, AppError> {
        let phone = self.meta.graph.phone(&self.access, &self.phone_id).await;
        let phone = phone.map_err(|error| refusal_of(&error))?;
        let subscribed = list.status(StepName::Subscribe) != StepStatus::Failed;
        let here = phone.callback_number.as_deref() == Some(self.callback.as_str());
        let (status, detail) = if in_review(&phone) {
            let status = phone.status.as_deref().unwrap_or_default();
            (StepStatus::Pending, Some(format!("Meta is reviewing the number ({status})")))
        } else if subscribed && !here {
            (StepStatus::Failed, Some("Meta delivers the number's webhooks elsewhere".to_owned()))
        } else {
            (StepStatus::Done, None)
        };
        list.set(StepName::Verify, status, detail.as_deref());
        Ok(phone)
    }
}

/// Meta does not tell what is not there from what this token may not see.
fn unknown(error: &GraphError, field: &str, id: &str) -> Refusal {
    if matches!(error.class, ErrorClass::NotFound | ErrorClass::Invalid) {
        let sentence = format!("Meta knows no {field} {id} that this token may see");
        return Refusal::MetaNumberMismatch(sentence);
    }
    refusal_of(error)
}

/// Whether Meta still looks at a number: it cannot send yet, and is not refused either.
pub(crate) fn in_review(phone: &Phone) -> bool {
    let status = phone.status.as_deref();
    matches!(status, Some("PENDING" | "UNVERIFIED" | "UNKNOWN")) && !phone.is_on_biz_app
}

/// Meta tries a callback before it takes it, and refuses addresses that it would never call.
fn is_about_callback(error: &GraphError) -> bool {
    matches!(error.class, ErrorClass::CallbackRefused | ErrorClass::Invalid)
}

fn mint_pin() -> SecretString {
    format!("{:06}", rand::random_range(0..1_000_000_u32)).into()
}

/// A random verify token for one number.
pub(crate) fn mint_verify_token() -> SecretString {
    hex::encode(rand::random::<[u8; 24]>()).into()
}

/// An empty row for a number, to be filled in by the checklist.
pub(crate) fn draft(
    number: NumberId,
    phone: &PhoneId,
    waba: &WabaId,
    credentials: Credentials,
) -> OfficialNumber {
    OfficialNumber {
        number,
        phone_id: phone.to_string(),
        waba_id: waba.to_string(),
        credentials,
        verify_token: mint_verify_token(),
        onboarding: Checklist::new().write(),
        snapshot: None,
        looked_at: None,
    }
}
