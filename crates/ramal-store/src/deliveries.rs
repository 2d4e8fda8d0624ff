//! The outbox: one delivery per event and matching webhook, and the log of its attempts.
//!
//! # Theory of operation
//!
//! A delivery is leased, attempted and settled. Leasing increments `attempts`, which fences: a
//! worker whose lease ran out cannot settle once another has leased. A delivery is *tried* once an
//! attempt was settled; until then it holds its place in line, so first attempts to one webhook go
//! out one at a time in the order of `seq`, also after a crash. Retries wait for their own time and
//! hold up nobody.
//!
//! Both rules (order, attempts at once per webhook) are judgements over several rows. SQLite's
//! writer has the database to itself; on PostgreSQL a leaser locks the *webhook's* row, without
//! waiting, and judges in a second statement, whose snapshot then holds all earlier leases.

use std::{str::FromStr, time::Duration};

use sqlx::{Row as _, any::AnyRow};

use ramal_domain::{DeliveryId, EventId, EventKind, Timestamp, WebhookId, WebhookSecret};

use crate::{Dialect, StoreError, Tx};

/// An attempt to make: what to send where, and the token that settles it.
#[derive(Clone, Debug)]
pub struct DueDelivery {
    /// The delivery.
    pub id: DeliveryId,
    /// The event that it carries.
    pub event: EventId,
    /// The webhook that it goes to.
    pub webhook: WebhookId,
    /// Which attempt this is, counted from 1; attempts that a crash cut short count as well.
    pub attempt: i64,
    /// Where to post.
    pub url: String,
    /// What to sign with.
    pub secret: WebhookSecret,
    /// What to post, byte by byte.
    pub body: String,
    /// When the event happened.
    pub created_at: Timestamp,
    /// When the first settled attempt was made, if there was one.
    pub first_tried_at: Option<Timestamp>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Done,
    /// To be tried again, not before this moment.
    RetryAt(Timestamp),
    /// Given up.
    Dead,
}

/// One attempt, for the log.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Which attempt, as in [`DueDelivery::attempt`].
    pub attempt: i64,
    /// The webhook.
    pub webhook: WebhookId,
    /// Whether the receiver accepted it.
    pub success: bool,
    /// The HTTP status; `None` when there was no answer.
    pub status: Option<u16>,
    /// The beginning of the answer's body, or why there was none.
    pub response: String,
    /// From the start of the attempt to its end.
    pub duration: Duration,
    /// When it started.
    pub at: Timestamp,
}

/// One line of a webhook's delivery log.
#[derive(Clone, Debug)]
pub struct LoggedAttempt {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Which attempt, counted from 1.
    pub attempt: i64,
    /// The event.
    pub event: EventId,
    /// The event's name.
    pub kind: EventKind,
    /// What was posted.
    pub payload: String,
    /// Whether the receiver accepted it.
    pub success: bool,
    /// The HTTP status; `None` when there was no answer.
    pub status: Option<u16>,
    /// The beginning of the answer's body, or why there was none.
    pub response: String,
    /// How long it took.
    pub duration: Duration,
    /// When it started.
    pub at: Timestamp,
}

/// The outbox, within a unit of work.
#[derive(Debug)]
pub struct Deliveries<'a>(pub(crate) &'a mut Tx);

/// Whether a delivery, under the given alias, has had an attempt that was settled. Settling clears
/// the lease and writes the log in one transaction, so a lease without log means: not yet.
macro_rules! tried {
    ($alias:literal) => {
        concat!(
            "(",
            $alias,
            ".attempts > 0 and (",
            $alias,
            ".leased_until_ms = 0 or exists ",
            "(select 1 from delivery_attempts a where a.delivery_id = ",
            $alias,
            ".id)))"
        )
    };
}

/// Whether delivery `d` may be attempted now (`$1`).
macro_rules! leasable {
    () => {
        concat!(
            "d.state = 'pending' and d.due_at_ms <= $1 and d.leased_until_ms <= $1 and (",
            tried!("d"),
            " or not exists (
                select 1 from deliveries p
                where p.webhook_id = d.webhook_id and p.state = 'pending' and p.seq < d.seq
                  and not ",
            tried!("p"),
            "))"
        )
    };
}

/// Webhooks with something to lease and room for it, those that waited longest first.
macro_rules! webhooks_to_serve {
    ($lock:literal) => {
        concat!(
            "select w.id, w.url, w.secret from webhooks w
             where w.active = 1 and w.id in (select d.webhook_id from deliveries d where ",
            leasable!(),
            ") and (select count(*) from deliveries f
                    where f.webhook_id = w.id and f.state = 'pending' and f.leased_until_ms > $1
                   ) < $2
             order by coalesce(w.last_triggered_at_ms, 0), w.id limit $3",
            $lock
        )
    };
}

/// What may be leased of webhook `$2`, at most `$3`, those due longest first.
macro_rules! deliveries_to_lease {
    ($lock:literal) => {
        concat!(
            "select d.id, d.event_id, e.body, e.created_at_ms,
                    (select min(t.created_at_ms) from delivery_attempts t
                     where t.delivery_id = d.id) as first_tried_at_ms
             from deliveries d join events e on e.id = d.event_id
             where d.webhook_id = $2 and ",
            leasable!(),
            " order by d.due_at_ms, d.seq limit $3",
            $lock
        )
    };
}

/// A webhook that a leaser holds the lock of.
struct Target {
    id: WebhookId,
    url: String,
    secret: WebhookSecret,
}

impl Deliveries<'_> {
    /// Takes up to `limit` deliveries to active webhooks that are due at `now`, and hides them from
    /// other leasers until `now + lease`. No webhook gets more than `per_webhook_max` at once,
    /// those that it has already included; first attempts come one at a time, in order.
    ///
    /// A webhook that another leaser is looking at is passed over: ask again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer; nothing is leased.
    pub async fn lease_due(
        &mut self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
        per_webhook_max: u32,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        let mut leased = Vec::new();
        for target in self.targets(now, limit, per_webhook_max).await? {
            let room = i64::from(limit) - i64::try_from(leased.len()).unwrap_or(i64::MAX);
            if room <= 0 {
                break;
            }
            let free = i64::from(per_webhook_max) - self.in_flight(target.id, now).await?;
            if free > 0 {
                self.lease_of(&target, now, lease, room.min(free), &mut leased).await?;
            }
        }
        Ok(leased)
    }

    async fn targets(
        &mut self,
        now: Timestamp,
        limit: u32,
        per_webhook_max: u32,
    ) -> Result<Vec<Target>, StoreError> {
        // `no key update` lets events be written for the webhook meanwhile.
        let sql = match self.0.dialect {
            Dialect::Sqlite => webhooks_to_serve!(""),
            Dialect::Postgres => webhooks_to_serve!(" for no key update of w skip locked"),
        };
        let rows = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(i64::from(per_webhook_max))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        let mut targets = Vec::with_capacity(rows.len());
        for row in &rows {
            match self.target(row) {
                Ok(target) => targets.push(target),
                // One damaged row must not hold up everyone else's events.
                Err(error) => tracing::error!(
                    webhook.id = row.try_get::<String, _>(0).unwrap_or_default(),
                    error = &error as &dyn std::error::Error,
                    "the stored webhook cannot be read; its deliveries wait",
                ),
            }
        }
        Ok(targets)
    }

    fn target(&self, row: &AnyRow) -> Result<Target, StoreError> {
        let id: String = row.try_get(0)?;
        let sealed: Vec<u8> = row.try_get(2)?;
        let secret = self.0.vault.open(&["webhooks", &id], &sealed)?;
        let secret = std::str::from_utf8(&secret)
            .map_err(|_not_text| StoreError::Inconsistent { column: "webhooks.secret" })?;
        Ok(Target {
            id: parse(&id, "webhooks.id")?,
            url: row.try_get(1)?,
            secret: parse(secret, "webhooks.secret")?,
        })
    }

    async fn in_flight(&mut self, webhook: WebhookId, now: Timestamp) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "select count(*) from deliveries
             where webhook_id = $1 and state = 'pending' and leased_until_ms > $2",
        )
        .bind(webhook.to_string())
        .bind(now.as_millis())
        .fetch_one(&mut *self.0.inner)
        .await?)
    }

    async fn lease_of(
        &mut self,
        target: &Target,
        now: Timestamp,
        lease: Duration,
        limit: i64,
        leased: &mut Vec<DueDelivery>,
    ) -> Result<(), StoreError> {
        let sql = match self.0.dialect {
            Dialect::Sqlite => deliveries_to_lease!(""),
            Dialect::Postgres => deliveries_to_lease!(" for update of d skip locked"),
        };
        let rows = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(target.id.to_string())
            .bind(limit)
            .fetch_all(&mut *self.0.inner)
            .await?;
        for row in &rows {
            let id: String = row.try_get(0)?;
            let attempt = sqlx::query_scalar(
                "update deliveries set attempts = attempts + 1, leased_until_ms = $2
                 where id = $1 returning attempts",
            )
            .bind(&id)
            .bind(now.after(lease).as_millis())
            .fetch_one(&mut *self.0.inner)
            .await?;
            leased.push(DueDelivery {
                id: parse(&id, "deliveries.id")?,
                event: parse(&row.try_get::<String, _>(1)?, "deliveries.event_id")?,
                webhook: target.id,
                attempt,
                url: target.url.clone(),
                secret: target.secret.clone(),
                body: row.try_get(2)?,
                created_at: Timestamp::from_millis(row.try_get(3)?),
                first_tried_at: row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_millis),
            });
        }
        Ok(())
    }

    /// Settles attempt number `attempt`, and returns whether it was still ours to settle: `false`
    /// when it was settled before, when the lease ran out and another worker has started a later
    /// attempt, or when the delivery is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer; the lease then runs out.
    pub async fn settle(
        &mut self,
        id: DeliveryId,
        attempt: i64,
        verdict: Verdict,
    ) -> Result<bool, StoreError> {
        let (state, due_at) = match verdict {
            Verdict::Done => ("done", None),
            Verdict::RetryAt(at) => ("pending", Some(at.as_millis())),
            Verdict::Dead => ("dead", None),
        };
        let done = sqlx::query(
            "update deliveries
             set state = $3, due_at_ms = coalesce($4, due_at_ms), leased_until_ms = 0
             where id = $1 and attempts = $2 and state = 'pending' and leased_until_ms <> 0",
        )
        .bind(id.to_string())
        .bind(attempt)
        .bind(state)
        .bind(due_at)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes an attempt to the log, and on the webhook when it was last triggered. Belongs into
    /// the transaction of [`Deliveries::settle`]. Does nothing when the delivery is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer, or has this attempt already.
    pub async fn record(&mut self, attempt: &AttemptRecord) -> Result<(), StoreError> {
        sqlx::query(
            "insert into delivery_attempts
                 (delivery_id, attempt, webhook_id, success, status_code, response, duration_ms,
                  created_at_ms)
             select d.id, $2, d.webhook_id, $3, $4, $5, $6, $7 from deliveries d where d.id = $1",
        )
        .bind(attempt.delivery.to_string())
        .bind(attempt.attempt)
        .bind(i64::from(attempt.success))
        .bind(attempt.status.map(i64::from))
        // PostgreSQL's text has no NUL.
        .bind(attempt.response.replace('\0', "\u{fffd}"))
        .bind(i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX))
        .bind(attempt.at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "update webhooks set last_triggered_at_ms = $2
             where id = $1 and coalesce(last_triggered_at_ms, 0) < $2",
        )
        .bind(attempt.webhook.to_string())
        .bind(attempt.at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The last attempts for `webhook`, newest first, of events of `kind` only if one is named.
    /// Whose webhook it is, the caller has checked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn log(
        &mut self,
        webhook: WebhookId,
        kind: Option<EventKind>,
        limit: u32,
    ) -> Result<Vec<LoggedAttempt>, StoreError> {
        let rows = sqlx::query(
            "select a.delivery_id, a.attempt, e.id, e.kind, e.body, a.success, a.status_code,
                    a.response, a.duration_ms, a.created_at_ms
             from delivery_attempts a
             join deliveries d on d.id = a.delivery_id
             join events e on e.id = d.event_id
             where a.webhook_id = $1 and ($2 = '' or e.kind = $2)
             order by a.created_at_ms desc, d.seq desc, a.attempt desc limit $3",
        )
        .bind(webhook.to_string())
        .bind(kind.map_or("", EventKind::name))
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter().map(logged).collect()
    }

    /// When the next pending delivery that is not due at `now` becomes due. Says nothing of leases
    /// that run out nor of active or paused webhooks: a hint for how long to sleep at most.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn next_due(&mut self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = sqlx::query_scalar(
            "select min(due_at_ms) from deliveries where state = 'pending' and due_at_ms > $1",
        )
        .bind(now.as_millis())
        .fetch_one(&mut *self.0.inner)
        .await?;
        Ok(next.map(Timestamp::from_millis))
    }

    /// Makes a delivery of `webhook` that was done or given up due again at `now`; returns whether
    /// there was one. It does not wait in line.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn redeliver(
        &mut self,
        webhook: WebhookId,
        id: DeliveryId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update deliveries set state = 'pending', due_at_ms = $3, leased_until_ms = 0
             where id = $1 and webhook_id = $2 and state in ('done', 'dead')",
        )
        .bind(id.to_string())
        .bind(webhook.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// How many deliveries of `webhook` are pending.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn pending(&mut self, webhook: WebhookId) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from deliveries where webhook_id = $1 and state = 'pending'",
        )
        .bind(webhook.to_string())
        .fetch_one(&mut *self.0.inner)
        .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// How many deliveries are pending over all webhooks, for the gauge.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn pending_total(&mut self) -> Result<u64, StoreError> {
        let count: i64 =
            sqlx::query_scalar("select count(*) from deliveries where state = 'pending'")
                .fetch_one(&mut *self.0.inner)
                .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Ends every lease: for the start of the only process that delivers, since what held them is
    /// dead. A delivery whose attempt was cut short keeps its place. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn release_leases(&mut self) -> Result<u64, StoreError> {
        // Not 0, which would say that the attempt was settled: a moment that has passed.
        let done = sqlx::query(
            "update deliveries set leased_until_ms = 1
             where state = 'pending' and leased_until_ms > 1",
        )
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected())
    }

    /// Forgets attempts that started before `before`, and settled deliveries of events from before
    /// it that have no attempt left. What is pending keeps its log. Returns how many attempts went.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn purge_log(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let purged = sqlx::query(
            "delete from delivery_attempts where created_at_ms < $1 and delivery_id in
                 (select id from deliveries where state <> 'pending')",
        )
        .bind(before.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "delete from deliveries where state <> 'pending'
               and event_id in (select id from events where created_at_ms < $1)
               and not exists (
                   select 1 from delivery_attempts a where a.delivery_id = deliveries.id)",
        )
        .bind(before.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(purged.rows_affected())
    }
}

fn parse<T: FromStr>(text: &str, column: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_meaningless| StoreError::Inconsistent { column })
}

fn logged(row: &AnyRow) -> Result<LoggedAttempt, StoreError> {
    let millis = u64::try_from(row.try_get::<i64, _>(8)?).unwrap_or_default();
    Ok(LoggedAttempt {
        delivery: parse(&row.try_get::<String, _>(0)?, "delivery_attempts.delivery_id")?,
        attempt: row.try_get(1)?,
        event: parse(&row.try_get::<String, _>(2)?, "events.id")?,
        kind: parse(&row.try_get::<String, _>(3)?, "events.kind")?,
        payload: row.try_get(4)?,
        success: row.try_get::<i64, _>(5)? != 0,
        status: row.try_get::<Option<i64>, _>(6)?.and_then(|code| u16::try_from(code).ok()),
        response: row.try_get(7)?,
        duration: Duration::from_millis(millis),
        at: Timestamp::from_millis(row.try_get(9)?),
    })
}
