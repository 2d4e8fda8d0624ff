//! Webhook endpoints.

use ramal_domain::{NumberId, TenantId, Timestamp, WebhookId, WebhookSecret};
use sqlx::{Row as _, any::AnyRow};

use crate::{Dialect, DisabledReason, StoreError, Tx, row};

const COLUMNS: &str = "id, tenant_id, number_id, name, url, events, active, disabled_reason, \
                       last_triggered_at_ms, created_at_ms, updated_at_ms";

/// Deleted webhooks wait for the sweep, and those of a removed number for their last deliveries:
/// nobody sees them.
const SEEN: &str = "deleted_at_ms is null and exists
    (select 1 from numbers n where n.id = webhooks.number_id and n.stage = 'live')";

/// A webhook endpoint, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Its owner.
    pub tenant: TenantId,
    /// The number whose events it gets.
    pub number: NumberId,
    /// Its name, for people.
    pub name: String,
    /// Where events are posted.
    pub url: String,
    /// The event names that it subscribes to; `*` means all.
    pub events: Vec<String>,
    /// Whether events are delivered to it.
    pub active: bool,
    /// Why it is not, when we have disabled it.
    pub disabled: Option<DisabledReason>,
    /// When something was last posted to it.
    pub last_triggered_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A webhook to be stored.
#[derive(Debug)]
pub struct NewWebhook<'a> {
    /// Its id.
    pub id: WebhookId,
    /// Its owner.
    pub tenant: TenantId,
    /// The number whose events it gets.
    pub number: NumberId,
    /// Its name, for people.
    pub name: &'a str,
    /// Where events are posted; checked by the caller.
    pub url: &'a str,
    /// The event names that it subscribes to. Letters, dots, underscores and `*` only.
    pub events: &'a [String],
    /// Whether events are delivered to it.
    pub active: bool,
    /// What signs its deliveries.
    pub secret: &'a WebhookSecret,
}

/// A change of a webhook; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// A new name.
    pub name: Option<String>,
    /// A new address.
    pub url: Option<String>,
    /// A new list of events, in place of the old.
    pub events: Option<Vec<String>>,
    /// Pause or resume.
    pub active: Option<bool>,
}

/// Webhook endpoints.
#[derive(Debug)]
pub struct Webhooks<'a>(pub(crate) &'a mut Tx);

impl Webhooks<'_> {
    /// Stores a webhook.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create(
        &mut self,
        webhook: &NewWebhook<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = webhook.id.to_string();
        let secret = self.0.vault.seal(&["webhooks", &id], webhook.secret.plain_key())?;
        sqlx::query(
            "insert into webhooks (id, tenant_id, number_id, name, url, events, active, secret,
               created_at_ms, updated_at_ms, inactive_since_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)",
        )
        .bind(&id)
        .bind(webhook.tenant.to_string())
        .bind(webhook.number.to_string())
        .bind(webhook.name)
        .bind(webhook.url)
        .bind(json_array(webhook.events))
        .bind(i64::from(webhook.active))
        .bind(secret)
        .bind(now.as_millis())
        .bind((!webhook.active).then_some(now.as_millis()))
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// A webhook of `tenant`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find(
        &mut self,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        self.select(tenant, id, "").await
    }

    /// As [`Self::find`], held against deletion until the unit of work ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_to_use(
        &mut self,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let lock = match self.0.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for no key update",
        };
        self.select(tenant, id, lock).await
    }

    async fn select(
        &mut self,
        tenant: TenantId,
        id: WebhookId,
        lock: &str,
    ) -> Result<Option<Webhook>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from webhooks where tenant_id = $1 and id = $2 and {SEEN}{lock}"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(webhook).transpose()
    }

    /// The webhooks of `tenant`, or of one of its numbers, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(
        &mut self,
        tenant: TenantId,
        number: Option<NumberId>,
    ) -> Result<Vec<Webhook>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from webhooks
             where tenant_id = $1 and ($2 = '' or number_id = $2) and {SEEN}
             order by created_at_ms, id"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(number.map(|number| number.to_string()).unwrap_or_default())
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(webhook).collect()
    }

    /// Changes a webhook of `tenant`; returns whether there is one. Activating it, or another
    /// address, is a new start for its health.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn change(
        &mut self,
        tenant: TenantId,
        id: WebhookId,
        change: &WebhookChange,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let anew = "($6 = 1 and active = 0) or ($4 is not null and $4 <> url)";
        let done = sqlx::query(sqlx::AssertSqlSafe(format!(
            "update webhooks set name = coalesce($3, name), url = coalesce($4, url),
               events = coalesce($5, events), active = coalesce($6, active), updated_at_ms = $7,
               failing_since_ms = case when {anew} then null else failing_since_ms end,
               judged_since_ms = case when {anew} then $7 else judged_since_ms end,
               proven = case when {anew} then 0 else proven end,
               disabled_reason = case when $6 is not null then null else disabled_reason end,
               inactive_since_ms = case when $6 = 1 then null when $6 = 0 and active = 1 then $7
                                        else inactive_since_ms end
             where tenant_id = $1 and id = $2 and {SEEN}",
        )))
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(change.name.clone())
        .bind(change.url.clone())
        .bind(change.events.as_deref().map(json_array))
        .bind(change.active.map(i64::from))
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives a webhook of `tenant` another secret. The one before it stays valid until `old_until`;
    /// the one before that does not. Returns whether there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn rotate_secret(
        &mut self,
        tenant: TenantId,
        id: WebhookId,
        secret: &WebhookSecret,
        old_until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sealed = self.0.vault.seal(&["webhooks", &id.to_string()], secret.plain_key())?;
        let done = sqlx::query(sqlx::AssertSqlSafe(format!(
            "update webhooks set old_secret = secret, old_secret_until_ms = $4, secret = $3,
               updated_at_ms = $5
             where tenant_id = $1 and id = $2 and {SEEN}",
        )))
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(sealed)
        .bind(old_until.as_millis())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets old secrets that are no longer valid at `now`. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget_old_secrets(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "update webhooks set old_secret = null, old_secret_until_ms = null
             where old_secret_until_ms <= $1",
        )
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected())
    }

    /// Starts a replay of a webhook, unless another one is running. It ends with
    /// [`Self::end_replay`], or has died at `until`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn begin_replay(
        &mut self,
        id: WebhookId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update webhooks set replaying_until_ms = $2
             where id = $1 and replaying_until_ms <= $3",
        )
        .bind(id.to_string())
        .bind(until.as_millis())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends the replay that lasts until `until`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn end_replay(&mut self, id: WebhookId, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "update webhooks set replaying_until_ms = 0
             where id = $1 and replaying_until_ms = $2",
        )
        .bind(id.to_string())
        .bind(until.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Deletes a webhook of `tenant`; returns whether there was one. Its deliveries and their log
    /// may be many, so they wait for [`crate::Deliveries::sweep_deleted`].
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn delete(
        &mut self,
        tenant: TenantId,
        id: WebhookId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // Not those of a removed number: what is on its way to them must arrive.
        let sql = format!(
            "update webhooks set active = 0, deleted_at_ms = $3, inactive_since_ms = $3
             where tenant_id = $1 and id = $2 and {SEEN}"
        );
        let done = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(id.to_string())
            .bind(now.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn json_array(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", quoted.join(","))
}

/// The names in a [`json_array`].
pub(crate) fn names(array: &str) -> impl Iterator<Item = &str> {
    array.split(['[', ']', ',', '"']).filter(|name| !name.is_empty())
}

fn webhook(row: &AnyRow) -> Result<Webhook, StoreError> {
    let events: String = row.try_get("events")?;
    Ok(Webhook {
        id: row::parsed(row, "webhooks.id")?,
        tenant: row::parsed(row, "webhooks.tenant_id")?,
        number: row::parsed(row, "webhooks.number_id")?,
        name: row.try_get("name")?,
        url: row.try_get("url")?,
        events: names(&events).map(str::to_owned).collect(),
        active: row::flag(row, "webhooks.active")?,
        disabled: row::parsed_opt(row, "webhooks.disabled_reason")?,
        last_triggered_at: row::time_opt(row, "webhooks.last_triggered_at_ms")?,
        created_at: row::time(row, "webhooks.created_at_ms")?,
        updated_at: row::time(row, "webhooks.updated_at_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_round_trips() {
        for list in [vec![], vec!["*".to_owned()], vec!["a.b".to_owned(), "c_d".to_owned()]] {
            let array = json_array(&list);
            assert_eq!(names(&array).map(str::to_owned).collect::<Vec<_>>(), list);
        }
    }
}
