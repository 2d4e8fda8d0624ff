//! From QR to official without a new number: id, keys, webhooks and history stay.

use ramal_domain::{NumberId, Provider};

use super::{
    CreatedOfficial, MetaCredentials,
    onboarding::{Onboarded, Walk, draft},
};
use crate::{App, AppError, Caller, Refusal, auth::parse_number_id, numbers::note};

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
    ) -> Result<CreatedOfficial, AppError> {
        let number = self.find_number(caller, parse_number_id(id)?).await?;
        if number.provider == Provider::Meta {
            return Err(Refusal::NumberAlreadyOfficial.into());
        }
        let checked = migration.meta.check()?;
        let meta = self.meta()?;
        self.limits.pairing(number.tenant, &number.phone)?;
        let turn = meta.turns.of(number.id);
        let (app, caller) = (self.clone(), caller.clone());
        self.detached(async move {
            let _turn = turn.lock().await;
            let row = app.find_number(&caller, number.id).await?;
            if row.provider == Provider::Meta {
                return Err(Refusal::NumberAlreadyOfficial.into());
            }
            let official =
                draft(number.id, &checked.phone_id, &checked.waba_id, checked.credentials);
            // Meta tries the callback while the checklist is walked. Nothing else looks at this yet.
            let mut tx = app.store.begin().await?;
            tx.official().put(&official).await?;
            tx.commit().await?;
            let walked = app.onboard(official, Some(&number.phone), Walk::Strict).await;
            match walked {
                Ok(onboarded) => app.switch(&caller, number.id, onboarded).await,
                Err(stuck) => {
                    app.take_back(&stuck).await?;
                    app.forget_migration(number.id).await?;
                    Err(stuck.error)
                }
            }
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
    ) -> Result<CreatedOfficial, AppError> {
        self.sessions.stop(id).await;
        let switched = self.switch_in(caller, id, onboarded).await;
        self.sessions.reconcile_soon();
        let official = switched?;
        self.wake.notify_one();
        self.wake_official();
        self.describe_soon(id);
        self.connected(official, None).await
    }

    async fn switch_in(
        &self,
        caller: &Caller,
        id: NumberId,
        onboarded: Onboarded,
    ) -> Result<ramal_store::OfficialNumber, AppError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let number = tx.numbers().find_to_change(caller.tenant(), id).await?;
        let number = number.ok_or(Refusal::NumberNotFound)?;
        tx.numbers().make_official(id, now).await?;
        let official = self.keep(&mut tx, onboarded, now).await?;
        note(&mut tx, caller, "number.migrate", &number, now).await?;
        tx.commit().await?;
        Ok(official)
    }

    async fn forget_migration(&self, id: NumberId) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.official().forget(id).await?;
        Ok(tx.commit().await?)
    }
}
