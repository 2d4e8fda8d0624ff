//! The record of what happened, and who is to be told.

use ramal_domain::{DeliveryId, Event, EventKind, NumberId, TenantId, WebhookId};
use sqlx::Row as _;

use crate::{
    Dialect, StoreError, Tx,
    retention::{forget_event, relays},
};

/// Subscribes to every event.
pub(crate) const EVERYTHING: &str = "*";

/// The record of what happened.
#[derive(Debug)]
pub struct Events<'a>(pub(crate) &'a mut Tx);

impl Events<'_> {
    /// Writes an event and one delivery for each webhook that subscribes to it: the number's own,
    /// and for `number.created` all of the tenant's, since a new number has none (contract H9).
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn record(&mut self, event: &Event) -> Result<(), StoreError> {
        let seq = self.write(event).await?;
        let audience = self.audience(event).await?;
        for webhook in &audience {
            self.address(event, seq, webhook, DeliveryId::mint()).await?;
        }
        if audience.is_empty()
            && event.kind.is_about_message()
            && relays(self.0, event.number).await?
        {
            // Nobody will be told, so nothing is kept.
            forget_event(self.0, seq, &event.body).await?;
        }
        Ok(())
    }

    /// Writes an event for one webhook only, whatever it subscribes to.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn record_for(
        &mut self,
        event: &Event,
        webhook: WebhookId,
    ) -> Result<DeliveryId, StoreError> {
        let (seq, id) = (self.write(event).await?, DeliveryId::mint());
        self.address(event, seq, &webhook.to_string(), id).await?;
        Ok(id)
    }

    async fn write(&mut self, event: &Event) -> Result<i64, StoreError> {
        let sql = match self.0.dialect {
            Dialect::Sqlite => {
                "insert into events
                   (id, tenant_id, number_id, kind, body, created_at_ms, message_id)
                 values ($1, $2, $3, $4, $5, $6, $7) returning seq"
            }
            // The transaction's id first, and its place in the order then: see event_feed.rs. A CASE
            // is what PostgreSQL promises to evaluate in order.
            Dialect::Postgres => {
                "insert into events
                   (seq, id, tenant_id, number_id, kind, body, created_at_ms, message_id)
                 overriding system value
                 values (case when pg_current_xact_id() is not null
                              then nextval(pg_get_serial_sequence('events', 'seq')) end,
                         $1, $2, $3, $4, $5, $6, $7) returning seq"
            }
        };
        Ok(sqlx::query_scalar(sql)
            .bind(event.id.to_string())
            .bind(event.tenant.to_string())
            .bind(event.number.to_string())
            .bind(event.kind.name())
            .bind(&event.body)
            .bind(event.at.as_millis())
            .bind(event.message.map(|message| message.to_string()))
            .fetch_one(&mut *self.0.inner)
            .await?)
    }

    async fn address(
        &mut self,
        event: &Event,
        seq: i64,
        webhook: &str,
        id: DeliveryId,
    ) -> Result<(), StoreError> {
        sqlx::query(
            // Due at once, not when the event happened: that may be WhatsApp's time, and ahead
            // of ours.
            "insert into deliveries (id, seq, event_id, webhook_id, due_at_ms)
             values ($1, $2, $3, $4, 0)",
        )
        .bind(id.to_string())
        .bind(seq)
        .bind(event.id.to_string())
        .bind(webhook)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    async fn audience(&mut self, event: &Event) -> Result<Vec<String>, StoreError> {
        // A webhook that is swept meanwhile would fail what is being recorded.
        let lock = match self.0.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for key share of w",
        };
        // Webhooks of removed numbers only wait for what was told to them before.
        let (owner, sql) = if event.kind == EventKind::NumberCreated {
            let sql = "select w.id, w.events from webhooks w join numbers n on n.id = w.number_id
                 where w.tenant_id = $1 and w.active = 1 and n.stage = 'live'";
            (event.tenant.to_string(), sql)
        } else {
            let sql = "select w.id, w.events from webhooks w
                 where w.number_id = $1 and w.active = 1";
            (event.number.to_string(), sql)
        };
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{sql}{lock}")))
            .bind(owner)
            .fetch_all(&mut *self.0.inner)
            .await?;
        let mut audience = Vec::new();
        for row in rows {
            let events: String = row.try_get("events")?;
            if subscribes(&events, event.kind) {
                audience.push(row.try_get("id")?);
            }
        }
        Ok(audience)
    }

    /// What a number's events say, oldest first: for tests of what is kept.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn bodies_of(
        &mut self,
        tenant: TenantId,
        number: NumberId,
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select body from events where tenant_id = $1 and number_id = $2 order by seq",
        )
        .bind(tenant.to_string())
        .bind(number.to_string())
        .fetch_all(&mut *self.0.inner)
        .await?)
    }

    /// The names of a number's events, oldest first: for tests and the timeline.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn kinds_of(&mut self, number: NumberId) -> Result<Vec<EventKind>, StoreError> {
        let names: Vec<String> =
            sqlx::query_scalar("select kind from events where number_id = $1 order by seq")
                .bind(number.to_string())
                .fetch_all(&mut *self.0.inner)
                .await?;
        names
            .iter()
            .map(|name| {
                name.parse().map_err(|_unknown| StoreError::Inconsistent { column: "events.kind" })
            })
            .collect()
    }
}

/// `events` is the JSON array that `webhooks.rs` wrote: names without anything to escape.
fn subscribes(events: &str, kind: EventKind) -> bool {
    crate::webhooks::names(events)
        .any(|name| name == EVERYTHING || (kind.is_selectable() && name == kind.name()))
}
