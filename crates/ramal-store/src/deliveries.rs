//! The outbox: one delivery per event and matching webhook, and the log of its attempts.
//!
//! # Theory of operation
//!
//! A delivery is leased, attempted and settled. Leasing increments `attempts`, which fences: a
//! worker whose lease ran out cannot settle once another has leased. A delivery is *tried* once an
//! attempt was settled; until then it holds its place in line, so first attempts to one webhook go
//! out one at a time in the order of `seq`, also after a crash; they are leased in runs, so that not
//! every one of them costs a transaction. Retries wait for their own time and
//! hold up nobody.
//!
//! Both rules (order, attempts at once per webhook) are judgements over several rows. SQLite's
//! writer has the database to itself; on PostgreSQL a leaser locks the *webhook's* row, without
//! waiting, and judges in a second statement, whose snapshot then holds all earlier leases.
//! `leases.rs` leases, `settling.rs` settles, `replays.rs` brings back what was missed.

use std::time::Duration;

use sqlx::{Row as _, any::AnyRow};

use ramal_domain::{DeliveryId, EventId, EventKind, Timestamp, WebhookId, WebhookSecret};

use crate::{StoreError, Tx, row::parse};

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
    /// What to sign with as well: the secret before the last rotation, while it is still valid.
    pub old_secret: Option<WebhookSecret>,
    /// What to post, byte by byte.
    pub body: String,
    /// The event's name, for the log.
    pub kind: String,
    /// When the event happened.
    pub created_at: Timestamp,
    /// When the first settled attempt was made, if there was one since somebody asked for it.
    pub first_tried_at: Option<Timestamp>,
    /// How many attempts were settled since then.
    pub tries: u32,
    /// Whether the last attempt to the webhook was a quick success.
    pub proven: bool,
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
    /// Given up, and the receiver wants no more: its webhook is disabled.
    Gone,
}

/// Why we disabled a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// The receiver answered 410 Gone.
    Gone,
    /// Every attempt has failed for days.
    Failing,
}

impl DisabledReason {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "GONE",
            Self::Failing => "FAILING",
        }
    }

    /// A sentence for the delivery log.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Gone => "the webhook was set inactive: its receiver answered 410 Gone",
            Self::Failing => "the webhook was set inactive: every attempt has failed for days",
        }
    }
}

impl std::str::FromStr for DisabledReason {
    type Err = StoreError;

    fn from_str(name: &str) -> Result<Self, StoreError> {
        [Self::Gone, Self::Failing]
            .into_iter()
            .find(|reason| reason.name() == name)
            .ok_or(StoreError::Inconsistent { column: "webhooks.disabled_reason" })
    }
}

/// What came of asking for a delivery again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// It is due again.
    Due,
    /// It is still on its way.
    Pending,
    /// The webhook has no such delivery.
    Unknown,
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
    /// The event's name.
    pub kind: String,
    /// Where it went: it says nothing of a webhook that goes elsewhere by now.
    pub url: String,
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
    /// What else there is to say, such as that the webhook was disabled for it.
    pub note: Option<String>,
}

/// The outbox, within a unit of work.
#[derive(Debug)]
pub struct Deliveries<'a>(pub(crate) &'a mut Tx);

/// Events from before `$1` of which nothing is pending or was tried since, at most `$2`.
macro_rules! old_events {
    () => {
        "(select e.id from events e
          where e.created_at_ms < $1 and not exists (
              select 1 from deliveries d where d.event_id = e.id and (
                  d.state = 'pending' or exists (
                      select 1 from delivery_attempts a
                      where a.delivery_id = d.id and a.created_at_ms >= $1)))
          order by e.created_at_ms, e.seq limit $2)"
    };
}

/// The last `$2` attempts for webhook `$1` that are `$which`. Two statements, so that each can follow
/// its index from the newest attempt on.
macro_rules! log_where {
    ($which:literal) => {
        concat!(
            "select a.delivery_id, a.attempt, e.id, e.kind, e.body, a.success, a.status_code,
                    a.response, a.duration_ms, a.created_at_ms, a.note
             from delivery_attempts a
             join deliveries d on d.id = a.delivery_id
             join events e on e.id = d.event_id
             where a.webhook_id = $1 and ",
            $which,
            " order by a.created_at_ms desc, d.seq desc, a.attempt desc limit $2"
        )
    };
}

impl Deliveries<'_> {
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
        let sql = if kind.is_some() { log_where!("a.kind = $3") } else { log_where!("$3 = ''") };
        let rows = sqlx::query(sql)
            .bind(webhook.to_string())
            .bind(i64::from(limit))
            .bind(kind.map_or("", EventKind::name))
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

    /// Makes a delivery of `webhook` that was done or given up due again at `now`. It does not wait
    /// in line, and is tried for as long as a new one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn redeliver(
        &mut self,
        webhook: WebhookId,
        id: DeliveryId,
        now: Timestamp,
    ) -> Result<Redelivery, StoreError> {
        let done = sqlx::query(
            "update deliveries
             set state = 'pending', due_at_ms = $3, leased_until_ms = 0, renewed_at_ms = $3
             where id = $1 and webhook_id = $2 and state in ('done', 'dead')",
        )
        .bind(id.to_string())
        .bind(webhook.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() == 1 {
            return Ok(Redelivery::Due);
        }
        let there: i64 =
            sqlx::query_scalar("select count(*) from deliveries where id = $1 and webhook_id = $2")
                .bind(id.to_string())
                .bind(webhook.to_string())
                .fetch_one(&mut *self.0.inner)
                .await?;
        Ok(if there == 0 { Redelivery::Unknown } else { Redelivery::Pending })
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

    /// Gives up what is pending for webhooks that are inactive since before `before`, up to `limit`
    /// deliveries: nothing waits for ever. Returns how many deliveries.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn give_up_inactive(
        &mut self,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "update deliveries set state = 'dead', leased_until_ms = 0
             where id in (select d.id from webhooks w join deliveries d on d.webhook_id = w.id
                          where w.active = 0 and w.inactive_since_ms < $1 and d.state = 'pending'
                          limit $2)
               and state = 'pending'",
        )
        .bind(before.as_millis())
        .bind(i64::from(limit))
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected())
    }

    /// Forgets up to `limit` deliveries to deleted webhooks, with their log, and the webhooks of
    /// which nothing is left. Returns how many deliveries.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn sweep_deleted(&mut self, limit: u32) -> Result<u64, StoreError> {
        let swept = sqlx::query(
            "delete from deliveries where id in
                 (select d.id from webhooks w join deliveries d on d.webhook_id = w.id
                  where w.deleted_at_ms is not null limit $1)",
        )
        .bind(i64::from(limit))
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "delete from webhooks where deleted_at_ms is not null
               and not exists (select 1 from deliveries d where d.webhook_id = webhooks.id)",
        )
        .execute(&mut *self.0.inner)
        .await?;
        Ok(swept.rows_affected())
    }

    /// Forgets up to `limit` events from before `before`, with their deliveries and log, unless
    /// something of them is pending or was tried since. Returns how many events.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn purge(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        const DELIVERIES: &str =
            concat!("delete from deliveries where event_id in ", old_events!());
        const EVENTS: &str = concat!("delete from events where id in ", old_events!());
        let mut purged = 0;
        for sql in [DELIVERIES, EVENTS] {
            purged = sqlx::query(sql)
                .bind(before.as_millis())
                .bind(i64::from(limit))
                .execute(&mut *self.0.inner)
                .await?
                .rows_affected();
        }
        Ok(purged)
    }
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
        note: row.try_get(10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, Options, Store, Vault};

    #[tokio::test]
    async fn the_log_of_a_rare_kind_does_not_walk_through_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/ramal.db", folder.path().display()).into();
        let options = Options { url, max_connections: 2 };
        let store = Store::open(&options, Vault::new(MasterKey::mint())).await.unwrap();

        for (sql, index) in [
            (
                concat!("explain query plan ", log_where!("a.kind = $3")),
                "of_kind (webhook_id=? AND",
            ),
            (concat!("explain query plan ", log_where!("$3 = ''")), "of_webhook (webhook_id=?)"),
        ] {
            let mut tx = store.read().await.unwrap();
            let plan = sqlx::query(sql).bind("wh").bind(50_i64).bind("message.sent");
            let plan = plan.fetch_all(&mut *tx.inner).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.try_get(3).unwrap()).collect();
            assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("SCAN")), "{steps:?}");
        }
    }
}
