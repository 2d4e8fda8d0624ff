//! What Meta says of official numbers, kept fresh: by asking now and then, since Meta reports changes of
//! an account to the callback of its app only, which is not always ours.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use ramal_domain::{Ailment, CloseReason, Illness, Input, Link, NumberId, Provider, Timestamp};
use ramal_meta::{Access, ErrorClass, GraphError, Phone};
use ramal_store::{Identity, Number, NumberStage, OfficialNumber, Tx};
use secrecy::ExposeSecret as _;

use super::{
    onboarding::{Checklist, StepName, StepStatus, in_review},
    refusal_of, stored_ids,
    view::snapshot,
};
use crate::{App, AppError, Refusal};

/// How many numbers are looked at in one round.
const ROUND: u32 = 50;
/// How many of them at once.
const LOOKS_MAX: usize = 8;
/// When a number is looked at again of which something is open.
const SOON: Duration = Duration::from_secs(30);

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The number only.
    Phone,
    /// Its profile and its account as well.
    All,
}

impl App {
    /// Looks at the numbers that are due.
    pub(crate) async fn look_at_due(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let due = self.store.read().await?.official().looks_due(now, ROUND).await?;
        if due.is_empty() {
            return Ok(());
        }
        let next = now.after(self.meta()?.options.poll_every);
        let mut tx = self.store.begin().await?;
        for id in &due {
            tx.official().look_again(*id, next).await?;
        }
        tx.commit().await?;
        // Several at once: Meta may take its time about some.
        let looks = stream::iter(due).for_each_concurrent(LOOKS_MAX, async |id| {
            if let Err(error) = self.look(id, Depth::Phone).await {
                tracing::info!(number.id = %id, %error, "an official number cannot be looked at");
            }
        });
        looks.await;
        Ok(())
    }

    /// Asks Meta about a number, and writes down what follows of its answer.
    pub(crate) async fn look(&self, id: NumberId, depth: Depth) -> Result<(), AppError> {
        let meta = self.meta()?;
        let turn = meta.turns.of(id);
        let _turn = turn.lock().await;
        let mut tx = self.store.read().await?;
        let number = tx.numbers().get(id).await?.filter(is_listed);
        let official = tx.official().get(id).await?;
        drop(tx);
        let (Some(number), Some(mut official)) = (number, official) else { return Ok(()) };
        let (phone_id, waba_id) = stored_ids(&official)?;
        let access = meta.access(&official);
        let mut phone = match meta.graph.phone(&access, &phone_id).await {
            Ok(phone) => phone,
            Err(error) if blocks(&error) => {
                let mut tx = self.store.begin().await?;
                close_for_now(&mut tx, id, self.clock.now()).await?;
                tx.commit().await?;
                self.wake.notify_one();
                return Err(refusal_of(&error).into());
            }
            Err(error) => {
                if !self.note_refusal(id, &error, &access).await?
                    && error.class == ErrorClass::NotFound
                    && !matches!(number.link, Link::Closed(_))
                {
                    self.note_loss(&official).await?;
                }
                return Err(refusal_of(&error).into());
            }
        };
        let (profile, waba) = match depth {
            Depth::Phone => (None, None),
            Depth::All => {
                let profile = meta.graph.profile(&access, &phone_id).await;
                let waba = meta.graph.waba(&access, &waba_id).await;
                (profile.ok(), waba.ok())
            }
        };
        let mut checklist = Checklist::read(&official.onboarding);
        let passed = number.link == Link::Closed(CloseReason::MetaAccountDisabled)
            && checklist.is_blocked()
            && loss(&phone).is_none();
        // What else is closed is connected by a walk through the whole list, if at all.
        if passed || !matches!(number.link, Link::Closed(_)) {
            self.listen(&mut official, &mut phone, &mut checklist).await?;
            checklist.verify(&phone, &self.meta_callback(id));
        }
        let before = official.snapshot.as_deref();
        let snapshot = snapshot(before, &phone, profile.as_ref(), waba.as_ref());
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        tx.official().set_snapshot(id, &snapshot, now).await?;
        tx.official().set_onboarding(id, &checklist.write()).await?;
        if passed {
            tx.numbers().step_official(id, Input::PairingStarted, now).await?;
        }
        settle(&mut tx, id, &phone, &checklist, now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        self.wake_official();
        Ok(())
    }

    /// Has Meta deliver here what it does not, unless another number of ours, which is the same at Meta,
    /// has it delivered to itself: they would take it from each other for ever.
    async fn listen(
        &self,
        official: &mut OfficialNumber,
        phone: &mut Phone,
        checklist: &mut Checklist,
    ) -> Result<(), AppError> {
        let callback = self.meta_callback(official.number);
        let here = phone.callback_number.as_deref() == Some(callback.as_str());
        let failed = checklist.status(StepName::Subscribe) == StepStatus::Failed;
        if (here && !failed) || self.is_anothers(phone, official.number).await? {
            return Ok(());
        }
        match self.subscribe_again(official, phone).await {
            Ok(true) => {
                checklist.set(StepName::Subscribe, StepStatus::Done, None);
                phone.callback_number = Some(callback);
            }
            Ok(false) => {}
            Err(error) => {
                let id = official.number;
                tracing::info!(number.id = %id, %error, "Meta still delivers elsewhere");
            }
        }
        Ok(())
    }

    /// Whether Meta delivers to another number of ours that is listed, or on its way to be.
    async fn is_anothers(&self, phone: &Phone, own: NumberId) -> Result<bool, AppError> {
        let address = phone.callback_number.as_deref();
        let Some((_ours, id)) = address.and_then(|it| it.split_once(&self.meta_callbacks())) else {
            return Ok(false);
        };
        let Ok(id) = id.parse::<NumberId>() else { return Ok(false) };
        let found = self.store.read().await?.numbers().get(id).await?;
        let has_it = |number: &Number| {
            number.provider == Provider::Meta && number.stage != NumberStage::Removed
        };
        Ok(id != own && found.is_some_and(|number| has_it(&number)))
    }

    /// Meta says that there is no such number. It is closed once Meta has said so twice.
    async fn note_loss(&self, official: &OfficialNumber) -> Result<(), AppError> {
        let (id, now) = (official.number, self.clock.now());
        let mut checklist = Checklist::read(&official.onboarding);
        let confirmed = checklist.lose();
        let mut tx = self.store.begin().await?;
        if confirmed {
            close(&mut tx, id, CloseReason::MetaDisconnected, now).await?;
        } else {
            tx.official().set_onboarding(id, &checklist.write()).await?;
            let due = now.after(self.meta()?.options.poll_every.min(SOON));
            tx.official().look_again(id, due).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Meta refused to serve a number with these credentials: if that is for good, the number is closed,
    /// unless it has others by now. Returns whether whoever asked has to wait for a change.
    pub(crate) async fn note_refusal(
        &self,
        id: NumberId,
        error: &GraphError,
        used: &Access,
    ) -> Result<bool, AppError> {
        let Some(reason) = close_reason(error) else { return Ok(false) };
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let official = tx.official().get(id).await?;
        let token = official.as_ref().map(|it| it.credentials.token.expose_secret());
        if token == Some(used.token.expose_secret()) {
            close(&mut tx, id, reason, now).await?;
            tx.commit().await?;
            self.wake.notify_one();
        }
        Ok(true)
    }

    /// What is shown of an official number, asked for anew.
    pub(crate) async fn refresh_official(&self, number: &Number) -> Result<(), AppError> {
        match self.look(number.id, Depth::All).await {
            Err(AppError::Refused(refusal)) if is_written_down(&refusal) => Ok(()),
            done => done,
        }
    }
}

/// Whether a look that ended so has told: the number says it itself, or is as it was.
const fn is_written_down(refusal: &Refusal) -> bool {
    !matches!(
        refusal,
        Refusal::MetaUnavailable | Refusal::MetaTimeout | Refusal::ProviderNotConfigured(_)
    )
}

/// Whether a refusal ends a number's connection, and why.
pub(crate) fn close_reason(error: &GraphError) -> Option<CloseReason> {
    match error.class {
        ErrorClass::Credentials => Some(CloseReason::MetaTokenInvalid),
        ErrorClass::Permission => Some(CloseReason::MetaPermissionMissing),
        ErrorClass::NotRegistered => Some(CloseReason::MetaNotRegistered),
        ErrorClass::Blocked if blocks(error) => Some(CloseReason::MetaAccountDisabled),
        ErrorClass::NotFound
        | ErrorClass::Invalid
        | ErrorClass::Pin
        | ErrorClass::Unverified
        | ErrorClass::RegisterLimit
        | ErrorClass::CallbackRefused
        | ErrorClass::WindowClosed
        | ErrorClass::Template
        | ErrorClass::Undeliverable
        | ErrorClass::Blocked
        | ErrorClass::Config
        | ErrorClass::Transient
        | ErrorClass::Throttled
        | ErrorClass::Unreachable
        | ErrorClass::TimedOut
        | ErrorClass::Unexpected => None,
    }
}

/// Whether Meta serves the whole account no more; 130497 is about one recipient's country.
fn blocks(error: &GraphError) -> bool {
    error.class == ErrorClass::Blocked && error.code != Some(130_497)
}

/// Why a number cannot be used, as Meta has it.
fn loss(phone: &Phone) -> Option<CloseReason> {
    match phone.status.as_deref() {
        Some("BANNED") => Some(CloseReason::MetaAccountDisabled),
        Some("DELETED" | "MIGRATED") => Some(CloseReason::MetaDisconnected),
        Some("DISCONNECTED") if !phone.is_on_biz_app => Some(CloseReason::MetaNotRegistered),
        _ => None,
    }
}

/// Closes the link of an official number whose account a look has found banned or blocked. Those that
/// follow open it once that has passed.
async fn close_for_now(tx: &mut Tx, id: NumberId, now: Timestamp) -> Result<(), AppError> {
    close(tx, id, CloseReason::MetaAccountDisabled, now).await?;
    let Some(official) = tx.official().get(id).await? else { return Ok(()) };
    let mut checklist = Checklist::read(&official.onboarding);
    checklist.block();
    Ok(tx.official().set_onboarding(id, &checklist.write()).await?)
}

/// Closes the link of an official number, with what that says of its health.
pub(crate) async fn close(
    tx: &mut Tx,
    id: NumberId,
    reason: CloseReason,
    now: Timestamp,
) -> Result<(), AppError> {
    let found = tx.numbers().get(id).await?;
    let Some(number) = found.filter(is_listed) else { return Ok(()) };
    if !matches!(number.link, Link::Closed(_)) {
        tx.numbers().step_official(id, Input::Revoked(reason), now).await?;
        if let Some(official) = tx.official().get(id).await? {
            let mut checklist = Checklist::read(&official.onboarding);
            checklist.fail(reason);
            tx.official().set_onboarding(id, &checklist.write()).await?;
        }
    }
    if let Some(ailment) = Ailment::of(reason) {
        fall_ill(tx, id, ailment, None, now).await?;
    }
    Ok(())
}

/// Writes down what is wrong with an official number, unless something worse is known.
pub(crate) async fn fall_ill(
    tx: &mut Tx,
    id: NumberId,
    ailment: Ailment,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), AppError> {
    let found = tx.numbers().get(id).await?;
    let Some(number) = found.filter(is_listed) else { return Ok(()) };
    let known = number.illness.map(|ill| ill.ailment);
    if known.is_some_and(|known| severity(known) > severity(ailment)) {
        return Ok(());
    }
    tx.numbers().fall_ill(&number, Illness { ailment, since: now, until }).await?;
    Ok(())
}

/// Writes down that an official number is well again, if it was unwell in one of these ways.
pub(crate) async fn recover(
    tx: &mut Tx,
    id: NumberId,
    of: impl Fn(Ailment) -> bool,
    now: Timestamp,
) -> Result<(), AppError> {
    let found = tx.numbers().get(id).await?;
    if let Some(number) = found.filter(is_listed)
        && number.illness.is_some_and(|ill| of(ill.ailment))
    {
        tx.numbers().recovered(id, number.epoch, now).await?;
    }
    Ok(())
}

/// What a fresh look says of link and health.
pub(crate) async fn settle(
    tx: &mut Tx,
    id: NumberId,
    phone: &Phone,
    checklist: &Checklist,
    now: Timestamp,
) -> Result<(), AppError> {
    let found = tx.numbers().get(id).await?;
    let Some(number) = found.filter(|n| n.provider == Provider::Meta) else { return Ok(()) };
    let identity = Identity { profile_name: phone.verified_name.clone(), ..Identity::default() };
    tx.numbers().identify(id, number.epoch, &identity).await?;
    match loss(phone) {
        Some(CloseReason::MetaAccountDisabled) => return close_for_now(tx, id, now).await,
        Some(reason) => return close(tx, id, reason, now).await,
        None => {}
    }
    if number.link == Link::Pairing && !in_review(phone) {
        tx.numbers().step_official(id, Input::Opened, now).await?;
    }
    settle_health(tx, id, phone, checklist, now).await
}

/// The same for its health. A number that stays closed is as ill as it was.
async fn settle_health(
    tx: &mut Tx,
    id: NumberId,
    phone: &Phone,
    checklist: &Checklist,
    now: Timestamp,
) -> Result<(), AppError> {
    let found = tx.numbers().get(id).await?;
    let Some(number) = found.filter(|n| !matches!(n.link, Link::Closed(_))) else {
        return Ok(());
    };
    if number.link == Link::Open {
        recover(tx, id, |ailment| severity(ailment) == Severity::Closed, now).await?;
    }
    // A restriction ends by itself.
    if number.illness.is_some_and(|ill| ill.until.is_none_or(|until| until <= now)) {
        recover(tx, id, |known| known == Ailment::MetaRestricted, now).await?;
    }
    let low = matches!(phone.quality_rating.as_deref(), Some("RED"))
        || matches!(phone.status.as_deref(), Some("FLAGGED"));
    let deaf = checklist.status(StepName::Subscribe) == StepStatus::Failed;
    // One at a time, the worse of both: they would take turns else, and tell each.
    if deaf {
        fall_ill(tx, id, Ailment::MetaCallbackUnreachable, None, now).await?;
    } else if low {
        recover(tx, id, |known| known == Ailment::MetaCallbackUnreachable, now).await?;
        fall_ill(tx, id, Ailment::MetaQualityLow, None, now).await?;
    } else {
        let either = |it| matches!(it, Ailment::MetaCallbackUnreachable | Ailment::MetaQualityLow);
        recover(tx, id, either, now).await?;
    }
    Ok(())
}

/// How bad an ailment of an official number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// It works, but badly.
    Degraded,
    /// Nothing that people write arrives.
    Deaf,
    /// It may send less.
    Restricted,
    /// It cannot send.
    Closed,
}

const fn severity(ailment: Ailment) -> Severity {
    match ailment {
        Ailment::Unstable | Ailment::ClientOutdated | Ailment::MetaQualityLow => Severity::Degraded,
        Ailment::MetaCallbackUnreachable => Severity::Deaf,
        Ailment::MetaRestricted | Ailment::Restricted => Severity::Restricted,
        Ailment::Banned
        | Ailment::MetaTokenInvalid
        | Ailment::MetaPermissionMissing
        | Ailment::MetaDisconnected
        | Ailment::MetaNotRegistered
        | Ailment::MetaAccountDisabled => Severity::Closed,
    }
}

fn is_listed(number: &Number) -> bool {
    number.provider == Provider::Meta && number.stage == NumberStage::Live
}

/// How long after its creation a number is looked at for the first time: soon, while Meta reviews it.
pub(crate) fn first_look(official: &OfficialNumber, every: Duration, now: Timestamp) -> Timestamp {
    let waits = Checklist::read(&official.onboarding)
        .steps()
        .iter()
        .any(|step| matches!(step.status, StepStatus::Pending | StepStatus::Failed));
    now.after(if waits { every.min(SOON) } else { every })
}
