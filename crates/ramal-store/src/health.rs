//! What is wrong with a number, and the person that a pairing waits for: each told in the transaction
//! that writes it down.

use ramal_domain::{
    Action, ActionStep, Ailment, EventKind, Illness, NumberId, Timestamp, WrongPhone,
    WrongPhoneOutcome, WrongPhonePolicy,
};
use sqlx::any::AnyRow;

use crate::{AttemptNote, Epoch, Number, NumberStage, Numbers, StoreError, row};

impl Numbers<'_> {
    /// Writes down what is wrong with `number`, as it was just read or moved in this unit of work.
    /// Returns what was told: nothing, when it is no news or the number is not listed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn fall_ill(
        &mut self,
        number: &Number,
        illness: Illness,
    ) -> Result<Option<EventKind>, StoreError> {
        let before = number.illness.as_ref();
        let news = illness.is_news_after(before);
        let since = before.filter(|_| !news).map_or(illness.since, |before| before.since);
        if !news && before.is_some_and(|before| before.ailment != illness.ailment) {
            return Ok(None);
        }
        self.write_health(number.id, Some(Illness { since, ..illness })).await?;
        if !news || number.stage != NumberStage::Live {
            return Ok(None);
        }
        let now = illness.since;
        self.0.events().record(&number.about().build_ill(&illness, now)).await?;
        Ok(Some(illness.ailment.event()))
    }

    /// Writes down that a number is well again, and returns whether it was ill and that was told.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn recovered(
        &mut self,
        id: NumberId,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let suffix = self.0.for_update();
        let found = self.select(id, suffix).await?;
        let Some(number) = found.filter(|n| n.epoch == epoch && n.illness.is_some()) else {
            return Ok(false);
        };
        self.write_health(id, None).await?;
        if number.stage != NumberStage::Live {
            return Ok(false);
        }
        self.0.events().record(&number.event(EventKind::NumberRecovered, now)).await?;
        Ok(true)
    }

    /// Writes down that the pairing attempt of `epoch` waits for a person, and tells it. Returns
    /// whether the session still owns the number.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn require_action(
        &mut self,
        id: NumberId,
        epoch: Epoch,
        action: &Action,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let suffix = self.0.for_update();
        let found = self.select(id, suffix).await?;
        let Some(number) = found.filter(|n| n.epoch == epoch) else { return Ok(false) };
        self.0.pairing_attempts().note(id, epoch, AttemptNote::Action, now).await?;
        if number.stage == NumberStage::Live {
            self.0.events().record(&number.about().build_action(action, now)).await?;
            if let ActionStep::WrongPhone { expected, actual } = &action.step {
                let wrong = WrongPhone {
                    expected: expected.clone(),
                    actual: actual.clone(),
                    policy: WrongPhonePolicy::Ask,
                    outcome: WrongPhoneOutcome::Asked,
                };
                self.0.events().record(&number.about().build_wrong_phone(&wrong, now)).await?;
            }
        }
        Ok(true)
    }

    async fn write_health(
        &mut self,
        id: NumberId,
        illness: Option<Illness>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update numbers set health = $2, health_since_ms = $3, health_until_ms = $4,
               losses = case when $2 is null then '' else losses end
             where id = $1",
        )
        .bind(id.to_string())
        .bind(illness.map(|illness| illness.ailment.code()))
        .bind(illness.map(|illness| illness.since.as_millis()))
        .bind(illness.and_then(|illness| illness.until).map(Timestamp::as_millis))
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }
}

/// Reads the health columns of a number.
pub(crate) fn illness(row: &AnyRow) -> Result<Option<Illness>, StoreError> {
    let Some(ailment) = row::parsed_opt::<Ailment>(row, "numbers.health")? else { return Ok(None) };
    let since = row::time_opt(row, "numbers.health_since_ms")?.unwrap_or_default();
    Ok(Some(Illness { ailment, since, until: row::time_opt(row, "numbers.health_until_ms")? }))
}
