//! Another phone than the expected one: what to do about it, and its adoption or rejection.

use ramal_domain::{
    CloseReason, Input, NumberId, PhoneNumber, Timestamp, WrongPhone, WrongPhonePolicy,
};

use crate::{Epoch, NumberStage, Numbers, Stepped, StoreError, row};

/// The outcome of [`Numbers::adopt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// The number has the phone number.
    Done,
    /// Another number of the tenant has it. The unit of work is of no further use.
    Taken,
    /// Another session owns the number, or it was removed; nothing changed.
    Fenced,
}

impl Numbers<'_> {
    /// What is to be done when another phone scans than the expected one: as the pairing link in force
    /// says, else as the tenant says.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn wrong_phone_policy(
        &mut self,
        id: NumberId,
        now: Timestamp,
    ) -> Result<WrongPhonePolicy, StoreError> {
        let found = sqlx::query(
            "select coalesce(
               (select l.wrong_phone from pairing_links l
                where l.number_id = n.id and l.revoked_at_ms is null and l.used_at_ms is null
                  and l.expires_at_ms > $2
                  and (n.connected_at_ms is null or n.connected_at_ms < l.created_at_ms)
                order by l.created_at_ms desc limit 1),
               (select t.wrong_phone from tenant_settings t where t.tenant_id = n.tenant_id)
             ) as wrong_phone
             from numbers n where n.id = $1",
        )
        .bind(id.to_string())
        .bind(now.as_millis())
        .fetch_optional(&mut *self.0.inner)
        .await?;
        let Some(found) = found else { return Ok(WrongPhonePolicy::default()) };
        Ok(row::parsed_opt(&found, "numbers.wrong_phone")?.unwrap_or_default())
    }

    /// Gives a number the phone number of the phone that scanned, and tells it. Its id, keys, webhooks
    /// and messages stay.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn adopt(
        &mut self,
        id: NumberId,
        epoch: Epoch,
        wrong: &WrongPhone,
        now: Timestamp,
    ) -> Result<Adopted, StoreError> {
        let suffix = self.0.for_update();
        let found = self.select(id, suffix).await?;
        let Some(number) = found.filter(|n| n.epoch == epoch && n.stage != NumberStage::Removed)
        else {
            return Ok(Adopted::Fenced);
        };
        if self.has_another(&wrong.actual, &number.id, number.tenant).await? {
            return Ok(Adopted::Taken);
        }
        let updated =
            sqlx::query("update numbers set phone = $2, updated_at_ms = $3 where id = $1")
                .bind(id.to_string())
                .bind(wrong.actual.digits())
                .bind(now.as_millis())
                .execute(&mut *self.0.inner)
                .await;
        match updated {
            // A concurrent creation was a moment faster: the constraint has the last word.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                return Ok(Adopted::Taken);
            }
            other => other?,
        };
        self.tell_wrong_phone(id, epoch, wrong, now).await?;
        Ok(Adopted::Done)
    }

    /// Whether the tenant has another number of this line, however it is written.
    async fn has_another(
        &mut self,
        phone: &PhoneNumber,
        than: &NumberId,
        tenant: ramal_domain::TenantId,
    ) -> Result<bool, StoreError> {
        for spelling in phone.spellings() {
            let others: i64 = sqlx::query_scalar(
                "select count(*) from numbers
                 where tenant_id = $1 and phone = $2 and stage <> 'removed' and id <> $3",
            )
            .bind(tenant.to_string())
            .bind(spelling.digits())
            .bind(than.to_string())
            .fetch_one(&mut *self.0.inner)
            .await?;
            if others > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends the pairing of a phone that was not expected, and tells it. Its device is to be unlinked,
    /// which [`Numbers::unlinked`] settles.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn reject_phone(
        &mut self,
        id: NumberId,
        epoch: Epoch,
        wrong: &WrongPhone,
        now: Timestamp,
    ) -> Result<Stepped, StoreError> {
        let ended = Input::PairingEnded(CloseReason::WrongPhone);
        let stepped = self.step(id, epoch, ended, now).await?;
        if !matches!(stepped, Stepped::Fenced) {
            sqlx::query("update numbers set unlink_pending = 1 where id = $1")
                .bind(id.to_string())
                .execute(&mut *self.0.inner)
                .await?;
            self.tell_wrong_phone(id, epoch, wrong, now).await?;
        }
        Ok(stepped)
    }

    async fn tell_wrong_phone(
        &mut self,
        id: NumberId,
        epoch: Epoch,
        wrong: &WrongPhone,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let found = self.get(id).await?;
        if let Some(number) = found.filter(|n| n.epoch == epoch && n.stage == NumberStage::Live) {
            self.0.events().record(&number.about().build_wrong_phone(wrong, now)).await?;
        }
        Ok(())
    }
}
