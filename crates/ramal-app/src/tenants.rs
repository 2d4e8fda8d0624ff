//! Tenants and their own keys: what the operator's command line does.

use ramal_domain::{ApiToken, KeyId, KeyScope, TenantId, Timestamp};
use ramal_store::{Key, NewKey, Store, StoreError, Tenant, Tx};

use crate::{App, AppError, Caller, Refusal};

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

    /// The caller's tenant.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn tenant(&self, caller: &Caller) -> Result<Tenant, AppError> {
        let found = self.store.read().await?.tenants().find(caller.tenant()).await?;
        // A key without its tenant cannot be: the schema forbids it.
        Ok(found.ok_or(Refusal::Unauthenticated)?)
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
        for key in tx.keys().list(tenant).await? {
            if key.scope == KeyScope::Tenant {
                tx.keys().revoke(tenant, key.id, now).await?;
            }
        }
        let token = ApiToken::mint();
        let (id, scope) = (KeyId::mint(), KeyScope::Tenant);
        let key = NewKey { id, tenant, scope, name: "Tenant", token: &token };
        tx.keys().create(&key, now).await?;
        tx.commit().await?;
        Ok(Some(token))
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
    let token = ApiToken::mint();
    let (id, scope) = (KeyId::mint(), KeyScope::Tenant);
    let key = NewKey { id, tenant: tenant.id, scope, name: "Tenant", token: &token };
    tx.keys().create(&key, now).await?;
    Ok((tenant.id, token))
}
