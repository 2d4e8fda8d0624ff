//! Replays: bringing back events that a webhook has missed.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Row as _};

use ramal_domain::{DeliveryId, EventKind, NumberId, TenantId, Timestamp, WebhookId};

use crate::{Deliveries, StoreError, leases::placeholders};

/// What to bring back: events that a webhook would have got, had it been there and subscribed, and
/// that it has not got.
#[derive(Clone, Copy, Debug)]
pub struct Missed<'a> {
    /// The webhook.
    pub webhook: WebhookId,
    /// Its owner.
    pub tenant: TenantId,
    /// Its number.
    pub number: NumberId,
    /// Events of these kinds.
    pub kinds: &'a [EventKind],
    /// That happened at or after this moment,
    pub since: Timestamp,
    /// and before this one.
    pub until: Timestamp,
}

/// What a replay has brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many events.
    pub count: u32,
    /// Whether there are more than the limit: ask again.
    pub more: bool,
}

impl Deliveries<'_> {
    /// Makes up to `limit` missed events due, the oldest first: those without a delivery get one,
    /// those given up are taken up again. They wait in line by the order of the events, so before
    /// what happened later. What was delivered, or is on its way, stays as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer; nothing is replayed then.
    pub async fn replay(
        &mut self,
        missed: &Missed<'_>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Replayed, StoreError> {
        if missed.kinds.is_empty() || missed.since >= missed.until {
            return Ok(Replayed::default());
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = self.missed(missed, limit.saturating_add(1)).await?;
        let more = found.len() > limit;
        while found.len() > limit {
            found.pop_last();
        }
        let mut count = 0;
        for (seq, (event, delivery)) in found {
            let done = match delivery {
                Some(id) => self.revive(&id, now).await?,
                None => self.deliver_late(&event, seq, missed.webhook, now).await?,
            };
            count += u32::from(done);
        }
        Ok(Replayed { count, more })
    }

    /// Event and delivery, if there is one, by the event's place in the order.
    async fn missed(
        &mut self,
        missed: &Missed<'_>,
        limit: usize,
    ) -> Result<BTreeMap<i64, (String, Option<String>)>, StoreError> {
        let mut found = BTreeMap::new();
        // A number's creation is told to every webhook of the tenant (contract H9).
        let owners = [
            ("e.number_id = $2", missed.number.to_string()),
            ("e.tenant_id = $2 and e.kind = 'number.created'", missed.tenant.to_string()),
        ];
        for (whose, owner) in owners {
            let sql = format!(
                "select e.seq, e.id, d.id from events e
                 left join deliveries d on d.event_id = e.id and d.webhook_id = $1
                 where {whose} and e.created_at_ms >= $3 and e.created_at_ms < $4
                   and (d.id is null or d.state = 'dead') and e.kind in ({})
                 order by e.seq limit $5",
                placeholders(6, missed.kinds.len()),
            );
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .bind(missed.webhook.to_string())
                .bind(owner)
                .bind(missed.since.as_millis())
                .bind(missed.until.as_millis())
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
            for kind in missed.kinds {
                query = query.bind(kind.name());
            }
            for row in query.fetch_all(&mut *self.0.inner).await? {
                found.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
            }
        }
        Ok(found)
    }

    async fn revive(&mut self, delivery: &str, now: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update deliveries set state = 'pending', tried = 0, due_at_ms = 0,
                 leased_until_ms = 0, renewed_at_ms = $2
             where id = $1 and state = 'dead'",
        )
        .bind(delivery)
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn deliver_late(
        &mut self,
        event: &str,
        seq: i64,
        webhook: WebhookId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "insert into deliveries (id, seq, event_id, webhook_id, due_at_ms, renewed_at_ms)
             values ($1, $2, $3, $4, 0, $5) on conflict do nothing",
        )
        .bind(DeliveryId::mint().to_string())
        .bind(seq)
        .bind(event)
        .bind(webhook.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
