//! The checklist that connects a number to the Cloud API.
//!
//! Every step looks first and acts only where something is missing, so the list can be walked again from
//! its beginning at any time: after a crash, with a new token, after a review of Meta's. Subscribing comes
//! before registering, so that a callback that Meta cannot reach is known before anything is taken over.

use ramal_domain::{CloseReason, NumberId, PhoneNumber};
use ramal_meta::{
    Access, AppData, AppId, ErrorClass, GraphError, Phone, PhoneId, TokenInfo, WabaId,
};
use ramal_store::{Credentials, OfficialNumber};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    Meta,
    leave::{forget_callback, gone_is_done},
    refusal_of, stored_ids,
};
use crate::{App, AppError, Refusal};

/// What a token must be allowed to do.
const SCOPES: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

/// Meta has another callback for the number than ours, or none.
const ELSEWHERE: &str = "Meta delivers the number's webhooks elsewhere";
/// What the last step says once a look has found the account so.
const BLOCKED: &str = "Meta said, when it was asked, that the account is banned or blocked";
/// Meta has no such number, or none that the token may see.
const GONE: &str = "Meta does not know the number any more, or the token may not see it";
/// It took the number, and then did not say how the number is.
const NOT_DESCRIBED: &str = "the number is registered; Meta has not described it since";

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

    fn detail(&self, step: StepName) -> Option<&str> {
        self.0.iter().find(|it| it.step == step)?.detail.as_deref()
    }

    /// What Meta itself says of the number, at the end of a walk or whenever it is asked: the last step,
    /// and whether it still delivers to `callback`.
    pub(crate) fn verify(&mut self, phone: &Phone, callback: &str) {
        let here = phone.callback_number.as_deref() == Some(callback);
        if !here && self.status(StepName::Subscribe) != StepStatus::Failed {
            self.set(StepName::Subscribe, StepStatus::Failed, Some(ELSEWHERE));
        }
        let heard = self.status(StepName::Subscribe) != StepStatus::Failed;
        let (status, detail) = if in_review(phone) {
            let status = phone.status.as_deref().unwrap_or_default();
            (StepStatus::Pending, Some(format!("Meta is reviewing the number ({status})")))
        } else if heard {
            (StepStatus::Done, None)
        } else {
            let why = self.detail(StepName::Subscribe).unwrap_or(ELSEWHERE);
            (StepStatus::Failed, Some(why.to_owned()))
        };
        self.set(StepName::Verify, status, detail.as_deref());
    }

    /// The step that does not hold any more, now that the link is closed for `reason`.
    pub(crate) fn fail(&mut self, reason: CloseReason) {
        let step = match reason {
            CloseReason::MetaTokenInvalid => StepName::Validate,
            CloseReason::MetaPermissionMissing => StepName::Waba,
            CloseReason::MetaNotRegistered => StepName::Register,
            CloseReason::MetaDisconnected => StepName::Subscribe,
            CloseReason::MetaAccountDisabled
            | CloseReason::NotPaired
            | CloseReason::CodesExpired
            | CloseReason::PairingRefused
            | CloseReason::WrongPhone
            | CloseReason::PasskeyRequired
            | CloseReason::PasskeyRefused
            | CloseReason::LoggedOut
            | CloseReason::Restricted
            | CloseReason::Banned
            | CloseReason::ClientOutdated
            | CloseReason::Replaced
            | CloseReason::Network => StepName::Verify,
        };
        self.set(step, StepStatus::Failed, Some(reason.explain()));
    }

    /// A look found the account banned or blocked: another one may find that this has passed.
    pub(crate) fn block(&mut self) {
        self.set(StepName::Verify, StepStatus::Failed, Some(BLOCKED));
    }

    /// Whether [`Self::block`] was the last that is known.
    pub(crate) fn is_blocked(&self) -> bool {
        self.detail(StepName::Verify) == Some(BLOCKED)
    }

    /// Meta does not know the number. Returns whether it has said so before: once may be a mistake.
    pub(crate) fn lose(&mut self) -> bool {
        let before = self.detail(StepName::Verify) == Some(GONE);
        self.set(StepName::Verify, StepStatus::Failed, Some(GONE));
        before
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

/// What a walk may have changed at Meta.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Where the number's webhooks go.
    pub(crate) callback: bool,
    /// Whether the account is subscribed, where it was not before.
    pub(crate) account: bool,
    /// Whether the number is registered, and with which PIN.
    pub(crate) registration: bool,
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
    /// What the walk changed.
    pub(crate) touched: Touched,
}

/// A step that failed, with the list as far as it came.
#[derive(Debug)]
pub(crate) struct Stuck {
    pub(crate) official: OfficialNumber,
    pub(crate) checklist: Checklist,
    pub(crate) error: AppError,
    pub(crate) touched: Touched,
}

/// How far a walk has come.
struct Progress {
    checklist: Checklist,
    touched: Touched,
}

struct Walker<'a> {
    app: &'a App,
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
        let mut progress = Progress { checklist: Checklist::new(), touched: Touched::default() };
        let number = official.number;
        let walked = self.walk(&mut official, expected, walk, &mut progress).await;
        let Progress { mut checklist, touched } = progress;
        match walked {
            Ok(phone) => Ok(Onboarded { official, checklist, phone, touched }),
            Err((step, error)) => {
                let sentence = error.to_string();
                checklist.set(step, StepStatus::Failed, Some(&sentence));
                // The sentence is for the caller: it may name a phone number.
                let code = error.code();
                tracing::info!(number.id = %number, step = step.name(), code, "onboarding stopped");
                Err(Box::new(Stuck { official, checklist, error, touched }))
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
        let Progress { checklist: list, touched } = progress;
        let at = |step: StepName| move |error: AppError| (step, error);
        let walker = self.walker(official, walk).map_err(at(StepName::Validate))?;
        let phone = walker.validate(official, expected).await.map_err(at(StepName::Validate))?;
        list.set(StepName::Validate, StepStatus::Done, None);
        walker.belongs().await.map_err(at(StepName::Waba))?;
        list.set(StepName::Waba, StepStatus::Done, None);
        let (status, detail) =
            walker.subscribe(official, &phone, touched).await.map_err(at(StepName::Subscribe))?;
        list.set(StepName::Subscribe, status, detail.as_deref());
        let (status, detail) =
            walker.register(official, &phone, touched).await.map_err(at(StepName::Register))?;
        list.set(StepName::Register, status, detail);
        walker.share_app_data(&phone).await;
        walker.read_back(phone, list).await.map_err(at(StepName::Verify))
    }

    fn walker(&self, official: &OfficialNumber, walk: Walk) -> Result<Walker<'_>, AppError> {
        let meta = self.meta()?;
        let (phone_id, waba_id) = stored_ids(official)?;
        let access = meta.access(official);
        let callback = self.meta_callback(official.number);
        Ok(Walker { app: self, meta, access, phone_id, waba_id, callback, walk })
    }

    /// Leaves nothing behind at Meta of a number that did not come to be: its owner's own callback would
    /// hear nothing. Returns whether that is certain.
    pub(crate) async fn take_back(&self, official: &OfficialNumber, touched: Touched) -> bool {
        match self.try_take_back(official, touched).await {
            Ok(()) => true,
            Err(error) => {
                let number = official.number;
                tracing::warn!(number.id = %number, %error, "something is left at Meta for now");
                false
            }
        }
    }

    async fn try_take_back(
        &self,
        official: &OfficialNumber,
        touched: Touched,
    ) -> Result<(), AppError> {
        if touched == Touched::default() {
            return Ok(());
        }
        let walker = self.walker(official, Walk::Lenient)?;
        let sharing = self.store.read().await?.official().sharing(official).await?;
        if touched.callback && !sharing.phone {
            let (meta, access) = (walker.meta, &walker.access);
            forget_callback(meta, access, &walker.phone_id, official.number).await?;
        }
        if touched.account && !sharing.account {
            gone_is_done(self.meta()?.graph.unsubscribe(&walker.access, &walker.waba_id).await)?;
        }
        Ok(())
    }

    /// The callback of a number whose subscription had failed, tried again. Returns whether it is set.
    pub(crate) async fn subscribe_again(
        &self,
        official: &mut OfficialNumber,
        phone: &Phone,
    ) -> Result<bool, AppError> {
        let walker = self.walker(official, Walk::Lenient)?;
        let (status, _detail) = walker.subscribe(official, phone, &mut Touched::default()).await?;
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
            // Meta does not say which of the three it is.
            Err(error) if error.class == ErrorClass::Credentials && app.is_some() => {
                let sentence = format!("metaAppId, metaAccessToken or metaAppSecret: {error}");
                return Err(Refusal::MetaCredentialsInvalid(sentence).into());
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
        official: &mut OfficialNumber,
        phone: &Phone,
        touched: &mut Touched,
    ) -> Result<(StepStatus, Option<String>), AppError> {
        let graph = &self.meta.graph;
        let subscribed = self.subscribed_apps().await?;
        let ours = match &official.credentials.app_id {
            Some(app) => subscribed.contains(app),
            // Subscribing anew would take back what its owner may have set for the account.
            None if !subscribed.is_empty() => {
                let sentence = "metaAppId is required: Meta does not say which app the token is of";
                return Err(AppError::invalid(sentence));
            }
            None => false,
        };
        if !ours {
            touched.account = true;
            let done = graph.subscribe(&self.access, &self.waba_id, None).await;
            done.map_err(|error| refusal_of(&error))?;
        }
        if official.credentials.app_id.is_none()
            && let [only] = self.subscribed_apps().await?.as_slice()
        {
            official.credentials.app_id = Some(only.clone());
        }
        if ours && phone.callback_number.as_deref() == Some(self.callback.as_str()) {
            return Ok((StepStatus::Skipped, Some("Meta delivers here already".to_owned())));
        }
        touched.callback = true;
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

    /// The apps that the account reports to.
    async fn subscribed_apps(&self) -> Result<Vec<String>, AppError> {
        let found = self.meta.graph.subscriptions(&self.access, &self.waba_id).await;
        let found = found.map_err(|error| refusal_of(&error))?;
        Ok(found.into_iter().map(|it| it.app_id).collect())
    }

    async fn register(
        &self,
        official: &mut OfficialNumber,
        phone: &Phone,
        touched: &mut Touched,
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
        let pin = match &official.credentials.pin {
            Some(pin) => pin.clone(),
            None => self.give_pin(official).await?,
        };
        touched.registration = true;
        if let Err(error) = self.meta.graph.register(&self.access, &self.phone_id, &pin).await {
            let unknown = matches!(error.class, ErrorClass::TimedOut | ErrorClass::Unexpected);
            touched.registration = unknown;
            return Err(refusal_of(&error).into());
        }
        Ok((StepStatus::Done, None))
    }

    /// A PIN for a number of which none is known: whoever has none yet gets it. It is kept before Meta
    /// hears of it, since registering again needs it.
    async fn give_pin(&self, official: &mut OfficialNumber) -> Result<SecretString, AppError> {
        let pin = mint_pin();
        let mut tx = self.app.store.begin().await?;
        tx.official().set_pin(official.number, &pin).await?;
        tx.commit().await?;
        official.credentials.pin = Some(pin.clone());
        Ok(pin)
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

    /// Asks how the number is by now. What was registered is ours, whether Meta answers this or not: then
    /// the number is as it was, and a look will tell more.
    async fn read_back(&self, before: Phone, list: &mut Checklist) -> Result<Phone, AppError> {
        match self.meta.graph.phone(&self.access, &self.phone_id).await {
            Ok(phone) => {
                list.verify(&phone, &self.callback);
                Ok(phone)
            }
            Err(error) if list.status(StepName::Register) == StepStatus::Done => {
                tracing::info!(%error, "a number was registered, and is not described yet");
                list.set(StepName::Verify, StepStatus::Pending, Some(NOT_DESCRIBED));
                // What it was before it was registered says nothing any more.
                Ok(Phone { status: None, ..before })
            }
            Err(error) => Err(refusal_of(&error).into()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const CALLBACK: &str = "https://ramal.example/webhooks/meta/wa_1";

    /// What Meta says of a number.
    fn phone(status: &str, callback: Option<&str>) -> Phone {
        Phone {
            display_phone_number: None,
            verified_name: None,
            status: Some(status.to_owned()),
            quality_rating: None,
            code_verification_status: None,
            name_status: None,
            platform_type: None,
            is_on_biz_app: false,
            account_mode: None,
            messaging_limit: None,
            callback_number: callback.map(str::to_owned),
            raw: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_number_whose_webhooks_go_elsewhere_is_not_verified() {
        use StepStatus::{Done, Failed, Pending};
        for (before, status, callback, subscribe, verify) in [
            (Done, "CONNECTED", Some(CALLBACK), Done, Done),
            (Done, "CONNECTED", Some("https://else.example"), Failed, Failed),
            (Done, "CONNECTED", None, Failed, Failed),
            (Failed, "CONNECTED", None, Failed, Failed),
            (Done, "PENDING", Some(CALLBACK), Done, Pending),
            (Done, "PENDING", None, Failed, Pending),
        ] {
            let mut list = Checklist::new();
            list.set(StepName::Subscribe, before, None);
            list.verify(&phone(status, callback), CALLBACK);
            let found = [StepName::Subscribe, StepName::Verify].map(|step| list.status(step));
            assert_eq!(found, [subscribe, verify], "{before:?} {status} {callback:?}");
        }
    }

    #[test]
    fn a_loss_is_confirmed_by_the_next_one_only() {
        let mut list = Checklist::new();
        assert!(!list.lose());
        assert!(Checklist::read(&list.write()).lose(), "it is remembered");
        list.verify(&phone("CONNECTED", Some(CALLBACK)), CALLBACK);
        assert!(!list.lose(), "it was there in between");
    }
}
