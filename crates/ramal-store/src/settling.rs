//! Settling: how attempts ended, the log of them, and what follows for the webhook.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Row as _};

use ramal_domain::{Timestamp, WebhookId};

use crate::{
    AttemptRecord, Deliveries, Dialect, DisabledReason, StoreError, Verdict,
    leases::{padded, placeholder_rows, placeholders},
    retention::forget_delivered,
};

/// A success that took longer proves nothing: endpoints that hold on to their slots must not have
/// many of them.
const QUICK: Duration = Duration::from_secs(2);

/// What came of a batch of attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// How many were still ours to settle, and were. The others were settled before, or their lease
    /// ran out and another worker has started a later attempt, or the delivery is gone.
    pub count: usize,
    /// Webhooks that were disabled for it.
    pub disabled: Vec<(WebhookId, DisabledReason)>,
}

/// A webhook as it is when attempts to it are settled.
struct Judged {
    url: String,
    since: Timestamp,
}

impl Judged {
    /// Whether an attempt says anything of the webhook's health: not if it went to another address,
    /// or was made before somebody activated it.
    fn by(&self, record: &AttemptRecord) -> bool {
        record.url == self.url && record.at >= self.since
    }
}

/// What a batch says of one webhook.
#[derive(Default)]
struct Health {
    /// The last attempt, whether it counts or not.
    last: Timestamp,
    /// The last one that counts.
    judged: Timestamp,
    /// Whether the last success was quick, if there was one.
    quick: Option<bool>,
    /// The first failure after it.
    failing_since: Option<Timestamp>,
    /// The attempt that made up our mind, for the note in the log.
    failed: Option<usize>,
    gone: Option<usize>,
}

impl Deliveries<'_> {
    /// Settles attempts, writes them to the log, and notes on their webhooks when they were last
    /// triggered and since when they fail. A webhook that is [`Verdict::Gone`], or has failed only
    /// for `failing_max`, is disabled, and the log says so.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer; the leases then run out.
    pub async fn settle(
        &mut self,
        attempts: &[(AttemptRecord, Verdict)],
        failing_max: Duration,
    ) -> Result<Settled, StoreError> {
        let webhooks = self.webhooks_of(attempts).await?;
        let counts = |record: &AttemptRecord| {
            webhooks.get(&record.webhook.to_string()).is_some_and(|judged| judged.by(record))
        };
        let mut ours: Vec<&(AttemptRecord, Verdict)> = Vec::new();
        let mut taken = HashSet::new();
        let done: Vec<_> =
            attempts.iter().filter(|(_, verdict)| *verdict == Verdict::Done).collect();
        if !done.is_empty() {
            taken.extend(self.settle_done(&done).await?);
        }
        for (record, verdict) in attempts {
            let verdict = match verdict {
                Verdict::Done => continue,
                // The old address wants no more; perhaps the new one does.
                Verdict::Gone if !counts(record) => Verdict::RetryAt(record.at),
                Verdict::RetryAt(_) | Verdict::Dead | Verdict::Gone => *verdict,
            };
            if self.settle_one(record, verdict).await? {
                taken.insert((record.delivery.to_string(), record.attempt));
            }
        }
        // A batch may hold two attempts of one delivery, of which the later is the one to settle.
        ours.extend(
            attempts.iter().filter(|(r, _)| taken.remove(&(r.delivery.to_string(), r.attempt))),
        );
        if ours.is_empty() {
            return Ok(Settled::default());
        }
        self.log_attempts(&ours).await?;
        for (record, verdict) in &ours {
            if !matches!(verdict, Verdict::RetryAt(_)) && record.kind.starts_with("message.") {
                forget_delivered(self.0, &record.delivery.to_string()).await?;
            }
        }
        let disabled = self.note_health(&ours, counts, failing_max).await?;
        Ok(Settled { count: ours.len(), disabled })
    }

    /// The webhooks of `attempts`, held until the unit of work ends. Two workers that settle the same
    /// webhooks take the locks in one order.
    async fn webhooks_of(
        &mut self,
        attempts: &[(AttemptRecord, Verdict)],
    ) -> Result<HashMap<String, Judged>, StoreError> {
        if attempts.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: BTreeSet<String> = attempts.iter().map(|(r, _)| r.webhook.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let ids = padded(&ids);
        let lock = match self.0.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for no key update",
        };
        let sql = format!(
            "select id, url, judged_since_ms from webhooks where id in ({}) order by id{lock}",
            placeholders(1, ids.len()),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(id);
        }
        let rows = query.fetch_all(&mut *self.0.inner).await?;
        rows.iter()
            .map(|row| {
                let since = Timestamp::from_millis(row.try_get(2)?);
                Ok((row.try_get(0)?, Judged { url: row.try_get(1)?, since }))
            })
            .collect()
    }

    /// Settles successes, and returns those that were ours.
    async fn settle_done(
        &mut self,
        done: &[&(AttemptRecord, Verdict)],
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let done = padded(done);
        let sql = format!(
            "update deliveries set state = 'done', tried = 1, leased_until_ms = 0
             where (id, attempts) in (values {}) and state = 'pending' and leased_until_ms <> 0
             returning id, attempts",
            placeholder_rows(1, 2, done.len()),
        );
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for (record, _) in done {
            query = query.bind(record.delivery.to_string()).bind(record.attempt);
        }
        Ok(query.fetch_all(&mut *self.0.inner).await?)
    }

    async fn settle_one(
        &mut self,
        record: &AttemptRecord,
        verdict: Verdict,
    ) -> Result<bool, StoreError> {
        let (state, due_at) = match verdict {
            Verdict::Done => ("done", None),
            Verdict::RetryAt(at) => ("pending", Some(at.as_millis())),
            Verdict::Dead | Verdict::Gone => ("dead", None),
        };
        let done = sqlx::query(
            "update deliveries
             set state = $3, tried = 1, due_at_ms = coalesce($4, due_at_ms), leased_until_ms = 0
             where id = $1 and attempts = $2 and state = 'pending' and leased_until_ms <> 0",
        )
        .bind(record.delivery.to_string())
        .bind(record.attempt)
        .bind(state)
        .bind(due_at)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn log_attempts(&mut self, ours: &[&(AttemptRecord, Verdict)]) -> Result<(), StoreError> {
        // A row cannot be inserted twice, so batches are cut into powers of two instead of padded.
        let mut rest = ours;
        while !rest.is_empty() {
            let size = 1 << rest.len().ilog2();
            let (batch, later) = rest.split_at_checked(size).unwrap_or((rest, &[]));
            rest = later;
            let sql = format!(
                "insert into delivery_attempts
                     (delivery_id, attempt, webhook_id, success, status_code, response, duration_ms,
                      created_at_ms, kind)
                 values {}",
                placeholder_rows(1, 9, batch.len()),
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (attempt, _) in batch {
                query = query
                    .bind(attempt.delivery.to_string())
                    .bind(attempt.attempt)
                    .bind(attempt.webhook.to_string())
                    .bind(i64::from(attempt.success))
                    .bind(attempt.status.map(i64::from))
                    // PostgreSQL's text has no NUL.
                    .bind(attempt.response.replace('\0', "\u{fffd}"))
                    .bind(i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX))
                    .bind(attempt.at.as_millis())
                    .bind(&attempt.kind);
            }
            query.execute(&mut *self.0.inner).await?;
        }
        Ok(())
    }

    async fn note_health(
        &mut self,
        ours: &[&(AttemptRecord, Verdict)],
        counts: impl Fn(&AttemptRecord) -> bool,
        failing_max: Duration,
    ) -> Result<Vec<(WebhookId, DisabledReason)>, StoreError> {
        let mut webhooks: BTreeMap<WebhookId, Health> = BTreeMap::new();
        for (index, (record, verdict)) in ours.iter().enumerate() {
            let health = webhooks.entry(record.webhook).or_default();
            health.last = health.last.max(record.at);
            if !counts(record) {
                continue;
            }
            health.judged = health.judged.max(record.at);
            if record.success {
                health.quick = Some(record.duration <= QUICK);
                (health.failing_since, health.failed) = (None, None);
            } else {
                health.failing_since = health.failing_since.or(Some(record.at));
                health.failed = Some(index);
            }
            if *verdict == Verdict::Gone {
                health.gone = Some(index);
            }
        }
        let (well, ill): (Vec<_>, Vec<_>) =
            webhooks.into_iter().partition(|(_, health)| health.failed.is_none());
        self.note_well(&well).await?;
        let mut disabled = Vec::new();
        for (webhook, health) in ill {
            let since = self.note_ill(webhook, &health, failing_max).await?;
            let too_long = since <= health.judged.before(failing_max);
            let reason = match (health.gone, too_long) {
                (Some(index), _) => Some((index, DisabledReason::Gone)),
                (None, true) => health.failed.map(|index| (index, DisabledReason::Failing)),
                (None, false) => None,
            };
            let Some((index, reason)) = reason else { continue };
            if self.disable(webhook, reason, health.last).await? {
                if let Some((record, _)) = ours.get(index) {
                    self.annotate(record, reason.explain()).await?;
                }
                disabled.push((webhook, reason));
            }
        }
        Ok(disabled)
    }

    /// Webhooks whose last attempt of the batch that counts succeeded, or of which none counts.
    async fn note_well(&mut self, well: &[(WebhookId, Health)]) -> Result<(), StoreError> {
        if well.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = well
            .iter()
            .map(|(id, health)| (id, health.last.as_millis(), health.quick.map_or(-1, i64::from)))
            .collect();
        let rows = padded(&rows);
        let sql = format!(
            "update webhooks set
                 failing_since_ms = case when v.column3 < 0 then failing_since_ms end,
                 proven = case when v.column3 < 0 then proven else v.column3 end,
                 last_triggered_at_ms = case when coalesce(last_triggered_at_ms, 0) < v.column2
                                             then v.column2 else last_triggered_at_ms end
             from (values {}) as v where webhooks.id = v.column1",
            placeholder_rows(1, 3, rows.len()),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (id, at, quick) in rows {
            query = query.bind(id.to_string()).bind(at).bind(quick);
        }
        query.execute(&mut *self.0.inner).await?;
        Ok(())
    }

    /// A webhook whose last attempt of the batch failed. Returns since when it fails. A streak ends
    /// with a success, or when nothing was tried for `failing_max`: one failure a month is not a
    /// month of failing.
    async fn note_ill(
        &mut self,
        webhook: WebhookId,
        health: &Health,
        failing_max: Duration,
    ) -> Result<Timestamp, StoreError> {
        let since = health.failing_since.unwrap_or(health.judged);
        let row = sqlx::query(
            "update webhooks set proven = 0,
                 failing_since_ms = case
                     when failing_since_ms is null or $4 = 1
                          or coalesce(last_triggered_at_ms, 0) < $5 then $3
                     else failing_since_ms end,
                 last_triggered_at_ms = case when coalesce(last_triggered_at_ms, 0) < $2
                                             then $2 else last_triggered_at_ms end
             where id = $1 returning failing_since_ms",
        )
        .bind(webhook.to_string())
        .bind(health.last.as_millis())
        .bind(since.as_millis())
        .bind(i64::from(health.quick.is_some()))
        .bind(since.before(failing_max).as_millis())
        .fetch_optional(&mut *self.0.inner)
        .await?;
        Ok(row.map_or(Ok(since.as_millis()), |row| row.try_get(0)).map(Timestamp::from_millis)?)
    }

    /// Returns whether it was active.
    async fn disable(
        &mut self,
        webhook: WebhookId,
        reason: DisabledReason,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update webhooks set active = 0, disabled_reason = $2, inactive_since_ms = $3,
                 updated_at_ms = $3
             where id = $1 and active = 1",
        )
        .bind(webhook.to_string())
        .bind(reason.name())
        .bind(at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn annotate(&mut self, record: &AttemptRecord, note: &str) -> Result<(), StoreError> {
        sqlx::query(
            "update delivery_attempts set note = $3 where delivery_id = $1 and attempt = $2",
        )
        .bind(record.delivery.to_string())
        .bind(record.attempt)
        .bind(note)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }
}
