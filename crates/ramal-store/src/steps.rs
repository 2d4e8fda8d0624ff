//! How the link of a number moves: the state, its event, and the pairing attempt, in one transaction.

use ramal_domain::{
    Ailment, CloseReason, Input, InvalidTransition, Link, NumberId, Provider, Timestamp,
};

use crate::{Epoch, Number, NumberStage, Numbers, Stepped, StoreError};

impl Numbers<'_> {
    /// Moves the link by `input` and writes the event that this causes, and the beginning or end of a
    /// pairing attempt: one fact, one transaction.
    /// A reserved or removed number moves without telling anybody.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn step(
        &mut self,
        id: NumberId,
        epoch: Epoch,
        input: Input,
        now: Timestamp,
    ) -> Result<Stepped, StoreError> {
        let suffix = self.0.for_update();
        let Some(number) = self.select(id, suffix).await?.filter(|n| n.epoch == epoch) else {
            return Ok(Stepped::Fenced);
        };
        if number.provider != Provider::Web {
            // What is left of its time as a companion device is only there to be unlinked.
            let link = Link::Closed(CloseReason::NotPaired);
            return Ok(Stepped::Refused(InvalidTransition { link, input }));
        }
        self.step_locked(number, input, now).await
    }

    /// As [`Numbers::step`], for an official number: no session of ours holds its link.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn step_official(
        &mut self,
        id: NumberId,
        input: Input,
        now: Timestamp,
    ) -> Result<Stepped, StoreError> {
        let suffix = self.0.for_update();
        let found = self.select(id, suffix).await?;
        match found.filter(|n| n.provider == Provider::Meta && n.stage != NumberStage::Removed) {
            Some(number) => self.step_locked(number, input, now).await,
            None => Ok(Stepped::Fenced),
        }
    }

    async fn step_locked(
        &mut self,
        mut number: Number,
        input: Input,
        now: Timestamp,
    ) -> Result<Stepped, StoreError> {
        let step = match number.link.on(input) {
            Ok(step) => step,
            Err(refused) => return Ok(Stepped::Refused(refused)),
        };
        if step.next != number.link || input == Input::PairingStarted {
            number.link_since = now;
        }
        self.track_attempt(&number, step.next, input, now).await?;
        if step.next == Link::Open {
            number.checked_at = Some(now);
            if number.link != Link::Open {
                number.connected_at = Some(now);
            }
        }
        if number.link == Link::Open && matches!(step.next, Link::Resuming { .. }) {
            number.losses.note(now);
        }
        // A reason that was told before, and since when nothing was well, is no news.
        let known = number.link == Link::Resuming { reported: true }
            && step.next.reason().and_then(Ailment::of).is_some_and(|ailment| {
                number.illness.is_some_and(|illness| illness.ailment == ailment)
            });
        number.link = step.next;
        number.updated_at = now;
        self.write_link(&number, input == Input::PairingStarted).await?;
        let announced = step.announce.filter(|_| number.stage == NumberStage::Live && !known);
        if let Some(kind) = announced {
            self.0.events().record(&number.event(kind, now)).await?;
        }
        Ok(Stepped::Done { number: Box::new(number), announced })
    }

    async fn track_attempt(
        &mut self,
        was: &Number,
        next: Link,
        input: Input,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut attempts = self.0.pairing_attempts();
        if input == Input::PairingStarted {
            return attempts.begin(was.id, was.epoch, now).await;
        }
        match (was.link, next) {
            (Link::Pairing, Link::Open) => attempts.end(was.id, None, now).await,
            (Link::Pairing, Link::Closed(reason)) => attempts.end(was.id, Some(reason), now).await,
            _ => Ok(()),
        }
    }

    async fn write_link(&mut self, number: &Number, forget_jid: bool) -> Result<(), StoreError> {
        let (name, reported, reason) = match number.link {
            Link::Closed(reason) => ("closed", false, Some(reason.code())),
            Link::Pairing => ("pairing", false, None),
            Link::Open => ("open", false, None),
            Link::Resuming { reported } => ("resuming", reported, None),
        };
        // A fresh pairing forgets who the device was: `jid` says that a phone has answered.
        sqlx::query(
            "update numbers set link = $2, outage_reported = $3, close_reason = $4,
               link_since_ms = $5, connected_at_ms = $6, checked_at_ms = $7, updated_at_ms = $8,
               jid = case when $9 = 1 then null else jid end, losses = $10
             where id = $1",
        )
        .bind(number.id.to_string())
        .bind(name)
        .bind(i64::from(reported))
        .bind(reason)
        .bind(number.link_since.as_millis())
        .bind(number.connected_at.map(Timestamp::as_millis))
        .bind(number.checked_at.map(Timestamp::as_millis))
        .bind(number.updated_at.as_millis())
        .bind(i64::from(forget_jid))
        .bind(number.losses.to_string())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Makes a QR-paired number an official one: from now on it is Meta's, and the device that it was
    /// is to be unlinked. Its link begins anew.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn make_official(&mut self, id: NumberId, now: Timestamp) -> Result<(), StoreError> {
        self.0.pairing_attempts().supersede(id, now).await?;
        sqlx::query(
            "update numbers set provider = $2, link = 'pairing', close_reason = null,
               outage_reported = 0, link_since_ms = $3, updated_at_ms = $3, losses = '',
               health = null, health_since_ms = null, health_until_ms = null,
               unlink_pending = case when exists
                 (select 1 from session_state where number_id = $1) then 1 else 0 end
             where id = $1 and stage = 'live'",
        )
        .bind(id.to_string())
        .bind(Provider::Meta.name())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }
}
