//! API keys: looked up by hash, revealed from a sealed copy, never stored in the clear.

use ramal_domain::{ApiToken, KeyHash, KeyId, KeyScope, NumberId, TenantId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

/// How exact `last_used_at` is: one write per key and this long, not one per request.
const LAST_USED_RESOLUTION: std::time::Duration = std::time::Duration::from_mins(1);

const COLUMNS: &str = "id, tenant_id, number_id, name, prefix, last4, last_used_at_ms, \
                       created_at_ms";

/// An API key that authenticates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// Its owner.
    pub tenant: TenantId,
    /// What it may act on.
    pub scope: KeyScope,
    /// Its name, for people.
    pub name: String,
    /// First characters of the raw key.
    pub prefix: String,
    /// Last characters of the raw key.
    pub last4: String,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key to be stored.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// Its id.
    pub id: KeyId,
    /// Its owner.
    pub tenant: TenantId,
    /// What it may act on. Number keys are also kept sealed, so that the tenant can reveal them.
    pub scope: KeyScope,
    /// Its name, for people.
    pub name: &'a str,
    /// The raw key.
    pub token: &'a ApiToken,
}

/// API keys.
#[derive(Debug)]
pub struct Keys<'a>(pub(crate) &'a mut Tx);

impl Keys<'_> {
    /// Stores a key.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create(&mut self, key: &NewKey<'_>, now: Timestamp) -> Result<(), StoreError> {
        let id = key.id.to_string();
        let (number, sealed) = match key.scope {
            KeyScope::Tenant => (None, None),
            KeyScope::Number(number) => {
                let raw = key.token.expose().as_bytes();
                (Some(number.to_string()), Some(self.0.vault.seal(&["api_keys", &id], raw)?))
            }
        };
        sqlx::query(
            "insert into api_keys
               (id, tenant_id, number_id, name, hash, sealed, prefix, last4, created_at_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&id)
        .bind(key.tenant.to_string())
        .bind(number)
        .bind(key.name)
        .bind(key.token.hash().to_string())
        .bind(sealed)
        .bind(key.token.prefix())
        .bind(key.token.last4())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The key that authenticates with this hash.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_by_hash(&mut self, hash: KeyHash) -> Result<Option<Key>, StoreError> {
        // A key of a removed number is dead even where its revocation was overtaken.
        let sql = format!(
            "select {COLUMNS} from api_keys where hash = $1 and revoked_at_ms is null
             and (number_id is null or exists
                  (select 1 from numbers n where n.id = number_id and n.stage = 'live'))"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(hash.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(key).transpose()
    }

    /// A key of `tenant`, as it is now; nobody changes it before this unit of work ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_for_update(
        &mut self,
        tenant: TenantId,
        id: KeyId,
    ) -> Result<Option<Key>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from api_keys
             where tenant_id = $1 and id = $2 and revoked_at_ms is null{}",
            self.0.for_update()
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(key).transpose()
    }

    /// A key, whoever owns it, by its id: for authentication only.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_by_id(&mut self, id: KeyId) -> Result<Option<Key>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from api_keys where id = $1 and revoked_at_ms is null
             and (number_id is null or exists
                  (select 1 from numbers n where n.id = number_id and n.stage = 'live'))"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(key).transpose()
    }

    /// Every key of `tenant` that authenticates, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self, tenant: TenantId) -> Result<Vec<Key>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from api_keys
             where tenant_id = $1 and revoked_at_ms is null order by created_at_ms, id"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(key).collect()
    }

    /// The raw key, from its sealed copy; `None` for tenant keys, which are kept as a hash only.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sealed`] when the master key has changed.
    pub async fn reveal(
        &mut self,
        tenant: TenantId,
        id: KeyId,
    ) -> Result<Option<ApiToken>, StoreError> {
        let sealed: Option<Option<Vec<u8>>> = sqlx::query_scalar(
            "select sealed from api_keys
             where tenant_id = $1 and id = $2 and revoked_at_ms is null",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_optional(&mut *self.0.inner)
        .await?;
        let Some(sealed) = sealed.flatten() else { return Ok(None) };
        let raw = self.0.vault.open(&["api_keys", &id.to_string()], &sealed)?;
        let inconsistent = StoreError::Inconsistent { column: "api_keys.sealed" };
        String::from_utf8(raw).ok().and_then(|raw| raw.parse().ok()).ok_or(inconsistent).map(Some)
    }

    /// Points a number key at another number of the same tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn repoint(
        &mut self,
        tenant: TenantId,
        id: KeyId,
        number: NumberId,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update api_keys set number_id = $3
             where tenant_id = $1 and id = $2 and number_id is not null",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(number.to_string())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Ends a key; returns whether it was still alive.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn revoke(
        &mut self,
        tenant: TenantId,
        id: KeyId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update api_keys set revoked_at_ms = $3, sealed = null
             where tenant_id = $1 and id = $2 and revoked_at_ms is null",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends every key of a number.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn revoke_of_number(
        &mut self,
        number: NumberId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update api_keys set revoked_at_ms = $2, sealed = null
             where number_id = $1 and revoked_at_ms is null",
        )
        .bind(number.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Forgets keys that were revoked before `before`. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge_revoked(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from api_keys where revoked_at_ms < $1")
            .bind(before.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }

    /// Notes that a key was used; writes at most once a minute.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn touch(&mut self, id: KeyId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "update api_keys set last_used_at_ms = $2
             where id = $1 and (last_used_at_ms is null or last_used_at_ms < $3)",
        )
        .bind(id.to_string())
        .bind(now.as_millis())
        .bind(now.before(LAST_USED_RESOLUTION).as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }
}

impl Key {
    /// Whether the note of its last use is due for a refresh at `now`.
    pub fn wants_touch(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|last| now.since(last) >= LAST_USED_RESOLUTION)
    }
}

fn key(row: &AnyRow) -> Result<Key, StoreError> {
    let number = row::parsed_opt(row, "api_keys.number_id")?;
    Ok(Key {
        id: row::parsed(row, "api_keys.id")?,
        tenant: row::parsed(row, "api_keys.tenant_id")?,
        scope: number.map_or(KeyScope::Tenant, KeyScope::Number),
        name: row.try_get("name")?,
        prefix: row.try_get("prefix")?,
        last4: row.try_get("last4")?,
        last_used_at: row::time_opt(row, "api_keys.last_used_at_ms")?,
        created_at: row::time(row, "api_keys.created_at_ms")?,
    })
}
