//! Replays: bringing back events that a webhook has missed.
//!
//! Finding them may mean going through a long history, so it is done in a unit of work that reads,
//! page by page; what is then written names only what was found, and only if it is still missed.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Row as _};

use ramal_domain::{DeliveryId, EventKind, NumberId, TenantId, Timestamp, WebhookId};

use crate::{Deliveries, Dialect, StoreError, leases::placeholders};

/// Events of a number that one statement looks at.
const PAGE: i64 = 2_000;

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

/// What was missed, oldest first.
#[derive(Clone, Debug, Default)]
pub struct FoundMissed {
    /// The events.
    pub events: Vec<MissedEvent>,
    /// Whether there are more than the limit: ask again.
    pub more: bool,
}

/// An event that a webhook has missed.
#[derive(Clone, Debug)]
pub struct MissedEvent {
    id: String,
    /// The delivery that was given up, if there was one.
    delivery: Option<String>,
}

/// By the event's place in the order.
type Found = BTreeMap<i64, MissedEvent>;

impl Deliveries<'_> {
    /// Finds up to `limit` missed events, the oldest first. What was delivered, or is on its way, is
    /// not missed. A unit of work that reads will do, and holds nobody up.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn missed(
        &mut self,
        missed: &Missed<'_>,
        limit: u32,
    ) -> Result<FoundMissed, StoreError> {
        if missed.kinds.is_empty() || missed.since >= missed.until {
            return Ok(FoundMissed::default());
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (number, tenant) = (missed.number.to_string(), missed.tenant.to_string());
        let mut found = Found::new();
        let (mut from, last) = self.window(missed, &number).await?;
        while found.len() <= limit
            && let Some(to) = self.page_end(&number, from, last).await?
        {
            found.append(&mut self.missed_of("e.number_id = $2", &number, missed, from, to).await?);
            from = to.saturating_add(1);
        }
        // A number's creation is told to every webhook of the tenant (contract H9). There are few.
        let creations = "e.tenant_id = $2 and e.kind = 'number.created'";
        let mut creations = self.missed_of(creations, &tenant, missed, 0, i64::MAX).await?;
        found.append(&mut creations);
        let more = found.len() > limit;
        Ok(FoundMissed { events: found.into_values().take(limit).collect(), more })
    }

    /// The first and the last place in the order of what happened in the time of `missed`.
    async fn window(
        &mut self,
        missed: &Missed<'_>,
        number: &str,
    ) -> Result<(i64, i64), StoreError> {
        let row = sqlx::query(
            "select coalesce(min(seq), 1), coalesce(max(seq), 0) from events
             where number_id = $1 and created_at_ms >= $2 and created_at_ms < $3",
        )
        .bind(number)
        .bind(missed.since.as_millis())
        .bind(missed.until.as_millis())
        .fetch_one(&mut *self.0.inner)
        .await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// The last place of the page that begins at `from`, if there is any event left.
    async fn page_end(
        &mut self,
        number: &str,
        from: i64,
        last: i64,
    ) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "select max(p.seq) from (select seq from events
                                     where number_id = $1 and seq >= $2 and seq <= $3
                                     order by seq limit $4) as p",
        )
        .bind(number)
        .bind(from)
        .bind(last)
        .bind(PAGE)
        .fetch_one(&mut *self.0.inner)
        .await?)
    }

    /// What was missed of the events of `owner` from the place `from` to the place `to`.
    async fn missed_of(
        &mut self,
        whose: &str,
        owner: &str,
        missed: &Missed<'_>,
        from: i64,
        to: i64,
    ) -> Result<Found, StoreError> {
        // The pluses keep the planner to the page: the time may be all of history.
        let sql = format!(
            "select e.seq, e.id, d.id from events e
             left join deliveries d on d.event_id = e.id and d.webhook_id = $1
             where {whose} and e.seq >= $3 and e.seq <= $4
               and +e.created_at_ms >= $5 and +e.created_at_ms < $6
               and (d.id is null or d.state = 'dead') and e.kind in ({})",
            placeholders(7, missed.kinds.len()),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(missed.webhook.to_string())
            .bind(owner)
            .bind(from)
            .bind(to)
            .bind(missed.since.as_millis())
            .bind(missed.until.as_millis());
        for kind in missed.kinds {
            query = query.bind(kind.name());
        }
        let rows = query.fetch_all(&mut *self.0.inner).await?;
        rows.iter()
            .map(|row| {
                let event = MissedEvent { id: row.try_get(1)?, delivery: row.try_get(2)? };
                Ok((row.try_get(0)?, event))
            })
            .collect()
    }

    /// Makes events that were found missed due, unless they no longer are: those without a delivery
    /// get one, those given up are taken up again. They wait in line by the order of the events, so
    /// before what happened later. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer; nothing is replayed then.
    pub async fn replay(
        &mut self,
        webhook: WebhookId,
        found: &[MissedEvent],
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let mut count = 0;
        for event in found {
            let done = match &event.delivery {
                Some(id) => self.revive(id, now).await?,
                None => self.deliver_late(&event.id, webhook, now).await?,
            };
            count += u32::from(done);
        }
        Ok(count)
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
        webhook: WebhookId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // Old events are purged meanwhile.
        let lock = match self.0.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for key share of e",
        };
        let sql = format!(
            "insert into deliveries (id, seq, event_id, webhook_id, due_at_ms, renewed_at_ms)
             select $1, e.seq, e.id, $3, 0, $4 from events e where e.id = $2{lock}
             on conflict do nothing",
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(DeliveryId::mint().to_string())
            .bind(event)
            .bind(webhook.to_string())
            .bind(now.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
