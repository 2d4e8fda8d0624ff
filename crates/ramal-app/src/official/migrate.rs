//! From QR to official without a new number: id, keys, webhooks and history stay.

use ramal_domain::{NumberId, Provider};
use ramal_store::OfficialNumber;

use super::{
    CreatedOfficial, MetaCredentials,
    create::prepare,
    onboarding::{Onboarded, Touched, Walk, draft},
};
use crate::{App, AppError, Caller, Memo, Refusal, auth::parse_number_id, numbers::note};

/// Where a number moves to, and with what.
#[derive(Clone, Debug)]
pub struct Migration {
    /// What it is at Meta.
    pub meta: MetaCredentials,
}

impl App {
    /// Makes a QR-paired number an official one. It stays QR-paired until Meta has accepted everything;
    /// only then is its device unlinked. A failure leaves it as it was.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`], [`Refusal::NumberAlreadyOfficial`], [`Refusal::Validation`] and
    /// those that begin with `Meta`.
    pub async fn migrate_number(
        &self,
        caller: &Caller,
        id: &str,
        migration: Migration,
        memo: Option<Memo<CreatedOfficial>>,
    ) -> Result<CreatedOfficial, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        if number.provider == Provider::Meta {
            return Err(Refusal::NumberAlreadyOfficial.into());
        }
        let checked = migration.meta.check()?;
        let meta = self.meta()?;
        self.limits.pairing(number.tenant, &number.phone)?;
        let turn = meta.turns.of(number.id);
        let phone_turn = meta.phone_turns.of(checked.phone_id.to_string());
        let (app, caller) = (self.clone(), caller.clone());
        self.detached(async move {
            let (_turn, _phone_turn) = (turn.lock().await, phone_turn.lock().await);
            let row = app.find_number(&caller, number.id).await?;
            if row.provider == Provider::Meta {
                return Err(Refusal::NumberAlreadyOfficial.into());
            }
            let mut official =
                draft(number.id, &checked.phone_id, &checked.waba_id, checked.credentials);
            // Meta tries the callback while the checklist is walked. Nothing else looks at this yet.
            let mut tx = app.store.begin().await?;
            prepare(&mut tx, number.tenant, &mut official).await?;
            tx.commit().await?;
            let walked = app.onboard(official, Some(&number.phone), Walk::Strict).await;
            let (moved, official, touched) = match walked {
                Ok(onboarded) => {
                    let (official, touched) = (onboarded.official.clone(), onboarded.touched);
                    (app.switch(&caller, number.id, onboarded, memo).await, official, touched)
                }
                Err(stuck) => (Err(stuck.error), stuck.official, stuck.touched),
            };
            if moved.is_err() {
                app.undo_move(&official, touched).await?;
            }
            moved
        })
        .await
    }

    /// The moment at which the number becomes Meta's: one transaction. Its session ends before, so that
    /// it sends nothing meanwhile, and its device is unlinked after.
    async fn switch(
        &self,
        caller: &Caller,
        id: NumberId,
        onboarded: Onboarded,
        memo: Option<Memo<CreatedOfficial>>,
    ) -> Result<CreatedOfficial, AppError> {
        self.sessions.stop(id).await;
        let switched = self.switch_in(caller, id, onboarded, memo).await;
        self.sessions.reconcile_soon();
        let connected = switched?;
        self.wake.notify_one();
        self.wake_official();
        self.describe_soon(id);
        Ok(connected)
    }

    async fn switch_in(
        &self,
        caller: &Caller,
        id: NumberId,
        onboarded: Onboarded,
        memo: Option<Memo<CreatedOfficial>>,
    ) -> Result<CreatedOfficial, AppError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let number = tx.numbers().find_to_change(caller.tenant(), id).await?;
        let number = number.ok_or(Refusal::NumberNotFound)?;
        tx.numbers().make_official(id, now).await?;
        let official = self.keep(&mut tx, onboarded, now).await?;
        note(&mut tx, caller, "number.migrate", &number, now).await?;
        let connected = self.connected(&mut tx, official, None).await?;
        if let Some(memo) = memo {
            memo.keep(&mut tx, &connected).await?;
        }
        tx.commit().await?;
        Ok(connected)
    }

    /// The number stays QR-paired. What is left at Meta is taken back later, and a PIN that it may have
    /// got is kept until then, and longer.
    async fn undo_move(&self, official: &OfficialNumber, touched: Touched) -> Result<(), AppError> {
        let clean = self.take_back(official, touched).await;
        let mut tx = self.store.begin().await?;
        if clean && !touched.registration {
            tx.official().forget(official.number).await?;
        } else {
            tx.official().set_aside(official.number).await?;
        }
        tx.commit().await?;
        self.wake_upkeep();
        Ok(())
    }
}
