//! Tenants and their own keys: what the operator's command line does.

use ramal_domain::{ApiToken, KeyScope, TenantId, Timestamp};
use ramal_store::{Key, Store, StoreError, Tenant, Tx};

use crate::{
    App,
    keys::{mint, revoke_tenant_keys},
};

/// Name of the tenant that the first start creates.
const DEFAULT_TENANT: &str = "default";

impl App {
    /// Creates the default tenant when there is none yet; returns its raw key, which is shown once
    /// and kept as a hash only.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn ensure_tenant(&self) -> Result<Option<ApiToken>, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !tx.tenants().list().await?.is_empty() {
            return Ok(None);
        }
        let (_, token) = create(&mut tx, DEFAULT_TENANT, now).await?;
        tx.commit().await?;
        Ok(Some(token))
    }

    /// Creates a tenant, for `ramal keys create-tenant`; returns its raw key, which is shown once.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create_tenant(
        store: &Store,
        name: &str,
        now: Timestamp,
    ) -> Result<(TenantId, ApiToken), StoreError> {
        let mut tx = store.begin().await?;
        let created = create(&mut tx, name, now).await?;
        tx.commit().await?;
        Ok(created)
    }

    /// Every tenant with its keys, for `ramal keys list`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn all_keys(store: &Store) -> Result<Vec<(Tenant, Vec<Key>)>, StoreError> {
        let mut tx = store.read().await?;
        let mut all = Vec::new();
        for tenant in tx.tenants().list().await? {
            let keys = tx.keys().list(tenant.id).await?;
            all.push((tenant, keys));
        }
        Ok(all)
    }

    /// Replaces a tenant's own key, for `ramal keys rotate`; the old one dies at once. `None` when
    /// there is no such tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn rotate_tenant_key(
        store: &Store,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Option<ApiToken>, StoreError> {
        let mut tx = store.begin().await?;
        if tx.tenants().find(tenant).await?.is_none() {
            return Ok(None);
        }
        revoke_tenant_keys(&mut tx, tenant, now).await?;
        let key = mint(&mut tx, tenant, KeyScope::Tenant, now).await?;
        tx.commit().await?;
        Ok(Some(key.token))
    }
}

/// A tenant and its own key.
async fn create(
    tx: &mut Tx,
    name: &str,
    now: Timestamp,
) -> Result<(TenantId, ApiToken), StoreError> {
    let tenant = Tenant { id: TenantId::mint(), name: name.to_owned(), created_at: now };
    tx.tenants().create(&tenant).await?;
    let key = mint(tx, tenant.id, KeyScope::Tenant, now).await?;
    Ok((tenant.id, key.token))
}
