//! Numbers: create, look at, connect, remove.

use std::{collections::HashMap, time::Duration};

use ramal_domain::{Action, EventKind, KeyId, Link, NumberId, PhoneNumber, Provider, Timestamp};
use ramal_session::{CodeState, Outcome, Pairing, PairingFailure, QrCode};
use ramal_store::{Key, NewNumber, Number, Reservation, StoreError, Tx};
use tokio::{sync::watch, time::Instant};

use crate::{
    App, AppError, Caller, Memo, NumberSettings, OfficialView, Refusal, SettingsPatch, audit,
    auth::parse_number_id,
    keys::{keys_by_number, link_new_number},
    names::check_name,
};

/// A sign of life this young answers a status request without another round trip.
const FRESH: Duration = Duration::from_secs(5);
/// How long a dead key is remembered.
const REVOKED_MEMORY: Duration = Duration::from_hours(7 * 24);
/// How long Meta repeats what it reports (7 days), and one more.
const META_REPEATS: Duration = Duration::from_hours(8 * 24);
/// Messages of a removed number that one transaction gives up, and how many such transactions a caller
/// waits for.
const BATCH: u32 = 500;
const BATCHES_AT_ONCE: usize = 10;
/// How long connect waits for a login that is under way, before it starts over.
const LOGIN_PATIENCE: Duration = Duration::from_secs(10);

/// What a caller says of a number to be created.
#[derive(Clone, Debug)]
pub struct CreateNumber {
    /// The display name.
    pub name: String,
    /// The phone number, in E.164 with or without `+`.
    pub number: String,
    /// Whether a calling number key moves to the new number.
    pub link_to_api_key: bool,
    /// The settings that it is born with.
    pub settings: SettingsPatch,
}

/// A number that was just created.
#[derive(Clone, Debug)]
pub struct Created {
    /// The number.
    pub number: Number,
    /// What to show the person who owns the phone.
    pub codes: Codes,
    /// The calling key, when it moved to the new number.
    pub linked_key: Option<KeyId>,
}

/// What to show the person who owns the phone.
#[derive(Clone, Debug)]
pub struct Codes {
    /// The QR code.
    pub qr: QrCode,
    /// The pairing code, with the moment at which it dies, when WhatsApp gave one.
    pub pairing_code: Option<(String, Timestamp)>,
    /// When the last code of this attempt dies, if nobody answers.
    pub window_ends_at: Timestamp,
}

/// A number with what lists show beside it.
#[derive(Clone, Debug)]
pub struct NumberView {
    /// The number.
    pub number: Number,
    /// Its settings.
    pub settings: NumberSettings,
    /// Its keys.
    pub keys: Vec<Key>,
    /// What a person must do before its pairing goes on.
    pub action: Option<Action>,
    /// What it is at Meta, if it is an official number.
    pub official: Option<OfficialView>,
}

/// A number's link, as far as it can be known now.
#[derive(Clone, Debug)]
pub struct LiveState {
    /// The number.
    pub number: Number,
    /// What a person must do before its pairing goes on.
    pub action: Option<Action>,
    /// When that was proven; `None` when WhatsApp did not answer and this is from memory.
    pub checked_at: Option<Timestamp>,
}

/// A number that was just removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Until when it can be restored.
    pub restorable_until: Timestamp,
}

/// A checked [`CreateNumber`].
pub(crate) struct Wanted {
    pub(crate) id: NumberId,
    name: String,
    phone: PhoneNumber,
    settings: NumberSettings,
    pub(crate) link_to_api_key: bool,
    provider: Provider,
}

impl Wanted {
    pub(crate) fn with_settings(self, settings: NumberSettings) -> Self {
        Self { settings, ..self }
    }

    pub(crate) const fn phone(&self) -> &PhoneNumber {
        &self.phone
    }
}

impl CreateNumber {
    pub(crate) fn check(self, provider: Provider) -> Result<Wanted, AppError> {
        let name = check_name(&self.name)?;
        let phone = PhoneNumber::of_provider(provider, &self.number)
            .map_err(|error| AppError::invalid(format!("number: {error}")))?;
        Ok(Wanted {
            id: NumberId::mint(),
            name,
            phone,
            settings: self.settings.apply(&NumberSettings::default())?,
            link_to_api_key: self.link_to_api_key,
            provider,
        })
    }
}

impl App {
    /// Creates a QR-paired number. It exists once there is a QR code to show, or not at all: a
    /// creation that fails leaves no trace, and may be tried again.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::NumberAlreadyActive`], [`Refusal::NumberSoftDeleted`],
    /// [`Refusal::UpstreamError`] and [`Refusal::UpstreamTimeout`].
    pub async fn create_number(
        &self,
        caller: &Caller,
        wish: CreateNumber,
        memo: Option<Memo<Created>>,
    ) -> Result<Created, AppError> {
        let wanted = wish.check(Provider::Web)?;
        let (app, caller) = (self.clone(), caller.clone());
        self.detached(async move {
            let id = wanted.id;
            app.reserve(&caller, &wanted).await?;
            let created = app.pair_and_publish(&caller, wanted, memo).await;
            if created.is_err() {
                app.undo_reservation(id).await;
            }
            created
        })
        .await
    }

    async fn reserve(&self, caller: &Caller, wanted: &Wanted) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        self.reserve_in(&mut tx, caller, wanted).await?;
        Ok(tx.commit().await?)
    }

    /// Holds a phone number, within a unit of work.
    pub(crate) async fn reserve_in(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        wanted: &Wanted,
    ) -> Result<(), AppError> {
        let settings = wanted.settings.write()?;
        let new = NewNumber {
            id: wanted.id,
            tenant: caller.tenant(),
            phone: &wanted.phone,
            name: &wanted.name,
            settings: &settings,
            provider: wanted.provider,
        };
        match tx.numbers().reserve(&new, self.sessions.node(), self.clock.now()).await? {
            Reservation::Reserved(_) => Ok(()),
            Reservation::AlreadyActive => Err(Refusal::NumberAlreadyActive.into()),
            Reservation::SoftDeleted => Err(Refusal::NumberSoftDeleted.into()),
        }
    }

    async fn pair_and_publish(
        &self,
        caller: &Caller,
        wanted: Wanted,
        memo: Option<Memo<Created>>,
    ) -> Result<Created, AppError> {
        let deadline = Instant::now() + self.options.qr_deadline;
        self.limits.pairing(caller.tenant(), &wanted.phone)?;
        let mut watcher = self.sessions.pair(wanted.id).await?;
        let codes = self.wait_for_codes(&mut watcher, deadline).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let number = tx.numbers().publish(wanted.id, now).await?.ok_or(Refusal::NumberNotFound)?;
        let linked_key =
            link_new_number(&mut tx, caller, number.id, wanted.link_to_api_key, now).await?;
        tx.events().record(&number.event(EventKind::NumberCreated, now)).await?;
        note(&mut tx, caller, "number.create", &number, now).await?;
        let created = Created { number, codes, linked_key };
        if let Some(memo) = memo {
            memo.keep(&mut tx, &created).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        Ok(created)
    }

    pub(crate) async fn undo_reservation(&self, id: NumberId) {
        self.sessions.stop(id).await;
        let undone = async {
            let mut tx = self.store.begin().await?;
            tx.numbers().abandon(id).await?;
            tx.commit().await
        };
        if let Err(error) = undone.await {
            // The next start undoes it: reservations of other processes are abandoned there.
            let error = &error as &dyn std::error::Error;
            tracing::error!(number.id = %id, error, "a reservation was not undone");
        }
    }

    /// Waits for the first QR code, and a little longer for the pairing code.
    async fn wait_for_codes(
        &self,
        watcher: &mut watch::Receiver<Pairing>,
        deadline: Instant,
    ) -> Result<Codes, AppError> {
        let mut code_deadline = deadline;
        loop {
            let pairing = watcher.borrow_and_update().clone();
            if let Outcome::Failed(failure) = pairing.outcome {
                return Err(refusal_of(failure).into());
            }
            if pairing.qr.is_some() {
                code_deadline = code_deadline.min(Instant::now() + self.options.code_grace);
            }
            if pairing.is_complete() || (pairing.qr.is_some() && Instant::now() >= code_deadline) {
                return codes(pairing).ok_or(Refusal::UpstreamTimeout.into());
            }
            match tokio::time::timeout_at(code_deadline.min(deadline), watcher.changed()).await {
                Ok(Ok(())) => {}
                // The session ended without a word: it panicked, or its database broke.
                Ok(Err(_closed)) => return Err(Refusal::UpstreamError.into()),
                Err(_elapsed) => {
                    let pairing = watcher.borrow().clone();
                    return codes(pairing).ok_or(Refusal::UpstreamTimeout.into());
                }
            }
        }
    }

    /// Every listed number of the caller's tenant, with its keys.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn list_numbers(&self, caller: &Caller) -> Result<Vec<NumberView>, AppError> {
        let mut tx = self.store.read().await?;
        let mut keys = keys_by_number(&mut tx, caller.tenant()).await?;
        let numbers = tx.numbers().list(caller.tenant()).await?;
        let official = tx.official().list(caller.tenant()).await?;
        let mut official: HashMap<_, _> =
            official.iter().map(|it| (it.number, OfficialView::of(it))).collect();
        numbers
            .into_iter()
            .map(|number| {
                let keys = keys.remove(&number.id).unwrap_or_default();
                let settings = NumberSettings::read(&number.settings)?;
                let official = official.remove(&number.id);
                let action = self.required_action(&number);
                Ok(NumberView { number, settings, keys, action, official })
            })
            .collect()
    }

    /// One listed number of the caller's tenant.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`].
    pub async fn get_number(&self, caller: &Caller, id: &str) -> Result<NumberView, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        self.view_number(number).await
    }

    /// As [`App::get_number`], after Meta was asked about an official number.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`], [`Refusal::MetaUnavailable`] and [`Refusal::MetaTimeout`]. What else
    /// Meta refuses is written down, and the number says it itself.
    pub async fn refresh_number(&self, caller: &Caller, id: &str) -> Result<NumberView, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        if number.provider == Provider::Meta {
            self.refresh_official(&number).await?;
        }
        self.get_number(caller, id).await
    }

    pub(crate) async fn view_number(&self, number: Number) -> Result<NumberView, AppError> {
        let settings = NumberSettings::read(&number.settings)?;
        let action = self.required_action(&number);
        let official = match number.provider {
            Provider::Meta => self.official_view(number.id).await?,
            Provider::Web => None,
        };
        Ok(NumberView { number, action, settings, keys: Vec::new(), official })
    }

    /// A number's link: proven by a round trip to WhatsApp when it should be open, else as our own
    /// record has it, which is then the authority, but for an outage that is not confirmed yet.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`].
    pub async fn live_state(&self, caller: &Caller, id: &str) -> Result<LiveState, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        let now = self.clock.now();
        if number.provider == Provider::Meta {
            // There is no connection that could be lost: what is written down holds.
            return Ok(LiveState { number, action: None, checked_at: Some(now) });
        }
        if number.link != Link::Open {
            let action = self.required_action(&number);
            let checked_at = is_known(number.link).then_some(now);
            return Ok(LiveState { number, action, checked_at });
        }
        let runs = self.sessions.pairing(number.id).is_some();
        let fresh = number.checked_at.filter(|at| runs && now.since(*at) < FRESH);
        if let Some(checked_at) = fresh {
            return Ok(LiveState { number, action: None, checked_at: Some(checked_at) });
        }
        if self.sessions.probe(number.id).await == Some(true) {
            let now = self.clock.now();
            let mut tx = self.store.begin().await?;
            tx.numbers().checked(number.id, number.epoch, now).await?;
            tx.commit().await?;
            return Ok(LiveState { number, action: None, checked_at: Some(now) });
        }
        // No answer: perhaps because the link has just changed.
        let number = self.find_number(caller, number.id).await?;
        let known = is_known(number.link).then(|| self.clock.now());
        Ok(LiveState { number, action: None, checked_at: known })
    }

    /// Starts a fresh pairing attempt and returns its codes. A number that is paired and only waits
    /// for WhatsApp to answer keeps its credentials.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberAlreadyConnected`], [`Refusal::NumberNotFound`], [`Refusal::Reconnecting`],
    /// [`Refusal::UpstreamError`] and [`Refusal::UpstreamTimeout`].
    pub async fn connect(&self, caller: &Caller, id: &str) -> Result<Codes, AppError> {
        let deadline = Instant::now() + self.options.qr_deadline;
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        let codes = self.connect_number(number.clone(), deadline).await?;
        let mut tx = self.store.begin().await?;
        note(&mut tx, caller, "number.connect", &number, self.clock.now()).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Starts a fresh pairing attempt of a number that the caller has found; see [`App::connect`].
    pub(crate) async fn connect_number(
        &self,
        number: Number,
        deadline: Instant,
    ) -> Result<Codes, AppError> {
        if number.provider == Provider::Meta {
            let sentence = "an official number has no QR code: reconnect it with its credentials";
            return Err(Refusal::NotSupportedForMeta(sentence).into());
        }
        if number.link == Link::Open {
            return Err(Refusal::NumberAlreadyConnected.into());
        }
        if self.is_paired(&number) {
            let open = self.login_completes(number.id).await;
            let refusal =
                if open { Refusal::NumberAlreadyConnected } else { Refusal::Reconnecting };
            return Err(refusal.into());
        }
        self.limits.pairing(number.tenant, &number.phone)?;
        let app = self.clone();
        self.detached(async move {
            if leaves_device(&number) {
                app.unlink_old_device(number.id).await?;
            }
            let mut watcher = app.sessions.pair(number.id).await?;
            loop {
                let codes = app.wait_for_codes(&mut watcher, deadline).await;
                if codes.is_ok() {
                    return codes;
                }
                match app.sessions.settled_pairing(number.id).await {
                    // Another connect took over: its codes are as good as ours.
                    Some(other) if !other.same_channel(&watcher) => watcher = other,
                    running => {
                        if running.is_some() {
                            // Nobody was shown a code, so nobody can use it.
                            app.sessions.stop(number.id).await;
                        }
                        app.sessions.reconcile_soon();
                        return codes;
                    }
                }
            }
        })
        .await
    }

    /// Pairing would wipe what this needs, and leave a device on the phone that nobody owns.
    async fn unlink_old_device(&self, id: NumberId) -> Result<(), AppError> {
        let Err(error) = self.sessions.unlink(id).await else { return Ok(()) };
        let number = self.store.read().await?.numbers().get(id).await?;
        if number.is_some_and(|number| leaves_device(&number)) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(number.id = %id, error, "the old device is still linked");
            return Err(Refusal::UpstreamError.into());
        }
        // It turned out to be unlinked already.
        Ok(())
    }

    /// Whether a phone has answered, as the row has it or as the session knows already.
    fn is_paired(&self, number: &Number) -> bool {
        number.awaits_login()
            || self
                .sessions
                .pairing(number.id)
                .is_some_and(|pairing| pairing.borrow().outcome == Outcome::Paired)
    }

    async fn login_completes(&self, id: NumberId) -> bool {
        let Some(mut watcher) = self.sessions.pairing(id) else { return false };
        let settled = watcher
            // While a person is asked whether the phone is the right one, nothing completes.
            .wait_for(|pairing| {
                pairing.action.is_some()
                    || !matches!(pairing.outcome, Outcome::Waiting | Outcome::Paired)
            });
        match tokio::time::timeout(LOGIN_PATIENCE, settled).await {
            Ok(Ok(pairing)) => pairing.outcome == Outcome::Open,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Removes a number: it disappears, its keys die, its device is unlinked. When WhatsApp cannot be
    /// reached the unlinking is done as soon as it can; the answer is the same.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`].
    pub async fn remove_number(&self, caller: &Caller, id: &str) -> Result<Removed, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        let (app, caller) = (self.clone(), caller.clone());
        self.detached(async move {
            let now = app.clock.now();
            let restorable_until = now.after(app.options.restore_window);
            let mut tx = app.store.begin().await?;
            let removed =
                tx.numbers().remove(number.tenant, number.id, restorable_until, now).await?;
            removed.ok_or(Refusal::NumberNotFound)?;
            note(&mut tx, &caller, "number.remove", &number, now).await?;
            tx.commit().await?;
            app.wake.notify_one();
            if let Err(error) = app.give_up_queue(number.id).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(number.id = %number.id, error, "the sweep gives up its queue");
            }
            app.end_session(number.id).await?;
            if app.options.restore_window.is_zero() {
                app.sweep_now().await;
            }
            Ok(Removed { restorable_until })
        })
        .await
    }

    /// Deletes what a removed number said and heard, once nothing of it is left to be told. What does not
    /// come so far goes with the row.
    async fn delete_messages(&self, id: NumberId) -> Result<(), AppError> {
        while !self.give_up_queue(id).await? {}
        let mut tx = self.store.begin().await?;
        tx.messages().delete_all(id).await?;
        Ok(tx.commit().await?)
    }

    /// Gives up what a removed number has not sent yet. Batch by batch, for nobody writes to SQLite
    /// meanwhile; after some of them it is enough, and the sweep does the rest. Returns whether that
    /// was all.
    pub(crate) async fn give_up_queue(&self, id: NumberId) -> Result<bool, AppError> {
        for _ in 0..BATCHES_AT_ONCE {
            let mut tx = self.store.begin().await?;
            let given_up = tx.messages().fail_queued(id, BATCH, self.clock.now()).await?;
            tx.commit().await?;
            if given_up > 0 {
                self.wake.notify_one();
            }
            if given_up < u64::from(BATCH) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Unlinks the device of a removed number, or stops its session when there is no device.
    async fn end_session(&self, id: NumberId) -> Result<(), AppError> {
        self.wake_upkeep();
        if !self.is_unlink_pending(id).await? {
            self.sessions.stop(id).await;
            // Once nothing runs: a phone may have answered in the meantime.
            if !self.is_unlink_pending(id).await? {
                return Ok(());
            }
        }
        if let Err(error) = self.sessions.unlink(id).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(number.id = %id, error, "the device stays linked for now");
        }
        Ok(())
    }

    async fn is_unlink_pending(&self, id: NumberId) -> Result<bool, AppError> {
        let number = self.store.read().await?.numbers().get(id).await?;
        Ok(number.is_some_and(|number| number.unlink_pending))
    }

    /// Removes a number for good, listed or already removed. For the tenant's key only.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`] and [`Refusal::NumberNotFound`].
    pub async fn purge_number(&self, caller: &Caller, id: &str) -> Result<(), AppError> {
        let tenant = caller.require_tenant()?;
        let id = parse_number_id(id)?;
        let found = self.store.read().await?.numbers().find_removed_too(tenant, id).await?;
        let number = found.ok_or(Refusal::NumberNotFound)?;
        let (app, caller) = (self.clone(), caller.clone());
        self.detached(async move {
            let now = app.clock.now();
            let mut tx = app.store.begin().await?;
            tx.numbers().remove(tenant, id, now, now).await?;
            tx.numbers().forget(id, now).await?;
            note(&mut tx, &caller, "number.purge", &number, now).await?;
            tx.commit().await?;
            app.wake.notify_one();
            let deleted = app.delete_messages(id).await;
            app.end_session(id).await?;
            deleted
        })
        .await?;
        self.sweep_now().await;
        Ok(())
    }

    /// Ahead of its time, for a number that is gone for good. The row itself goes once its last
    /// events are delivered and its device is unlinked.
    async fn sweep_now(&self) {
        if let Err(error) = self.sweep().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the sweep has to wait");
        }
    }

    /// Deletes what is due: removed numbers after their restore window, what they had to send, old answers,
    /// messages that waited too long, old events and their deliveries.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails; nothing is deleted then.
    pub async fn sweep(&self) -> Result<(), AppError> {
        self.limits.tidy();
        self.rooms.tidy();
        let now = self.clock.now();
        self.sweep_in_batches(now).await?;
        let mut tx = self.store.begin().await?;
        tx.numbers().purge_due(now).await?;
        tx.keys().purge_revoked(now.before(REVOKED_MEMORY)).await?;
        tx.idempotency().purge(now).await?;
        self.sweep_links(&mut tx, now).await?;
        tx.users().purge(now).await?;
        tx.audit().purge(now.before(audit::KEPT)).await?;
        tx.templates().purge(now.before(audit::KEPT)).await?;
        tx.official().purge_seen(now.before(META_REPEATS)).await?;
        tx.signup_links().purge(now.before(REVOKED_MEMORY)).await?;
        tx.messages().purge_early(now).await?;
        tx.commit().await?;
        Ok(self.store.optimize().await?)
    }
}

/// Writes down what `caller` did to a number, by the name that people know it by.
pub(crate) async fn note(
    tx: &mut Tx,
    caller: &Caller,
    action: &str,
    number: &Number,
    now: Timestamp,
) -> Result<(), StoreError> {
    audit::record(tx, caller, action, &number.id.to_string(), &number.name, now).await
}

/// Whether a device is still linked that a fresh pairing would replace: of a number that was restored
/// before its device was unlinked, or whose link ended without a confirmed logout.
const fn leaves_device(number: &Number) -> bool {
    number.unlink_pending
        || (matches!(number.link, Link::Closed(_)) && number.identity.jid.is_some())
}

/// Whether a link is as our record has it, without a round trip.
const fn is_known(link: Link) -> bool {
    match link {
        Link::Closed(_) | Link::Pairing | Link::Resuming { reported: true } => true,
        Link::Open | Link::Resuming { reported: false } => false,
    }
}

pub(crate) fn codes(pairing: Pairing) -> Option<Codes> {
    let window_ends_at = pairing.window_ends_at()?;
    let pairing_code = match pairing.code {
        CodeState::Given { code, expires_at } => Some((code, expires_at)),
        CodeState::Asked | CodeState::Unavailable => None,
    };
    Some(Codes { qr: pairing.qr?, pairing_code, window_ends_at })
}

const fn refusal_of(failure: PairingFailure) -> Refusal {
    match failure {
        PairingFailure::TimedOut => Refusal::UpstreamTimeout,
        PairingFailure::Unreachable | PairingFailure::Closed(_) | PairingFailure::Superseded => {
            Refusal::UpstreamError
        }
    }
}
