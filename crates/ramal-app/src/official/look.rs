//! What Meta says of official numbers, kept fresh: by asking now and then, since Meta reports changes of
//! an account to the callback of its app only, which is not always ours.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use ramal_domain::{Ailment, CloseReason, Illness, Input, Link, NumberId, Provider, Timestamp};
use ramal_meta::{ErrorClass, GraphError, Phone};
use ramal_store::{Identity, Number, NumberStage, OfficialNumber, Tx};

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
        let found = self.store.read().await?.official().get(id).await?;
        let Some(official) = found else { return Ok(()) };
        let (phone_id, waba_id) = stored_ids(&official)?;
        let access = meta.access(&official);
        let phone = match meta.graph.phone(&access, &phone_id).await {
            Ok(phone) => phone,
            Err(error) => {
                self.note_refusal(id, &error).await?;
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
        let unsubscribed = checklist.status(StepName::Subscribe) == StepStatus::Failed;
        if unsubscribed && self.subscribe_again(&official, &phone).await? {
            checklist.set(StepName::Subscribe, StepStatus::Done, None);
        }
        if checklist.status(StepName::Verify) != StepStatus::Done && !in_review(&phone) {
            checklist.set(StepName::Verify, StepStatus::Done, None);
        }
        let before = official.snapshot.as_deref();
        let snapshot = snapshot(before, &phone, profile.as_ref(), waba.as_ref());
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        tx.official().set_snapshot(id, &snapshot, now).await?;
        tx.official().set_onboarding(id, &checklist.write()).await?;
        settle(&mut tx, id, &phone, &checklist, now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        self.wake_official();
        Ok(())
    }

    /// Meta refused to serve a number: if that is for good, the number is closed.
    pub(crate) async fn note_refusal(
        &self,
        id: NumberId,
        error: &GraphError,
    ) -> Result<bool, AppError> {
        let Some(reason) = close_reason(error) else { return Ok(false) };
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        close(&mut tx, id, reason, now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(true)
    }

    /// What is shown of an official number, asked for anew.
    pub(crate) async fn refresh_official(&self, number: &Number) -> Result<(), AppError> {
        match self.look(number.id, Depth::All).await {
            // The number says so itself from now on.
            Err(AppError::Refused(
                Refusal::MetaCredentialsInvalid(_) | Refusal::MetaPermissionMissing(_),
            )) => Ok(()),
            done => done,
        }
    }
}

/// Whether a refusal ends a number's connection, and why.
pub(crate) fn close_reason(error: &GraphError) -> Option<CloseReason> {
    match error.class {
        ErrorClass::Credentials => Some(CloseReason::MetaTokenInvalid),
        ErrorClass::Permission => Some(CloseReason::MetaPermissionMissing),
        ErrorClass::NotRegistered => Some(CloseReason::MetaNotRegistered),
        ErrorClass::Blocked if error.code != Some(130_497) => {
            Some(CloseReason::MetaAccountDisabled)
        }
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
    match phone.status.as_deref() {
        Some("BANNED" | "DELETED" | "MIGRATED") => {
            return close(tx, id, CloseReason::MetaAccountDisabled, now).await;
        }
        Some("DISCONNECTED") if !phone.is_on_biz_app => {
            return close(tx, id, CloseReason::MetaNotRegistered, now).await;
        }
        _ => {}
    }
    if number.link == Link::Pairing && !in_review(phone) {
        tx.numbers().step_official(id, Input::Opened, now).await?;
    }
    recover(tx, id, |ailment| severity(ailment) == Severity::Closed, now).await?;
    let low = matches!(phone.quality_rating.as_deref(), Some("RED"))
        || matches!(phone.status.as_deref(), Some("FLAGGED"));
    let deaf = checklist.status(StepName::Subscribe) == StepStatus::Failed;
    for (ailment, holds) in
        [(Ailment::MetaQualityLow, low), (Ailment::MetaCallbackUnreachable, deaf)]
    {
        if holds {
            fall_ill(tx, id, ailment, None, now).await?;
        } else {
            recover(tx, id, |known| known == ailment, now).await?;
        }
    }
    // A restriction ends by itself.
    let over = number.illness.and_then(|ill| ill.until).is_some_and(|until| until <= now);
    if over {
        recover(tx, id, |known| known == Ailment::MetaRestricted, now).await?;
    }
    Ok(())
}

/// How bad an ailment of an official number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// It works, but badly.
    Degraded,
    /// It may send less.
    Restricted,
    /// It cannot send.
    Closed,
}

const fn severity(ailment: Ailment) -> Severity {
    match ailment {
        Ailment::Unstable
        | Ailment::ClientOutdated
        | Ailment::MetaQualityLow
        | Ailment::MetaCallbackUnreachable => Severity::Degraded,
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
    now.after(if waits { every.min(Duration::from_secs(30)) } else { every })
}
