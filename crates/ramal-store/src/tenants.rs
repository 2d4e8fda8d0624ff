//! Customer accounts.

use ramal_domain::{TenantId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

/// A customer account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, for people.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Customer accounts.
#[derive(Debug)]
pub struct Tenants<'a>(pub(crate) &'a mut Tx);

impl Tenants<'_> {
    /// Creates an account.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create(&mut self, tenant: &Tenant) -> Result<(), StoreError> {
        sqlx::query("insert into tenants (id, name, created_at_ms) values ($1, $2, $3)")
            .bind(tenant.id.to_string())
            .bind(&tenant.name)
            .bind(tenant.created_at.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Every account, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self) -> Result<Vec<Tenant>, StoreError> {
        let rows = sqlx::query("select id, name, created_at_ms from tenants order by id")
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(tenant).collect()
    }

    /// One account.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find(&mut self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let row = sqlx::query("select id, name, created_at_ms from tenants where id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(tenant).transpose()
    }
}

fn tenant(row: &AnyRow) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: row::parsed(row, "tenants.id")?,
        name: row.try_get("name")?,
        created_at: row::time(row, "tenants.created_at_ms")?,
    })
}
