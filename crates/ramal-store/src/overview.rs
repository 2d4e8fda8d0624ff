//! What a number's page shows: what happened to it, what it said and heard; and the numbers that were
//! removed.

use ramal_domain::{EventKind, NumberId, TenantId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{Events, Message, Messages, Number, Numbers, StoreError, messages, numbers, row};

/// Something that happened to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEvent {
    /// What.
    pub kind: EventKind,
    /// As it was told.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

impl Numbers<'_> {
    /// The removed numbers of `tenant` that can be restored at `now`, the last removed first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list_removed(
        &mut self,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Vec<Number>, StoreError> {
        let sql = format!(
            "select {} from numbers
             where tenant_id = $1 and stage = 'removed' and restorable_until_ms > $2
             order by removed_at_ms desc, id",
            numbers::COLUMNS
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(now.as_millis())
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(numbers::number).collect()
    }

    /// Gives a listed number of `tenant` another name; returns whether there is such a number.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn rename(
        &mut self,
        tenant: TenantId,
        id: NumberId,
        name: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update numbers set name = $3, updated_at_ms = $4
             where id = $1 and tenant_id = $2 and stage = 'live'",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(name)
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Events<'_> {
    /// What happened to a number of `tenant` itself, newest first: not what it said and heard.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn timeline(
        &mut self,
        tenant: TenantId,
        number: NumberId,
        limit: u32,
    ) -> Result<Vec<PastEvent>, StoreError> {
        // As the partial index has it, word for word.
        let rows = sqlx::query(
            "select kind, body, created_at_ms from events
             where number_id = $1 and substr(kind, 1, 7) = 'number.' and tenant_id = $2
             order by seq desc limit $3",
        )
        .bind(number.to_string())
        .bind(tenant.to_string())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter().map(past_event).collect()
    }
}

impl Messages<'_> {
    /// The last messages of a number of `tenant`, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn recent(
        &mut self,
        tenant: TenantId,
        number: NumberId,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let sql = format!(
            "select {} from messages where number_id = $1 and tenant_id = $2
             order by created_at_ms desc, id desc limit $3",
            messages::COLUMNS
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(number.to_string())
            .bind(tenant.to_string())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(messages::message).collect()
    }
}

fn past_event(row: &AnyRow) -> Result<PastEvent, StoreError> {
    Ok(PastEvent {
        kind: row::parsed(row, "events.kind")?,
        body: row.try_get("body")?,
        at: row::time(row, "events.created_at_ms")?,
    })
}
