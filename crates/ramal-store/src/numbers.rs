//! WhatsApp numbers: reservation, link, removal.

use std::time::Duration;

use ramal_domain::{
    CloseReason, Event, EventKind, Illness, InvalidTransition, Link, Losses, NodeId, NumberEvent,
    NumberId, PhoneNumber, Provider, TenantId, Timestamp,
};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{Epoch, StoreError, Tx, row};

pub(crate) const COLUMNS: &str = "id, tenant_id, phone, name, stage, link, outage_reported, close_reason, \
     link_since_ms, connected_at_ms, checked_at_ms, profile_name, jid, lid, epoch, \
     unlink_pending, settings, pii_mode, pii_retention_days, restorable_until_ms, \
     health, health_since_ms, health_until_ms, losses, provider, created_at_ms, updated_at_ms";

/// A reservation older than this was left behind: no creation takes so long.
const RESERVATION_MAX: Duration = Duration::from_mins(10);

/// Where a number is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberStage {
    /// Being created: not listed, undone when no QR code comes.
    Reserved,
    /// Listed and usable.
    Live,
    /// Deleted; restorable for a while.
    Removed,
}

/// Who a number is on WhatsApp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Our companion device's JID.
    pub jid: Option<String>,
    /// Our companion device's LID.
    pub lid: Option<String>,
    /// The profile (push) name.
    pub profile_name: Option<String>,
}

/// A WhatsApp number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// Its id.
    pub id: NumberId,
    /// Its owner.
    pub tenant: TenantId,
    /// Its phone number.
    pub phone: PhoneNumber,
    /// Its display name.
    pub name: String,
    /// How it is connected to WhatsApp.
    pub provider: Provider,
    /// Where it is in its life.
    pub stage: NumberStage,
    /// Whether it is connected.
    pub link: Link,
    /// Since when.
    pub link_since: Timestamp,
    /// When the present or last connection was made.
    pub connected_at: Option<Timestamp>,
    /// When WhatsApp last proved to answer.
    pub checked_at: Option<Timestamp>,
    /// Who it is on WhatsApp.
    pub identity: Identity,
    /// The fencing token of its session.
    pub epoch: Epoch,
    /// Whether the device of a removed (or since restored) number is still to be unlinked.
    pub unlink_pending: bool,
    /// Its settings, as a JSON object.
    pub settings: String,
    /// What is kept of its messages: `STORE_INDEFINITE`, `STORE_X_DAYS` or `RELAY_ONLY`.
    pub pii_mode: String,
    /// For how many days, with `STORE_X_DAYS`.
    pub pii_retention_days: Option<i64>,
    /// What is wrong with it, beyond its not being connected.
    pub illness: Option<Illness>,
    /// When its connection was last lost.
    pub losses: Losses,
    /// Until when a removed number can be restored.
    pub restorable_until: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Number {
    /// Whether a phone has answered and the login is still to come, or to come again: what is stored
    /// are good credentials, which a fresh pairing would throw away.
    pub const fn awaits_login(&self) -> bool {
        match (self.provider, self.link) {
            (Provider::Web, Link::Resuming { .. }) => true,
            (Provider::Web, Link::Pairing) => self.identity.jid.is_some(),
            (Provider::Web, Link::Open | Link::Closed(_)) | (Provider::Meta, _) => false,
        }
    }

    /// Builds a `number.*` event about it.
    pub fn event(&self, kind: EventKind, at: Timestamp) -> Event {
        let disconnected = kind == EventKind::NumberDisconnected;
        let reason = self.link.reason().filter(|_| disconnected);
        NumberEvent { reason, ..self.about() }.build(kind, at)
    }

    /// What every event about it says.
    pub(crate) fn about(&self) -> NumberEvent {
        NumberEvent {
            tenant: self.tenant,
            number: self.id,
            phone: self.phone.clone(),
            display_name: self.name.clone(),
            profile_name: self.identity.profile_name.clone(),
            reason: None,
        }
    }
}

/// A number to be created.
#[derive(Debug)]
pub struct NewNumber<'a> {
    /// Its id.
    pub id: NumberId,
    /// Its owner.
    pub tenant: TenantId,
    /// Its phone number.
    pub phone: &'a PhoneNumber,
    /// Its display name.
    pub name: &'a str,
    /// Its settings, as a JSON object.
    pub settings: &'a str,
    /// How it is connected to WhatsApp.
    pub provider: Provider,
}

/// The outcome of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// The phone number is held for us.
    Reserved(Epoch),
    /// The tenant has a number with this phone number, or is creating one.
    AlreadyActive,
    /// The tenant removed a number with this phone number and may still restore it.
    SoftDeleted,
}

/// The outcome of [`Numbers::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is back.
    Done(Box<Number>),
    /// There is no such number, or its window is over.
    Gone,
    /// The tenant has another number with this phone number by now.
    AlreadyActive,
}

/// What customers choose of a number.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Its settings, as a JSON object.
    pub settings: &'a str,
    /// What is kept of its messages.
    pub pii_mode: &'a str,
    /// For how many days, with `STORE_X_DAYS`.
    pub pii_retention_days: Option<i64>,
}

/// A number for which a session should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runnable {
    /// The number.
    pub id: NumberId,
    /// Whether the session is only needed to unlink the device.
    pub unlink: bool,
}

/// The outcome of [`Numbers::step`].
#[derive(Clone, Debug)]
pub enum Stepped {
    /// The new state is stored, and so is the event, if there was one to tell.
    Done {
        /// The number as it now is.
        number: Box<Number>,
        /// What was told.
        announced: Option<EventKind>,
    },
    /// The input makes no sense in the present state; nothing changed.
    Refused(InvalidTransition),
    /// Another session owns the number, or it is gone; nothing changed.
    Fenced,
}

/// WhatsApp numbers.
#[derive(Debug)]
pub struct Numbers<'a>(pub(crate) &'a mut Tx);

/// Removed numbers that nothing holds back at `$1`: nobody can restore them, their device is unlinked,
/// Meta has let them go, all that they had to send is given up, their webhooks have heard all.
const DUE: &str = "select n.id from numbers n
    where n.stage = 'removed' and n.restorable_until_ms <= $1 and n.unlink_pending = 0
      and not exists (select 1 from official_numbers o where o.number_id = n.id
                      and (o.leaving in (1, 2) or (o.leaving = 3 and o.look_due_ms > $1)))
      and not exists (select 1 from messages q where q.number_id = n.id
                      and q.status = 'QUEUED' and q.created_at_ms > -1)
      and not exists (select 1 from deliveries d join webhooks w on w.id = d.webhook_id
                      where w.number_id = n.id and d.state = 'pending')";
/// What was said and written, and no webhook waits for. What happened to the number itself stays as
/// long as other events.
const TOLD: &str = "select e.id from events e where e.kind like 'message.%' and not exists
    (select 1 from deliveries p where p.event_id = e.id and p.state = 'pending')";

impl Numbers<'_> {
    /// Holds a phone number for a creation that may still fail. The row is not listed until
    /// [`Numbers::publish`].
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn reserve(
        &mut self,
        new: &NewNumber<'_>,
        owner: NodeId,
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        let soft_deleted: Option<i64> = sqlx::query_scalar(
            "select epoch from numbers where tenant_id = $1 and phone = $2
             and stage = 'removed' and restorable_until_ms > $3 limit 1",
        )
        .bind(new.tenant.to_string())
        .bind(new.phone.digits())
        .bind(now.as_millis())
        .fetch_optional(&mut *self.0.inner)
        .await?;
        if soft_deleted.is_some() {
            return Ok(Reservation::SoftDeleted);
        }
        let done = sqlx::query(
            "insert into numbers (id, tenant_id, phone, name, stage, link, link_since_ms, owner,
               epoch, settings, provider, created_at_ms, updated_at_ms)
             values ($1, $2, $3, $4, 'reserved', 'pairing', $5, $6, 1, $7, $8, $5, $5)
             on conflict do nothing",
        )
        .bind(new.id.to_string())
        .bind(new.tenant.to_string())
        .bind(new.phone.digits())
        .bind(new.name)
        .bind(now.as_millis())
        .bind(owner.to_string())
        .bind(new.settings)
        .bind(new.provider.name())
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() == 1 {
            Ok(Reservation::Reserved(Epoch(1)))
        } else {
            Ok(Reservation::AlreadyActive)
        }
    }

    /// Lists a reserved number from now on; returns it, or `None` when the reservation is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn publish(
        &mut self,
        id: NumberId,
        now: Timestamp,
    ) -> Result<Option<Number>, StoreError> {
        let done = sqlx::query(
            "update numbers set stage = 'live', created_at_ms = $2, updated_at_ms = $2
             where id = $1 and stage = 'reserved'",
        )
        .bind(id.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() == 1 { self.get(id).await } else { Ok(None) }
    }

    /// Lists a reserved number from now on, not connected: nobody pairs it yet. Returns it, or
    /// `None` when the reservation is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn publish_unpaired(
        &mut self,
        id: NumberId,
        now: Timestamp,
    ) -> Result<Option<Number>, StoreError> {
        sqlx::query(
            "update numbers set link = 'closed', close_reason = $2, link_since_ms = $3
             where id = $1 and stage = 'reserved'",
        )
        .bind(id.to_string())
        .bind(CloseReason::NotPaired.code())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        self.publish(id, now).await
    }

    /// Undoes a reservation completely.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn abandon(&mut self, id: NumberId) -> Result<(), StoreError> {
        sqlx::query("delete from numbers where id = $1 and stage = 'reserved'")
            .bind(id.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Undoes a reservation of an official number of which something may be left at Meta: its row
    /// stays, removed for good, until that is taken back.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_aside(&mut self, id: NumberId, now: Timestamp) -> Result<(), StoreError> {
        let done = sqlx::query(
            "update numbers set stage = 'removed', link = 'closed', close_reason = $2,
               link_since_ms = $3, removed_at_ms = $3, restorable_until_ms = $3, updated_at_ms = $3
             where id = $1 and stage = 'reserved'",
        )
        .bind(id.to_string())
        .bind(CloseReason::NotPaired.code())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() > 0 {
            self.0.official().set_aside(id).await?;
        }
        Ok(())
    }

    /// The same for reservations of official numbers that nobody undid.
    async fn set_dead_aside(
        &mut self,
        rows: Vec<AnyRow>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        for row in &rows {
            self.set_aside(row::parsed(row, "numbers.id")?, now).await?;
        }
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// Undoes what dead processes left half-done: reservations of other owners are deleted or, where
    /// something may be left at Meta, set aside; so are moves to Meta. And
    /// what was open is open no longer until its new session says so. Returns how many of each.
    /// Pairings are left to the new sessions: only they can tell whether a phone had answered. A
    /// number that was told that our version is too old is tried again: this may be a newer one.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn recover(
        &mut self,
        living: NodeId,
        now: Timestamp,
    ) -> Result<(u64, u64), StoreError> {
        let dead = sqlx::query(
            "select n.id from numbers n join official_numbers o on o.number_id = n.id
             where n.stage = 'reserved' and n.owner <> $1",
        )
        .bind(living.to_string())
        .fetch_all(&mut *self.0.inner)
        .await?;
        let aside = self.set_dead_aside(dead, now).await?;
        self.0.official().set_dead_moves_aside(living).await?;
        let reserved = sqlx::query("delete from numbers where stage = 'reserved' and owner <> $1")
            .bind(living.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        let open = sqlx::query(
            "update numbers set link = 'resuming', outage_reported = 0, link_since_ms = $2,
               updated_at_ms = $2
             where stage = 'live' and link = 'open' and owner <> $1
               and provider = 'PILOT_STATUS'",
        )
        .bind(living.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "update numbers set link = 'resuming', outage_reported = 1, close_reason = null,
               link_since_ms = $2, updated_at_ms = $2
             where stage = 'live' and link = 'closed' and close_reason = $3 and jid is not null
               and owner <> $1",
        )
        .bind(living.to_string())
        .bind(now.as_millis())
        .bind(CloseReason::ClientOutdated.code())
        .execute(&mut *self.0.inner)
        .await?;
        Ok((reserved.rows_affected() + aside, open.rows_affected()))
    }

    /// A listed number of `tenant`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find(
        &mut self,
        tenant: TenantId,
        id: NumberId,
    ) -> Result<Option<Number>, StoreError> {
        Ok(self.find_removed_too(tenant, id).await?.filter(|n| n.stage == NumberStage::Live))
    }

    /// A listed or removed number of `tenant`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_removed_too(
        &mut self,
        tenant: TenantId,
        id: NumberId,
    ) -> Result<Option<Number>, StoreError> {
        let found = self.get(id).await?;
        Ok(found.filter(|n| n.tenant == tenant && n.stage != NumberStage::Reserved))
    }

    /// The listed numbers of `tenant`, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self, tenant: TenantId) -> Result<Vec<Number>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from numbers
             where tenant_id = $1 and stage = 'live' order by created_at_ms, id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(number).collect()
    }

    /// How many numbers there are in each state that the API prints: for metrics.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn count_by_link(&mut self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query(
            "select link, count(*) as n from numbers where stage = 'live' group by link",
        )
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter().map(|row| Ok((row.try_get("link")?, row.try_get("n")?))).collect()
    }

    /// Any number, whoever owns it: for workers, never for requests.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn get(&mut self, id: NumberId) -> Result<Option<Number>, StoreError> {
        self.select(id, "").await
    }

    pub(crate) async fn select(
        &mut self,
        id: NumberId,
        suffix: &'static str,
    ) -> Result<Option<Number>, StoreError> {
        let sql = format!("select {COLUMNS} from numbers where id = $1{suffix}");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(number).transpose()
    }

    /// Numbers for which a session should run: those that were connected, those in a pairing (whose
    /// phone may have answered), and removed or restored ones whose device is still to be unlinked.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn runnable(&mut self) -> Result<Vec<Runnable>, StoreError> {
        let rows = sqlx::query(
            "select id, unlink_pending from numbers
             where (stage = 'live' and link in ('open', 'resuming', 'pairing')
                    and provider = 'PILOT_STATUS')
                or unlink_pending = 1
             order by id",
        )
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Runnable {
                    id: row::parsed(row, "numbers.id")?,
                    unlink: row::flag(row, "numbers.unlink_pending")?,
                })
            })
            .collect()
    }

    /// Takes a number over for a new session: every session before it is fenced off from now on.
    /// `None` when there is no such number, or it was removed and has no device to be unlinked.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn claim(
        &mut self,
        id: NumberId,
        owner: NodeId,
    ) -> Result<Option<Number>, StoreError> {
        let done = sqlx::query(
            "update numbers set epoch = epoch + 1, owner = $2
             where id = $1 and (stage <> 'removed' or unlink_pending = 1)",
        )
        .bind(id.to_string())
        .bind(owner.to_string())
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() == 1 { self.get(id).await } else { Ok(None) }
    }

    /// Notes who the number is on WhatsApp; what is `None` stays. A phone that answers after the
    /// number was removed has linked a device that must go again.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn identify(
        &mut self,
        id: NumberId,
        epoch: Epoch,
        identity: &Identity,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update numbers set jid = coalesce($3, jid), lid = coalesce($4, lid),
               profile_name = coalesce($5, profile_name),
               unlink_pending = case when stage = 'removed' and $3 is not null
                                then 1 else unlink_pending end
             where id = $1 and epoch = $2",
        )
        .bind(id.to_string())
        .bind(epoch.0)
        .bind(identity.jid.clone())
        .bind(identity.lid.clone())
        .bind(identity.profile_name.clone())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Notes that WhatsApp proved to answer at `now`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn checked(
        &mut self,
        id: NumberId,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("update numbers set checked_at_ms = $3 where id = $1 and epoch = $2")
            .bind(id.to_string())
            .bind(epoch.0)
            .bind(now.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Removes a listed number: it disappears, its keys die, `number.removed` is told to its
    /// webhooks, and its device waits to be unlinked. Returns it as it was.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn remove(
        &mut self,
        tenant: TenantId,
        id: NumberId,
        restorable_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Number>, StoreError> {
        let suffix = self.0.for_update();
        let found = self.select(id, suffix).await?;
        let Some(number) = found.filter(|n| n.tenant == tenant && n.stage == NumberStage::Live)
        else {
            return Ok(None);
        };
        let reason = match number.provider {
            Provider::Web => CloseReason::NotPaired,
            Provider::Meta => CloseReason::MetaDisconnected,
        };
        // Unlinking needs the stored session, so that stays until it is done. Whether the session
        // is that of a linked device only its client can tell.
        sqlx::query(
            "update numbers set stage = 'removed', link = 'closed', outage_reported = 0,
               close_reason = $2, link_since_ms = $3, removed_at_ms = $3, updated_at_ms = $3,
               restorable_until_ms = $4,
               unlink_pending = case when exists
                 (select 1 from session_state where number_id = $1) then 1 else 0 end
             where id = $1",
        )
        .bind(id.to_string())
        .bind(reason.code())
        .bind(now.as_millis())
        .bind(restorable_until.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        self.0.pairing_attempts().supersede(id, now).await?;
        self.0.official().leave(id).await?;
        self.0.keys().revoke_of_number(id, now).await?;
        self.0.events().record(&number.event(EventKind::NumberRemoved, now)).await?;
        Ok(Some(number))
    }

    /// Gives a removed number back, not connected; `number.restored` is told to its webhooks. Its
    /// device, should it still be linked, is still to be unlinked.
    ///
    /// After [`Restored::AlreadyActive`] the unit of work is of no further use.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn restore(
        &mut self,
        tenant: TenantId,
        id: NumberId,
        now: Timestamp,
    ) -> Result<Restored, StoreError> {
        let suffix = self.0.for_update();
        let found = self.select(id, suffix).await?.filter(|n| {
            n.tenant == tenant
                && n.stage == NumberStage::Removed
                && n.restorable_until.is_some_and(|until| until > now)
        });
        let Some(removed) = found else { return Ok(Restored::Gone) };
        let updated = sqlx::query(
            "update numbers set stage = 'live', removed_at_ms = null, restorable_until_ms = null,
               link_since_ms = $2, updated_at_ms = $2
             where id = $1 and not exists (
               select 1 from numbers other where other.tenant_id = $3 and other.phone = $4
               and other.stage <> 'removed')",
        )
        .bind(id.to_string())
        .bind(now.as_millis())
        .bind(tenant.to_string())
        .bind(removed.phone.digits())
        .execute(&mut *self.0.inner)
        .await;
        let done = match updated {
            // A concurrent creation was a moment faster: the constraint has the last word.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => 0,
            other => other?.rows_affected(),
        };
        if done == 0 {
            return Ok(Restored::AlreadyActive);
        }
        // Nothing is as it was at Meta: all that was to be done there is to be done again.
        self.0.official().set_onboarding(id, "").await?;
        let number =
            self.get(id).await?.ok_or(StoreError::Inconsistent { column: "numbers.id" })?;
        self.0.events().record(&number.event(EventKind::NumberRestored, now)).await?;
        Ok(Restored::Done(Box::new(number)))
    }

    /// A listed number of `tenant`, held against concurrent changes until the unit of work ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_to_change(
        &mut self,
        tenant: TenantId,
        id: NumberId,
    ) -> Result<Option<Number>, StoreError> {
        let suffix = self.0.for_update();
        let found = self.select(id, suffix).await?;
        Ok(found.filter(|n| n.tenant == tenant && n.stage == NumberStage::Live))
    }

    /// A listed number of `tenant` that stays listed until the unit of work ends. Others may use it at
    /// the same time.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_to_use(
        &mut self,
        tenant: TenantId,
        id: NumberId,
    ) -> Result<Option<Number>, StoreError> {
        let suffix = self.0.for_share();
        let found = self.select(id, suffix).await?;
        Ok(found.filter(|n| n.tenant == tenant && n.stage == NumberStage::Live))
    }

    /// Replaces what customers choose of a number.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn change(
        &mut self,
        id: NumberId,
        choice: &Choice<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update numbers set settings = $2, pii_mode = $3, pii_retention_days = $4,
               updated_at_ms = $5
             where id = $1",
        )
        .bind(id.to_string())
        .bind(choice.settings)
        .bind(choice.pii_mode)
        .bind(choice.pii_retention_days)
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Ends the restore window of a removed number now.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget(&mut self, id: NumberId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "update numbers set restorable_until_ms = $2 where id = $1 and stage = 'removed'",
        )
        .bind(id.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The device of a number is gone: drops its session state.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn unlinked(&mut self, id: NumberId) -> Result<(), StoreError> {
        sqlx::query("update numbers set unlink_pending = 0, jid = null where id = $1")
            .bind(id.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        sqlx::query("delete from session_state where number_id = $1")
            .bind(id.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Deletes up to `limit` `message.*` events of numbers that are due to be deleted, but for those that a
    /// webhook still waits for. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge_events_due(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let told = format!("{TOLD} and e.number_id in ({DUE}) order by e.seq limit $2");
        let mut purged = 0;
        for sql in [
            format!("delete from deliveries where event_id in ({told})"),
            format!("delete from events where id in ({told})"),
        ] {
            purged = sqlx::query(AssertSqlSafe(sql))
                .bind(now.as_millis())
                .bind(i64::from(limit))
                .execute(&mut *self.0.inner)
                .await?
                .rows_affected();
        }
        Ok(purged)
    }

    /// Deletes reservations that nobody undid (or sets them aside, as [`Numbers::recover`]), and removed numbers whose restore window is over, whose device is unlinked and whose
    /// last events have been delivered or given up. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge_due(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let fresh = now.before(RESERVATION_MAX).as_millis();
        let dead = sqlx::query(
            "select n.id from numbers n join official_numbers o on o.number_id = n.id
             where n.stage = 'reserved' and n.created_at_ms < $1",
        )
        .bind(fresh)
        .fetch_all(&mut *self.0.inner)
        .await?;
        self.set_dead_aside(dead, now).await?;
        sqlx::query("delete from numbers where stage = 'reserved' and created_at_ms < $1")
            .bind(fresh)
            .execute(&mut *self.0.inner)
            .await?;
        let due = format!("{DUE} and not exists ({TOLD} and e.number_id = n.id)");
        let sql = format!("delete from api_keys where number_id in ({due})");
        sqlx::query(AssertSqlSafe(sql)).bind(now.as_millis()).execute(&mut *self.0.inner).await?;
        let sql = format!("delete from numbers where id in ({due})");
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }
}

pub(crate) fn number(row: &AnyRow) -> Result<Number, StoreError> {
    Ok(Number {
        id: row::parsed(row, "numbers.id")?,
        tenant: row::parsed(row, "numbers.tenant_id")?,
        phone: phone(row)?,
        name: row.try_get("name")?,
        provider: row::parsed(row, "numbers.provider")?,
        stage: stage(row)?,
        link: link(row)?,
        link_since: row::time(row, "numbers.link_since_ms")?,
        connected_at: row::time_opt(row, "numbers.connected_at_ms")?,
        checked_at: row::time_opt(row, "numbers.checked_at_ms")?,
        identity: Identity {
            jid: row.try_get("jid")?,
            lid: row.try_get("lid")?,
            profile_name: row.try_get("profile_name")?,
        },
        epoch: Epoch(row.try_get("epoch")?),
        unlink_pending: row::flag(row, "numbers.unlink_pending")?,
        settings: row.try_get("settings")?,
        pii_mode: row.try_get("pii_mode")?,
        pii_retention_days: row.try_get("pii_retention_days")?,
        illness: crate::health::illness(row)?,
        losses: row::parsed(row, "numbers.losses")?,
        restorable_until: row::time_opt(row, "numbers.restorable_until_ms")?,
        created_at: row::time(row, "numbers.created_at_ms")?,
        updated_at: row::time(row, "numbers.updated_at_ms")?,
    })
}

fn phone(row: &AnyRow) -> Result<PhoneNumber, StoreError> {
    let digits: String = row.try_get("phone")?;
    // The shape only: a numbering plan that changes must not make stored rows unreadable.
    PhoneNumber::from_whatsapp(&digits)
        .map_err(|_bad_shape| StoreError::Inconsistent { column: "numbers.phone" })
}

fn stage(row: &AnyRow) -> Result<NumberStage, StoreError> {
    match row.try_get::<String, _>("stage")?.as_str() {
        "reserved" => Ok(NumberStage::Reserved),
        "live" => Ok(NumberStage::Live),
        "removed" => Ok(NumberStage::Removed),
        _ => Err(StoreError::Inconsistent { column: "numbers.stage" }),
    }
}

fn link(row: &AnyRow) -> Result<Link, StoreError> {
    match row.try_get::<String, _>("link")?.as_str() {
        "closed" => {
            let reason = row::parsed_opt(row, "numbers.close_reason")?;
            Ok(Link::Closed(reason.unwrap_or(CloseReason::NotPaired)))
        }
        "pairing" => Ok(Link::Pairing),
        "open" => Ok(Link::Open),
        "resuming" => Ok(Link::Resuming { reported: row::flag(row, "numbers.outage_reported")? }),
        _ => Err(StoreError::Inconsistent { column: "numbers.link" }),
    }
}
