//! Official numbers are created from credentials that their owner has (contract C.12), and connected
//! anew with them, or with fresh ones.

use ramal_domain::{
    EventKind, Input, KeyId, Link, NumberId, PairingLinkId, PhoneNumber, Provider, TenantId,
    Timestamp,
};
use ramal_meta::{AppId, PhoneId, WabaId};
use ramal_store::{Credentials, Number, OfficialNumber, Tx};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    OfficialView,
    look::{Depth, first_look, settle},
    onboarding::{Onboarded, Touched, Walk, draft},
    signup::still_unused,
    view::snapshot,
};
use crate::{
    App, AppError, Caller, CreateNumber, DeadLink, Memo, Refusal,
    auth::parse_number_id,
    keys::link_new_number,
    numbers::{Wanted, note},
};

/// Longest token or secret that is taken: they have no length of their own.
const SECRET_MAX: usize = 4_096;

/// What its owner knows of a number at Meta, as it was given.
#[derive(Clone, Debug)]
pub struct MetaCredentials {
    /// Meta's phone number id.
    pub phone_id: String,
    /// The WhatsApp Business account.
    pub waba_id: String,
    /// A system user's access token.
    pub access_token: SecretString,
    /// The app's secret.
    pub app_secret: SecretString,
    /// The app, if known.
    pub app_id: Option<String>,
    /// The PIN of the two-step verification, if it has one.
    pub pin: Option<SecretString>,
}

/// What a caller says of an official number to be created.
#[derive(Clone, Debug)]
pub struct CreateOfficial {
    /// Name, phone number, key and settings.
    pub number: CreateNumber,
    /// What it is at Meta.
    pub meta: MetaCredentials,
}

/// Fresh credentials of an official number; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct CredentialsPatch {
    /// The access token.
    pub access_token: Option<SecretString>,
    /// The app's secret.
    pub app_secret: Option<SecretString>,
    /// The app.
    pub app_id: Option<String>,
    /// The PIN.
    pub pin: Option<SecretString>,
}

/// An official number that was just created or connected anew.
#[derive(Clone, Debug)]
pub struct CreatedOfficial {
    /// The number.
    pub number: Number,
    /// What it is at Meta.
    pub view: OfficialView,
    /// Where Meta delivers its webhooks.
    pub webhook_url: String,
    /// What Meta says when it tries that address.
    pub verify_token: SecretString,
    /// The calling key, when it moved to the new number.
    pub linked_key: Option<KeyId>,
}

/// Checked [`MetaCredentials`].
pub(crate) struct CheckedCredentials {
    pub(crate) phone_id: PhoneId,
    pub(crate) waba_id: WabaId,
    pub(crate) credentials: Credentials,
}

/// What else the transaction that lists a number writes down.
#[derive(Debug, Default)]
pub(crate) struct Along {
    /// The hosted link by which it came: it is used up.
    pub(crate) link: Option<PairingLinkId>,
    /// The answer, for a repeat of the request.
    pub(crate) memo: Option<Memo<CreatedOfficial>>,
}

impl MetaCredentials {
    pub(crate) fn check(self) -> Result<CheckedCredentials, AppError> {
        let id = |field: &str| AppError::invalid(format!("{field} has 5 to 20 digits"));
        let phone_id = self.phone_id.parse().map_err(|_malformed| id("metaPhoneId"))?;
        let waba_id = self.waba_id.parse().map_err(|_malformed| id("metaWabaId"))?;
        check_secret("metaAccessToken", &self.access_token)?;
        check_secret("metaAppSecret", &self.app_secret)?;
        let app_id = check_app(self.app_id)?;
        check_pin(self.pin.as_ref())?;
        Ok(CheckedCredentials {
            phone_id,
            waba_id,
            credentials: Credentials {
                app_id,
                operators_app: false,
                token: self.access_token,
                app_secret: Some(self.app_secret),
                pin: self.pin,
                token_expires_at: None,
            },
        })
    }
}

fn check_secret(field: &str, secret: &SecretString) -> Result<(), AppError> {
    let text = secret.expose_secret();
    let fits = !text.is_empty() && text.len() <= SECRET_MAX;
    // It goes into a header.
    if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(AppError::invalid(format!("{field} has 1 to {SECRET_MAX} visible ASCII characters")))
}

fn check_app(app_id: Option<String>) -> Result<Option<String>, AppError> {
    let parsed = app_id.map(|id| id.parse::<AppId>()).transpose();
    let app = parsed.map_err(|_malformed| AppError::invalid("metaAppId has 5 to 20 digits"))?;
    Ok(app.map(|app| app.to_string()))
}

fn check_pin(pin: Option<&SecretString>) -> Result<(), AppError> {
    let fits = |pin: &SecretString| {
        let pin = pin.expose_secret();
        pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit())
    };
    if pin.is_none_or(fits) { Ok(()) } else { Err(AppError::invalid("metaPin has six digits")) }
}

/// Writes down what a number is about to be at Meta, with the PIN that it was given here before.
pub(super) async fn prepare(
    tx: &mut Tx,
    tenant: TenantId,
    official: &mut OfficialNumber,
) -> Result<(), AppError> {
    let phone_id = official.phone_id.as_str();
    if tx.official().is_taken(tenant, phone_id, official.number).await? {
        return Err(Refusal::NumberAlreadyActive.into());
    }
    if official.credentials.pin.is_none() {
        official.credentials.pin = tx.official().known_pin(tenant, phone_id).await?;
    }
    Ok(tx.official().put(official).await?)
}

impl App {
    /// Creates an official number from its owner's credentials. It exists once Meta has accepted them,
    /// or not at all.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], the refusals that begin with `Meta`, [`Refusal::NumberAlreadyActive`]
    /// and [`Refusal::NumberSoftDeleted`].
    pub async fn create_official_number(
        &self,
        caller: &Caller,
        wish: CreateOfficial,
        memo: Option<Memo<CreatedOfficial>>,
    ) -> Result<CreatedOfficial, AppError> {
        let checked = wish.meta.check()?;
        let wanted = wish.number.check(Provider::Meta)?;
        self.limits.pairing(caller.tenant(), wanted.phone())?;
        let expected = Some(wanted.phone().clone());
        let official = draft(wanted.id, &checked.phone_id, &checked.waba_id, checked.credentials);
        self.create_official(caller, wanted, official, expected, Along { link: None, memo }).await
    }

    /// Reserves a number, walks it through the checklist, and lists it.
    pub(crate) async fn create_official(
        &self,
        caller: &Caller,
        wanted: Wanted,
        mut official: OfficialNumber,
        expected: Option<PhoneNumber>,
        along: Along,
    ) -> Result<CreatedOfficial, AppError> {
        let turn = self.meta()?.phone_turns.of(official.phone_id.clone());
        let (app, caller) = (self.clone(), caller.clone());
        self.detached(async move {
            let _turn = turn.lock().await;
            let mut tx = app.store.begin().await?;
            app.reserve_in(&mut tx, &caller, &wanted).await?;
            // Meta tries the callback while the checklist is walked: it must know the verify token.
            prepare(&mut tx, caller.tenant(), &mut official).await?;
            tx.commit().await?;
            let walked = app.onboard(official, expected.as_ref(), Walk::Lenient).await;
            let (created, official, touched) = match walked {
                Ok(onboarded) => {
                    let (official, touched) = (onboarded.official.clone(), onboarded.touched);
                    let created = app.publish_official(&caller, &wanted, onboarded, along).await;
                    (created, official, touched)
                }
                Err(stuck) => (Err(stuck.error), stuck.official, stuck.touched),
            };
            if created.is_err() {
                app.undo_official(&official, touched).await;
            }
            created
        })
        .await
    }

    /// Undoes the reservation of a number that did not come to be, here and at Meta.
    async fn undo_official(&self, official: &OfficialNumber, touched: Touched) {
        let id = official.number;
        if self.take_back(official, touched).await && !touched.registration {
            return self.undo_reservation(id).await;
        }
        let aside = async {
            let mut tx = self.store.begin().await?;
            tx.numbers().set_aside(id, self.clock.now()).await?;
            tx.commit().await
        };
        if let Err(error) = aside.await {
            // The next start sets it aside, as it does with those of dead processes.
            let error = &error as &dyn std::error::Error;
            tracing::error!(number.id = %id, error, "a reservation was not undone");
        }
        self.wake_upkeep();
    }

    async fn publish_official(
        &self,
        caller: &Caller,
        wanted: &Wanted,
        onboarded: Onboarded,
        along: Along,
    ) -> Result<CreatedOfficial, AppError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if let Some(link) = along.link {
            let found = tx.signup_links().find_to_change(link).await?;
            let unknown = Refusal::PairingLinkInvalid(DeadLink::Unknown);
            still_unused(&found.ok_or(unknown)?)?;
            tx.signup_links().used(link, wanted.id, now).await?;
        }
        let number = tx.numbers().publish(wanted.id, now).await?.ok_or(Refusal::NumberNotFound)?;
        let linked_key =
            link_new_number(&mut tx, caller, number.id, wanted.link_to_api_key, now).await?;
        tx.events().record(&number.event(EventKind::NumberCreated, now)).await?;
        let official = self.keep(&mut tx, onboarded, now).await?;
        note(&mut tx, caller, "number.create", &number, now).await?;
        let created = self.connected(&mut tx, official, linked_key).await?;
        if let Some(memo) = along.memo {
            memo.keep(&mut tx, &created).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        self.describe_soon(number.id);
        Ok(created)
    }

    /// Writes down what the checklist found: ids, secrets, steps, link and health.
    pub(super) async fn keep(
        &self,
        tx: &mut Tx,
        onboarded: Onboarded,
        now: Timestamp,
    ) -> Result<OfficialNumber, AppError> {
        let Onboarded { mut official, checklist, phone, touched: _ } = onboarded;
        official.onboarding = checklist.write();
        official.snapshot = Some(snapshot(official.snapshot.as_deref(), &phone, None, None));
        official.looked_at = Some(now);
        tx.official().put(&official).await?;
        let due = first_look(&official, self.meta()?.options.poll_every, now);
        tx.official().look_again(official.number, due).await?;
        settle(tx, official.number, &phone, &checklist, now).await?;
        Ok(official)
    }

    /// A number that is connected, as the unit of work has it.
    pub(super) async fn connected(
        &self,
        tx: &mut Tx,
        official: OfficialNumber,
        linked_key: Option<KeyId>,
    ) -> Result<CreatedOfficial, AppError> {
        let id = official.number;
        let number = tx.numbers().get(id).await?;
        Ok(CreatedOfficial {
            number: number.ok_or(Refusal::NumberNotFound)?,
            view: OfficialView::of(&official),
            webhook_url: self.meta_callback(id),
            verify_token: official.verify_token,
            linked_key,
        })
    }

    /// Profile and account are read when the number is there: nobody has to wait for them.
    pub(super) fn describe_soon(&self, id: NumberId) {
        let app = self.clone();
        self.tasks.spawn(async move {
            if let Err(error) = app.look(id, Depth::All).await {
                tracing::info!(number.id = %id, %error, "an official number is not described yet");
            }
        });
    }

    /// Walks an official number through the checklist again, with fresh credentials if some are given.
    /// A failure leaves link and credentials as they were; the list says what failed.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`], [`Refusal::NotSupported`] for a QR-paired number, and those that
    /// begin with `Meta`.
    pub async fn reconnect_official(
        &self,
        caller: &Caller,
        id: &str,
        patch: CredentialsPatch,
    ) -> Result<CreatedOfficial, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        if number.provider != Provider::Meta {
            let sentence = "only official numbers are reconnected with credentials; call connect";
            return Err(Refusal::NotSupported(sentence.to_owned()).into());
        }
        patch.check()?;
        let meta = self.meta()?;
        self.limits.pairing(number.tenant, &number.phone)?;
        let turn = meta.turns.of(number.id);
        let (app, caller) = (self.clone(), caller.clone());
        self.detached(async move {
            let _turn = turn.lock().await;
            let official = app.store.read().await?.official().get(number.id).await?;
            let mut official = official.ok_or(Refusal::NumberNotFound)?;
            let phone_turn = app.meta()?.phone_turns.of(official.phone_id.clone());
            let _phone_turn = phone_turn.lock().await;
            patch.apply(&mut official.credentials);
            let expected = number.phone.clone();
            match app.onboard(official, Some(&expected), Walk::Lenient).await {
                Ok(onboarded) => app.reopen(&caller, &number, onboarded).await,
                Err(stuck) => {
                    let mut tx = app.store.begin().await?;
                    let row = tx.numbers().get(number.id).await?;
                    // What keeps an open number going is told by its own list still.
                    if row.is_some_and(|row| row.link != Link::Open) {
                        tx.official().set_onboarding(number.id, &stuck.checklist.write()).await?;
                    }
                    tx.commit().await?;
                    Err(stuck.error)
                }
            }
        })
        .await
    }

    async fn reopen(
        &self,
        caller: &Caller,
        number: &Number,
        onboarded: Onboarded,
    ) -> Result<CreatedOfficial, AppError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let found = tx.numbers().find_to_change(number.tenant, number.id).await?;
        let found = found.ok_or(Refusal::NumberNotFound)?;
        if matches!(found.link, Link::Closed(_)) {
            tx.numbers().step_official(number.id, Input::PairingStarted, now).await?;
        }
        let official = self.keep(&mut tx, onboarded, now).await?;
        note(&mut tx, caller, "number.connect", number, now).await?;
        let connected = self.connected(&mut tx, official, None).await?;
        tx.commit().await?;
        self.wake.notify_one();
        self.wake_official();
        self.describe_soon(number.id);
        Ok(connected)
    }

    /// What Meta says when it tries an official number's callback, for whoever makes that the callback
    /// of their app as well.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`], and [`Refusal::NumberNotFound`] also for a QR-paired number.
    pub async fn reveal_verify_token(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<SecretString, AppError> {
        caller.require_tenant()?;
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        if number.provider != Provider::Meta {
            return Err(Refusal::NumberNotFound.into());
        }
        let mut tx = self.store.begin().await?;
        let official = tx.official().get(number.id).await?.ok_or(Refusal::NumberNotFound)?;
        note(&mut tx, caller, "number.reveal_verify_token", &number, self.clock.now()).await?;
        tx.commit().await?;
        Ok(official.verify_token)
    }

    /// What an official number is at Meta.
    pub(crate) async fn official_view(
        &self,
        id: NumberId,
    ) -> Result<Option<OfficialView>, AppError> {
        let official = self.store.read().await?.official().get(id).await?;
        Ok(official.as_ref().map(OfficialView::of))
    }
}

impl CredentialsPatch {
    fn check(&self) -> Result<(), AppError> {
        if let Some(token) = &self.access_token {
            check_secret("metaAccessToken", token)?;
        }
        if let Some(secret) = &self.app_secret {
            check_secret("metaAppSecret", secret)?;
        }
        check_app(self.app_id.clone())?;
        check_pin(self.pin.as_ref())
    }

    fn apply(self, credentials: &mut Credentials) {
        if let Some(token) = self.access_token {
            credentials.token = token;
            credentials.token_expires_at = None;
            // Another token may be of another app; which one, Meta says.
            credentials.app_id.clone_from(&self.app_id);
        }
        if let Some(secret) = self.app_secret {
            credentials.app_secret = Some(secret);
            credentials.operators_app = false;
        }
        if self.app_id.is_some() {
            credentials.app_id = self.app_id;
        }
        if self.pin.is_some() {
            credentials.pin = self.pin;
        }
    }
}
