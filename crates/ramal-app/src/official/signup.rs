//! Hosted links by which a person connects an official number: through Meta's Embedded Signup, or by
//! typing the credentials of their own app (contract C.13 with `provider: "META"`).
//!
//! What a browser says is a claim: the code is exchanged here, and which accounts and numbers the token
//! is good for, Meta says. Only the newest page of a link may go on: it alone knows the secret that the
//! link is bound to.

use std::time::Duration;

use ramal_domain::{
    KeyScope, NumberId, PairingLinkId, PairingToken, PhoneNumber, Provider, Timestamp,
};
use ramal_meta::{Access, AppId, PhoneSummary, WabaId};
use ramal_store::{Credentials, Number, SignupFlow, SignupLink};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    CreatedOfficial, MetaCredentials, MetaOptions, OfficialView, create::Along, onboarding::draft,
    refusal_of,
};
use crate::{
    App, AppError, Caller, CreateNumber, DeadLink, LinkOptions, Memo, NumberSettings, Refusal,
    SettingsPatch, audit, names::check_name, remote_pairing::LIFE,
};

/// The permission by which Meta tells which accounts a token is for.
const MANAGEMENT: &str = "whatsapp_business_management";
/// How long a link still answers after a number was connected, so that its page can say so.
const GRACE: Duration = Duration::from_mins(10);
/// Longest name that is taken from Meta.
const NAME_MAX: usize = 60;

/// A link to be created.
#[derive(Clone, Debug)]
pub struct NewSignupLink {
    /// How the person connects the number.
    pub flow: SignupFlow,
    /// What the number will be called; as Meta calls it when absent.
    pub name: Option<String>,
    /// Whether a calling number key moves to the new number.
    pub link_to_api_key: bool,
    /// The settings that the number is born with.
    pub settings: SettingsPatch,
    /// How the page looks, and where it goes.
    pub link: LinkOptions,
}

/// A link that was just created.
#[derive(Clone, Debug)]
pub struct CreatedSignupLink {
    /// The link.
    pub link: SignupLink,
    /// Its secret: shown here and nowhere else.
    pub token: PairingToken,
    /// The whole link.
    pub url: String,
}

/// A link that is in force.
#[derive(Clone, Debug)]
pub struct LiveSignup {
    /// The link.
    pub link: SignupLink,
    /// What came of it.
    pub number: Option<Number>,
    /// What that is at Meta.
    pub official: Option<OfficialView>,
}

impl LiveSignup {
    /// Where the page goes after success: with the new number's id and the caller's own reference.
    pub fn redirect(&self) -> Option<String> {
        let number = self.number.as_ref()?;
        redirect(&self.link, number.id)
    }
}

/// What a page needs to begin.
#[derive(Clone, Debug)]
pub struct SignupStart {
    /// What the page proves itself with from now on.
    pub state: SecretString,
    /// For Embedded Signup: the operator's app, and how to reach Meta.
    pub embedded: Option<EmbeddedSignup>,
}

/// What Meta's script is started with. Nothing of it is secret.
#[derive(Clone, Debug)]
pub struct EmbeddedSignup {
    /// The operator's app.
    pub app_id: String,
    /// Its configuration of Login for Business.
    pub config_id: String,
    /// The version of the Graph API.
    pub version: String,
    /// Meta's script.
    pub sdk_url: String,
    /// Where the messages of Meta's dialog come from.
    pub login_origins: Vec<String>,
}

/// What Meta's dialog left with the page: claims, but for the code.
#[derive(Clone, Debug)]
pub struct EmbeddedResult {
    /// The code that is exchanged for a token, within half a minute.
    pub code: SecretString,
    /// The account, as the page has heard.
    pub waba_id: Option<String>,
    /// The number, as the page has heard.
    pub phone_id: Option<String>,
}

/// What came of a step.
#[derive(Debug)]
pub enum SignupOutcome {
    /// The account has several numbers: the person chooses.
    Choose(Vec<SignupChoice>),
    /// The number is connected.
    Connected {
        /// The number.
        number: Box<CreatedOfficial>,
        /// Where the page goes.
        redirect: Option<String>,
    },
}

/// A number that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignupChoice {
    /// Meta's phone number id.
    pub phone_id: String,
    /// As people write it.
    pub number: String,
    /// What it is called.
    pub name: Option<String>,
}

/// What waits for the person's choice, sealed with the link.
#[derive(Serialize, Deserialize)]
struct Pending {
    token: String,
    expires_at: Option<i64>,
    waba_id: String,
    choices: Vec<SignupChoice>,
}

impl App {
    /// Creates a link by which a person connects an official number.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`] and [`Refusal::ProviderNotConfigured`].
    pub async fn create_signup_link(
        &self,
        caller: &Caller,
        wish: NewSignupLink,
        memo: Option<Memo<CreatedSignupLink>>,
    ) -> Result<CreatedSignupLink, AppError> {
        if wish.flow == SignupFlow::Embedded {
            self.embedded()?;
        }
        self.meta()?;
        let name = wish.name.as_deref().map(check_name).transpose()?;
        let settings = wish.settings.apply(&NumberSettings::default())?.write()?;
        let checked = wish.link.check()?;
        let now = self.clock.now();
        let (token, url) = self.mint_token();
        let mut link = SignupLink {
            id: PairingLinkId::mint(),
            tenant: caller.tenant(),
            flow: wish.flow,
            name,
            key: caller
                .key()
                .filter(|key| wish.link_to_api_key && matches!(key.scope, KeyScope::Number(_)))
                .map(|key| key.id),
            language: checked.language(),
            branding: checked.branding,
            redirect_url: checked.redirect_url,
            external_ref: checked.external_ref,
            settings,
            state_hash: None,
            created_at: now,
            expires_at: now.after(LIFE),
            used_at: None,
            revoked_at: None,
            number: None,
        };
        link.redirect_url = self.look_of_signup(&link).await?.redirect_url;
        let mut tx = self.store.begin().await?;
        tx.signup_links().create(&link, &token.hash()).await?;
        let detail = link.name.clone().unwrap_or_default();
        audit::record(&mut tx, caller, "link.create", &link.id.to_string(), &detail, now).await?;
        let created = CreatedSignupLink { link, token, url };
        if let Some(memo) = memo {
            memo.keep(&mut tx, &created).await?;
        }
        tx.commit().await?;
        Ok(created)
    }

    /// What Meta's script is started with.
    ///
    /// # Errors
    ///
    /// [`Refusal::ProviderNotConfigured`].
    pub fn embedded_signup(&self) -> Result<EmbeddedSignup, AppError> {
        Ok(EmbeddedSignup::of(self.embedded()?))
    }

    fn embedded(&self) -> Result<&MetaOptions, Refusal> {
        let options = &self.meta()?.options;
        if options.signup_configured() {
            return Ok(options);
        }
        Err(Refusal::ProviderNotConfigured(
            "Embedded Signup is not set up on this server: its operator sets [meta] app_id, \
             app_secret, config_id and verify_token; metaFlow \"credentials\" works without",
        ))
    }

    /// The newest of these links of the caller's tenant, each with why it is not in force.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn list_signup_links(
        &self,
        caller: &Caller,
    ) -> Result<Vec<(SignupLink, Option<DeadLink>)>, AppError> {
        let now = self.clock.now();
        let links = self.store.read().await?.signup_links().list(caller.tenant()).await?;
        Ok(links.into_iter().map(|link| (link.clone(), dead(&link, now))).collect())
    }

    /// The link of a token, if it is in force.
    ///
    /// # Errors
    ///
    /// [`Refusal::PairingLinkInvalid`] and [`Refusal::RateLimited`].
    pub async fn signup_link(&self, token: &str) -> Result<LiveSignup, AppError> {
        let unknown = || Refusal::PairingLinkInvalid(DeadLink::Unknown);
        let token: PairingToken = token.parse().map_err(|_no_token| unknown())?;
        let mut tx = self.store.read().await?;
        let link = tx.signup_links().find(&token.hash()).await?.ok_or_else(unknown)?;
        self.limits.link(link.id)?;
        if let Some(dead) = dead(&link, self.clock.now()) {
            return Err(Refusal::PairingLinkInvalid(dead).into());
        }
        let (number, official) = match link.number {
            Some(id) => {
                let official = tx.official().get(id).await?;
                (tx.numbers().find(link.tenant, id).await?, official)
            }
            None => (None, None),
        };
        Ok(LiveSignup { link, number, official: official.as_ref().map(OfficialView::of) })
    }

    /// Binds a link to the page that asks, and says what it needs to begin.
    ///
    /// # Errors
    ///
    /// As [`App::signup_link`], [`Refusal::ProviderNotConfigured`] and
    /// [`Refusal::NumberAlreadyConnected`].
    pub async fn begin_signup(&self, token: &str) -> Result<SignupStart, AppError> {
        let live = self.unused(token).await?;
        let embedded = match live.link.flow {
            SignupFlow::Embedded => Some(self.embedded_signup()?),
            SignupFlow::Credentials => None,
        };
        let state = hex::encode(rand::random::<[u8; 32]>());
        let mut tx = self.store.begin().await?;
        tx.signup_links().bind_page(live.link.id, &state_hash(&state)).await?;
        tx.commit().await?;
        Ok(SignupStart { state: state.into(), embedded })
    }

    async fn unused(&self, token: &str) -> Result<LiveSignup, AppError> {
        let live = self.signup_link(token).await?;
        still_unused(&live.link)?;
        Ok(live)
    }

    /// The link of a token, for the page that it is bound to.
    async fn bound(
        &self,
        token: &str,
        state: &str,
        flow: SignupFlow,
    ) -> Result<SignupLink, AppError> {
        let link = self.unused(token).await?.link;
        let expected = link.state_hash.clone().unwrap_or_default();
        let same = expected.as_bytes().ct_eq(state_hash(state).as_bytes());
        if link.flow == flow && bool::from(same) {
            Ok(link)
        } else {
            Err(Refusal::MetaSignupStateInvalid.into())
        }
    }

    /// Goes on with what Meta's dialog left.
    ///
    /// # Errors
    ///
    /// As [`App::begin_signup`], [`Refusal::MetaSignupStateInvalid`], and those of
    /// [`App::create_official_number`].
    pub async fn finish_embedded_signup(
        &self,
        token: &str,
        state: &str,
        result: EmbeddedResult,
    ) -> Result<SignupOutcome, AppError> {
        let link = self.bound(token, state, SignupFlow::Embedded).await?;
        let app = self.clone();
        // The code is used once: whoever hangs up must not lose what it gave.
        self.detached(async move { app.exchange(link, result).await }).await
    }

    async fn exchange(
        &self,
        link: SignupLink,
        result: EmbeddedResult,
    ) -> Result<SignupOutcome, AppError> {
        let options = self.embedded()?;
        let graph = &self.meta()?.graph;
        let app: AppId = options
            .app_id
            .parse()
            .map_err(|_malformed| AppError::Internal("meta.app_id is malformed".into()))?;
        let code = result.code.expose_secret();
        let given = graph.exchange_code(&app, &options.app_secret, code).await;
        let given = given.map_err(|error| refusal_of(&error))?;
        let secret = Some(options.app_secret.clone());
        let access = Access { token: given.token.clone(), app_secret: secret };
        let info = graph.inspect_token(&access, Some(&app)).await;
        let info = info.map_err(|error| refusal_of(&error))?;
        let waba = account(info.wabas_of(MANAGEMENT), result.waba_id.as_deref())?;
        let phones = graph.phones_of(&access, &waba).await.map_err(|error| refusal_of(&error))?;
        let expires_at =
            given.expires_in.map(|span| self.clock.now().after(span)).or(info.expires_at);
        let pending = Pending {
            token: given.token.expose_secret().to_owned(),
            expires_at: expires_at.map(Timestamp::as_millis),
            waba_id: waba.to_string(),
            choices: phones.iter().filter_map(choice).collect(),
        };
        let named = result.phone_id.as_deref();
        let chosen = match pending.choices.as_slice() {
            [] => {
                let sentence = "the WhatsApp Business account has no phone number";
                return Err(Refusal::MetaRefused(sentence.to_owned()).into());
            }
            [only] => Some(only.clone()),
            several => several.iter().find(|it| Some(it.phone_id.as_str()) == named).cloned(),
        };
        if let Some(chosen) = chosen {
            return self.connect_chosen(&link, pending, &chosen).await;
        }
        let written =
            serde_json::to_string(&pending).map_err(|error| AppError::Internal(Box::new(error)))?;
        let mut tx = self.store.begin().await?;
        tx.signup_links().set_pending(link.id, &written.into()).await?;
        tx.commit().await?;
        Ok(SignupOutcome::Choose(pending.choices))
    }

    /// Connects the number that the person chose.
    ///
    /// # Errors
    ///
    /// As [`App::finish_embedded_signup`].
    pub async fn choose_signup_number(
        &self,
        token: &str,
        state: &str,
        phone_id: &str,
    ) -> Result<SignupOutcome, AppError> {
        let link = self.bound(token, state, SignupFlow::Embedded).await?;
        let pending = self.store.read().await?.signup_links().pending(link.id).await?;
        let pending = pending.ok_or(Refusal::MetaSignupStateInvalid)?;
        let pending: Pending = serde_json::from_str(pending.expose_secret())
            .map_err(|error| AppError::Internal(Box::new(error)))?;
        let chosen = pending.choices.iter().find(|it| it.phone_id == phone_id).cloned();
        let chosen = chosen.ok_or_else(|| AppError::invalid("phoneNumberId is none to choose"))?;
        self.connect_chosen(&link, pending, &chosen).await
    }

    async fn connect_chosen(
        &self,
        link: &SignupLink,
        pending: Pending,
        chosen: &SignupChoice,
    ) -> Result<SignupOutcome, AppError> {
        let credentials = Credentials {
            app_id: Some(self.embedded()?.app_id.clone()),
            operators_app: true,
            token: pending.token.into(),
            app_secret: None,
            pin: None,
            token_expires_at: pending.expires_at.map(Timestamp::from_millis),
        };
        let given = Given {
            phone_id: chosen.phone_id.clone(),
            waba_id: pending.waba_id,
            credentials,
            number: chosen.number.clone(),
            name: chosen.name.as_deref().map(|name| name.chars().take(NAME_MAX).collect()),
        };
        self.connect_signup(link, given).await
    }

    /// Connects the number whose credentials the person typed. `number`: its phone number.
    ///
    /// # Errors
    ///
    /// As [`App::finish_embedded_signup`].
    pub async fn finish_credentials_signup(
        &self,
        token: &str,
        state: &str,
        number: String,
        name: Option<String>,
        meta: MetaCredentials,
    ) -> Result<SignupOutcome, AppError> {
        let link = self.bound(token, state, SignupFlow::Credentials).await?;
        let checked = meta.check()?;
        let given = Given {
            phone_id: checked.phone_id.to_string(),
            waba_id: checked.waba_id.to_string(),
            credentials: checked.credentials,
            number,
            name,
        };
        self.connect_signup(&link, given).await
    }

    async fn connect_signup(
        &self,
        link: &SignupLink,
        given: Given,
    ) -> Result<SignupOutcome, AppError> {
        let caller = self.caller_of(link).await?;
        let phone = PhoneNumber::of_provider_in_any_format(Provider::Meta, &given.number)
            .map_err(|error| AppError::invalid(format!("number: {error}")))?;
        let name = link.name.clone().or(given.name).unwrap_or_else(|| phone.e164());
        let settings = NumberSettings::read(&link.settings)?;
        let wish = CreateNumber {
            name,
            number: phone.e164(),
            link_to_api_key: link.key.is_some(),
            settings: SettingsPatch::default(),
        };
        let wanted = wish.check(Provider::Meta)?.with_settings(settings);
        self.limits.pairing(link.tenant, &phone)?;
        let malformed = |_malformed| AppError::invalid("Meta's ids have 5 to 20 digits");
        let phone_id = given.phone_id.parse().map_err(malformed)?;
        let waba_id = given.waba_id.parse().map_err(malformed)?;
        let official = draft(wanted.id, &phone_id, &waba_id, given.credentials);
        let along = Along { link: Some(link.id), memo: None };
        let created = self.create_official(&caller, wanted, official, Some(phone), along).await?;
        let redirect = redirect(link, created.number.id);
        Ok(SignupOutcome::Connected { number: Box::new(created), redirect })
    }

    /// On whose behalf a link acts: the key that moves to the number, or the link itself.
    async fn caller_of(&self, link: &SignupLink) -> Result<Caller, AppError> {
        let Some(key) = link.key else { return Ok(Caller::link(link.tenant, link.id)) };
        let found = self.store.read().await?.keys().find_by_id(key).await?;
        Ok(found.map_or_else(|| Caller::link(link.tenant, link.id), Caller::key_holder))
    }
}

/// What is known of the number to be connected.
struct Given {
    phone_id: String,
    waba_id: String,
    credentials: Credentials,
    number: String,
    name: Option<String>,
}

impl EmbeddedSignup {
    fn of(options: &MetaOptions) -> Self {
        Self {
            app_id: options.app_id.clone(),
            config_id: options.config_id.clone(),
            version: options.version.clone(),
            sdk_url: options.sdk_url.clone(),
            login_origins: options.login_origins.clone(),
        }
    }
}

/// The account that was signed up: the one that the page claims, if the token is good for it, else the
/// newest that it is good for.
fn account(granted: Option<&[String]>, claimed: Option<&str>) -> Result<WabaId, AppError> {
    let granted = granted.unwrap_or_default();
    let waba = match claimed {
        Some(claimed) if granted.iter().any(|id| id == claimed) => claimed,
        Some(claimed) => {
            let sentence = format!("the sign-up gives no access to account {claimed}");
            return Err(Refusal::MetaPermissionMissing(sentence).into());
        }
        None => granted.first().map(String::as_str).ok_or_else(|| {
            let sentence = "the sign-up gives access to no WhatsApp Business account";
            Refusal::MetaPermissionMissing(sentence.to_owned())
        })?,
    };
    waba.parse().map_err(|_malformed| AppError::invalid("wabaId has 5 to 20 digits"))
}

fn choice(phone: &PhoneSummary) -> Option<SignupChoice> {
    Some(SignupChoice {
        phone_id: phone.id.clone(),
        number: phone.display_phone_number.clone()?,
        name: phone.verified_name.clone(),
    })
}

fn state_hash(state: &str) -> String {
    hex::encode(Sha256::digest(state.as_bytes()))
}

/// A link is good for one number. It may have been used or revoked while that number was connected.
pub(super) fn still_unused(link: &SignupLink) -> Result<(), Refusal> {
    if link.used_at.is_some() {
        Err(Refusal::NumberAlreadyConnected)
    } else if link.revoked_at.is_some() {
        Err(Refusal::PairingLinkInvalid(DeadLink::Revoked))
    } else {
        Ok(())
    }
}

fn dead(link: &SignupLink, now: Timestamp) -> Option<DeadLink> {
    if link.revoked_at.is_some() {
        return Some(DeadLink::Revoked);
    }
    match link.used_at {
        Some(used_at) if used_at.after(GRACE) <= now => Some(DeadLink::Used),
        None if link.expires_at <= now => Some(DeadLink::Expired),
        Some(_) | None => None,
    }
}

/// The address was checked when the link was created; only our own parameters are added.
fn redirect(link: &SignupLink, number: NumberId) -> Option<String> {
    let mut url = url::Url::parse(link.redirect_url.as_deref()?).ok()?;
    let mut query = url.query_pairs_mut();
    query.append_pair("numberId", &number.to_string());
    if let Some(reference) = &link.external_ref {
        query.append_pair("externalRef", reference);
    }
    drop(query);
    Some(url.into())
}

/// What a page may show of a pending choice is no secret; the rest of it is.
impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("choices", &self.choices).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ramal_domain::TenantId;

    use super::*;

    #[test]
    fn a_link_dies_unused_after_a_day_used_after_a_while_and_revoked_at_once() {
        let begun = Timestamp::from_millis(1_000);
        let link = SignupLink {
            id: PairingLinkId::mint(),
            tenant: TenantId::mint(),
            flow: SignupFlow::Embedded,
            name: None,
            key: None,
            language: None,
            branding: "{}".to_owned(),
            redirect_url: Some("https://acme.example/done?x=1#top".to_owned()),
            external_ref: Some("a b&numberId=wa_evil".to_owned()),
            settings: "{}".to_owned(),
            state_hash: None,
            created_at: begun,
            expires_at: begun.after(LIFE),
            used_at: None,
            revoked_at: None,
            number: None,
        };
        let moment = Duration::from_millis(1);
        assert_eq!(dead(&link, begun.after(LIFE.saturating_sub(moment))), None);
        assert_eq!(dead(&link, begun.after(LIFE)), Some(DeadLink::Expired));
        let used = SignupLink { used_at: Some(begun), ..link.clone() };
        assert_eq!(dead(&used, begun.after(GRACE.saturating_sub(moment))), None);
        assert_eq!(dead(&used, begun.after(GRACE)), Some(DeadLink::Used));
        let revoked = SignupLink { revoked_at: Some(begun), ..link.clone() };
        assert_eq!(dead(&revoked, begun), Some(DeadLink::Revoked));

        let number = NumberId::mint();
        let expected = format!(
            "https://acme.example/done?x=1&numberId={number}&externalRef=a+b%26numberId%3Dwa_evil#top"
        );
        assert_eq!(redirect(&link, number), Some(expected), "what was given stays one value");
    }

    #[test]
    fn an_account_is_believed_only_if_the_token_is_good_for_it() {
        let granted = ["222222".to_owned(), "111111".to_owned()];
        assert_eq!(account(Some(&granted), None).unwrap().as_str(), "222222");
        assert_eq!(account(Some(&granted), Some("111111")).unwrap().as_str(), "111111");
        let error = account(Some(&granted), Some("333333")).unwrap_err();
        assert_eq!(error.code(), "META_PERMISSION_MISSING");
        assert!(account(None, Some("111111")).is_err());
        assert!(account(None, None).is_err());
    }
}
