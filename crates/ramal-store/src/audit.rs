//! Who did what: written in the transaction that did it.

use ramal_domain::{AuditId, TenantId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `user`, `key` or `system`.
    pub kind: String,
    /// Their id.
    pub id: String,
    /// What people know them by, as it was then.
    pub name: String,
}

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id; later lines have greater ones.
    pub id: AuditId,
    /// Whose.
    pub tenant: TenantId,
    /// Who.
    pub actor: Actor,
    /// What, such as `number.create`.
    pub action: String,
    /// The id of what it was done to; may be empty.
    pub target: String,
    /// What else is worth knowing, such as the name.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// Which lines to look at; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By whom: an actor's id.
    pub actor: Option<String>,
    /// About what kind of thing: what stands before the dot of an action, such as `number`.
    pub thing: Option<String>,
}

/// The audit log.
#[derive(Debug)]
pub struct Audit<'a>(pub(crate) &'a mut Tx);

impl Audit<'_> {
    /// Writes a line.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn record(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        sqlx::query(
            "insert into audit_log (id, tenant_id, actor_kind, actor_id, actor_name, action, target,
               detail, created_at_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(entry.id.to_string())
        .bind(entry.tenant.to_string())
        .bind(&entry.actor.kind)
        .bind(&entry.actor.id)
        .bind(&entry.actor.name)
        .bind(&entry.action)
        .bind(&entry.target)
        .bind(&entry.detail)
        .bind(entry.at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The newest lines of `tenant` that pass `filter`, from before the line `before`, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn page(
        &mut self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: i64,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "select id, tenant_id, actor_kind, actor_id, actor_name, action, target, detail,
               created_at_ms
             from audit_log
             where tenant_id = $1 and ($2 = '' or id < $2) and ($3 = '' or actor_id = $3)
               and ($4 = '' or substr(action, 1, length($4)) = $4)
             order by id desc limit $5",
        )
        .bind(tenant.to_string())
        .bind(before.map(|id| id.to_string()).unwrap_or_default())
        .bind(filter.actor.clone().unwrap_or_default())
        .bind(filter.thing.as_ref().map(|thing| format!("{thing}.")).unwrap_or_default())
        .bind(limit)
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter().map(entry).collect()
    }

    /// Forgets lines from before `before`. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from audit_log where created_at_ms < $1")
            .bind(before.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }
}

fn entry(row: &AnyRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row::parsed(row, "audit_log.id")?,
        tenant: row::parsed(row, "audit_log.tenant_id")?,
        actor: Actor {
            kind: row.try_get("actor_kind")?,
            id: row.try_get("actor_id")?,
            name: row.try_get("actor_name")?,
        },
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        detail: row.try_get("detail")?,
        at: row::time(row, "audit_log.created_at_ms")?,
    })
}
