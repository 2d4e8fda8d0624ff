//! What a webhook's deliveries came to, in numbers, and which are still to be made: for people who look
//! at it.

use std::{collections::HashMap, time::Duration};

use ramal_domain::{DeliveryId, EventId, EventKind, TenantId, Timestamp, WebhookId};
use sqlx::Row as _;

use crate::{Deliveries, StoreError, row};

/// How many attempts succeeded and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The receiver accepted them.
    pub succeeded: u64,
    /// It did not, or there was no answer.
    pub failed: u64,
}

impl Outcomes {
    /// Both together.
    pub const fn total(self) -> u64 {
        self.succeeded.saturating_add(self.failed)
    }

    fn of(succeeded: i64, total: i64) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        Self { succeeded: count(succeeded), failed: count(total.saturating_sub(succeeded)) }
    }
}

/// A delivery that is still to be made, or made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingDelivery {
    /// The delivery.
    pub id: DeliveryId,
    /// The event.
    pub event: EventId,
    /// The event's name.
    pub kind: EventKind,
    /// What is posted.
    pub payload: String,
    /// How many attempts were begun.
    pub attempts: i64,
    /// When the next one is due.
    pub due_at: Timestamp,
    /// When the event happened.
    pub created_at: Timestamp,
}

impl Deliveries<'_> {
    /// The attempts since `since` to each webhook of `tenant` that had any.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn outcomes_of_tenant(
        &mut self,
        tenant: TenantId,
        since: Timestamp,
    ) -> Result<HashMap<WebhookId, Outcomes>, StoreError> {
        let rows = sqlx::query(
            "select w.id, cast(sum(a.success) as bigint) as succeeded, count(*) as total
             from webhooks w join delivery_attempts a on a.webhook_id = w.id
             where w.tenant_id = $1 and a.created_at_ms >= $2 group by w.id",
        )
        .bind(tenant.to_string())
        .bind(since.as_millis())
        .fetch_all(&mut *self.0.inner)
        .await?;
        let pairs = rows.iter().map(|row| {
            let outcomes = Outcomes::of(row.try_get("succeeded")?, row.try_get("total")?);
            Ok((row::parsed(row, "webhooks.id")?, outcomes))
        });
        pairs.collect()
    }

    /// The attempts to a webhook of `tenant`, in `count` spans of `width` that begin at `since`,
    /// oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn outcomes(
        &mut self,
        tenant: TenantId,
        webhook: WebhookId,
        since: Timestamp,
        width: Duration,
        count: u16,
    ) -> Result<Vec<Outcomes>, StoreError> {
        let width_ms = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
        let rows = sqlx::query(
            "select (a.created_at_ms - $3) / $4 as span, cast(sum(a.success) as bigint) as succeeded,
               count(*) as total
             from delivery_attempts a
             where a.webhook_id = $2 and a.created_at_ms >= $3 and a.created_at_ms < $5
               and exists (select 1 from webhooks w where w.id = $2 and w.tenant_id = $1)
             group by 1",
        )
        .bind(tenant.to_string())
        .bind(webhook.to_string())
        .bind(since.as_millis())
        .bind(width_ms)
        .bind(since.after(width.saturating_mul(u32::from(count))).as_millis())
        .fetch_all(&mut *self.0.inner)
        .await?;
        let mut spans = vec![Outcomes::default(); usize::from(count)];
        for row in &rows {
            let span = usize::try_from(row.try_get::<i64, _>("span")?).ok();
            if let Some(span) = span.and_then(|span| spans.get_mut(span)) {
                *span = Outcomes::of(row.try_get("succeeded")?, row.try_get("total")?);
            }
        }
        Ok(spans)
    }

    /// The deliveries of a webhook of `tenant` that are pending, those that are due first in front,
    /// of events of `kind` only if one is named.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn pending_of(
        &mut self,
        tenant: TenantId,
        webhook: WebhookId,
        kind: Option<EventKind>,
        limit: u32,
    ) -> Result<Vec<PendingDelivery>, StoreError> {
        let rows = sqlx::query(
            "select d.id, d.event_id, e.kind, e.body, d.attempts, d.due_at_ms, e.created_at_ms
             from deliveries d join events e on e.id = d.event_id
             where d.webhook_id = $2 and d.state = 'pending' and ($3 = '' or e.kind = $3)
               and exists (select 1 from webhooks w where w.id = $2 and w.tenant_id = $1)
             order by d.due_at_ms, d.seq limit $4",
        )
        .bind(tenant.to_string())
        .bind(webhook.to_string())
        .bind(kind.map_or("", EventKind::name))
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.inner)
        .await?;
        let pending = rows.iter().map(|row| {
            Ok(PendingDelivery {
                id: row::parsed(row, "deliveries.id")?,
                event: row::parsed(row, "deliveries.event_id")?,
                kind: row::parsed(row, "events.kind")?,
                payload: row.try_get("body")?,
                attempts: row.try_get("attempts")?,
                due_at: row::time(row, "deliveries.due_at_ms")?,
                created_at: row::time(row, "events.created_at_ms")?,
            })
        });
        pending.collect()
    }
}
