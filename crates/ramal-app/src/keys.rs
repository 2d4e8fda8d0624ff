//! API keys as customers see them (contract B.5, C.16 to C.18).

use std::collections::HashMap;

use ramal_domain::{ApiToken, KeyId, KeyScope, NumberId, TenantId, Timestamp};
use ramal_store::{Key, NewKey, Number, StoreError, Tx};

use crate::{App, AppError, Caller, Refusal, audit, auth::parse_number_id};

/// Name of the one key that every number has.
const DEFAULT_NAME: &str = "Default";
/// Name of the one key that a tenant has.
const TENANT_NAME: &str = "Tenant";

/// A number's key, revealed to its tenant.
#[derive(Clone, Debug)]
pub struct KeyOfNumber {
    /// The number.
    pub number: Number,
    /// Its key.
    pub key: Key,
    /// The raw key.
    pub token: Option<ApiToken>,
}

/// A key with the number that it acts on, without the raw key.
#[derive(Clone, Debug)]
pub struct MaskedKey {
    /// The key.
    pub key: Key,
    /// Its number.
    pub number: Number,
}

/// A raw key that was just made: shown once.
#[derive(Clone, Debug)]
pub struct NewRawKey {
    /// Its id.
    pub id: KeyId,
    /// What it may act on.
    pub scope: KeyScope,
    /// Its name.
    pub name: &'static str,
    /// The raw key.
    pub token: ApiToken,
    /// When.
    pub created_at: Timestamp,
}

impl App {
    /// Every number's key, revealed: for the tenant's key only.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`].
    pub async fn reveal_keys(&self, caller: &Caller) -> Result<Vec<KeyOfNumber>, AppError> {
        let tenant = caller.require_tenant()?;
        let mut tx = self.store.read().await?;
        let mut revealed = Vec::new();
        for MaskedKey { key, number } in with_their_keys(&mut tx, tenant).await? {
            let token = reveal(&mut tx, tenant, key.id).await?;
            revealed.push(KeyOfNumber { number, key, token });
        }
        Ok(revealed)
    }

    /// Every number's key, masked.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`].
    pub async fn masked_keys(&self, caller: &Caller) -> Result<Vec<MaskedKey>, AppError> {
        let tenant = caller.require_tenant()?;
        let mut tx = self.store.read().await?;
        Ok(with_their_keys(&mut tx, tenant).await?)
    }

    /// One number's key, revealed to a person; the audit log says so. For the tenant only.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`] and [`Refusal::NumberNotFound`], also when it has no key.
    pub async fn reveal_key_of(
        &self,
        caller: &Caller,
        number_id: &str,
    ) -> Result<KeyOfNumber, AppError> {
        let tenant = caller.require_tenant()?;
        let number = self.find_number(caller, parse_number_id(number_id)?).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let key = keys_by_number(&mut tx, tenant).await?.remove(&number.id);
        let key = key.and_then(|mut keys| keys.pop()).ok_or(Refusal::NumberNotFound)?;
        let token = reveal(&mut tx, tenant, key.id).await?;
        audit::record(&mut tx, caller, "key.reveal", &number.id.to_string(), &number.name, now)
            .await?;
        tx.commit().await?;
        Ok(KeyOfNumber { number, key, token })
    }

    /// What a number's key sees of itself.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`] when the number is gone.
    pub async fn own_key(&self, caller: &Caller, id: NumberId) -> Result<MaskedKey, AppError> {
        let number = self.find_number(caller, id).await?;
        let key = caller.key().ok_or(Refusal::Unauthenticated)?;
        Ok(MaskedKey { key: key.clone(), number })
    }

    /// Replaces a number's key; the old one dies at once. For the tenant's key only.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`] and [`Refusal::NumberNotFound`].
    pub async fn regenerate_key_of(
        &self,
        caller: &Caller,
        number_id: &str,
    ) -> Result<NewRawKey, AppError> {
        let tenant = caller.require_tenant()?;
        let number = self.find_number(caller, parse_number_id(number_id)?).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        // Again, inside: a number that was removed meanwhile gets no living key.
        tx.numbers().find_to_change(tenant, number.id).await?.ok_or(Refusal::NumberNotFound)?;
        tx.keys().revoke_of_number(number.id, now).await?;
        let new = mint(&mut tx, tenant, KeyScope::Number(number.id), now).await?;
        audit::record(&mut tx, caller, "key.regenerate", &number.id.to_string(), &number.name, now)
            .await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Replaces the calling key; it dies at once. For a person: the tenant's own key.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unauthenticated`] when the key died a moment ago.
    pub async fn regenerate_own_key(&self, caller: &Caller) -> Result<NewRawKey, AppError> {
        let (tenant, now) = (caller.tenant(), self.clock.now());
        let mut tx = self.store.begin().await?;
        match caller.key() {
            // Of two at once the second finds its key dead: never two living keys in place of one.
            Some(key) => {
                if !tx.keys().revoke(tenant, key.id, now).await? {
                    return Err(Refusal::Unauthenticated.into());
                }
            }
            None => revoke_tenant_keys(&mut tx, tenant, now).await?,
        }
        let new = mint(&mut tx, tenant, caller.scope(), now).await?;
        audit::record(&mut tx, caller, "key.regenerate", &new.id.to_string(), new.name, now)
            .await?;
        tx.commit().await?;
        Ok(new)
    }

    /// The tenant's own key, masked; `None` when it has none.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`].
    pub async fn tenant_key(&self, caller: &Caller) -> Result<Option<Key>, AppError> {
        let tenant = caller.require_tenant()?;
        let keys = self.store.read().await?.keys().list(tenant).await?;
        Ok(keys.into_iter().rfind(|key| key.scope == KeyScope::Tenant))
    }
}

/// The live keys of a tenant's numbers, newest last.
pub(crate) async fn keys_by_number(
    tx: &mut Tx,
    tenant: TenantId,
) -> Result<HashMap<NumberId, Vec<Key>>, StoreError> {
    let mut by_number: HashMap<NumberId, Vec<Key>> = HashMap::new();
    for key in tx.keys().list(tenant).await? {
        if let KeyScope::Number(number) = key.scope {
            by_number.entry(number).or_default().push(key);
        }
    }
    Ok(by_number)
}

/// The tenant's numbers that have a key, each with its newest one.
async fn with_their_keys(tx: &mut Tx, tenant: TenantId) -> Result<Vec<MaskedKey>, StoreError> {
    let mut keys = keys_by_number(tx, tenant).await?;
    let numbers = tx.numbers().list(tenant).await?;
    let masked = numbers.into_iter().filter_map(|number| {
        let key = keys.remove(&number.id)?.pop()?;
        Some(MaskedKey { key, number })
    });
    Ok(masked.collect())
}

/// A raw key; `None` when it was sealed with another master key: one such key must not hide others.
async fn reveal(tx: &mut Tx, tenant: TenantId, id: KeyId) -> Result<Option<ApiToken>, StoreError> {
    match tx.keys().reveal(tenant, id).await {
        Err(StoreError::Sealed(_)) => Ok(None),
        revealed => revealed,
    }
}

/// Ends the keys that a tenant itself has.
pub(crate) async fn revoke_tenant_keys(
    tx: &mut Tx,
    tenant: TenantId,
    now: Timestamp,
) -> Result<(), StoreError> {
    for key in tx.keys().list(tenant).await? {
        if key.scope == KeyScope::Tenant {
            tx.keys().revoke(tenant, key.id, now).await?;
        }
    }
    Ok(())
}

/// Makes and stores a key.
pub(crate) async fn mint(
    tx: &mut Tx,
    tenant: TenantId,
    scope: KeyScope,
    now: Timestamp,
) -> Result<NewRawKey, StoreError> {
    let token = ApiToken::mint();
    let id = KeyId::mint();
    let name = match scope {
        KeyScope::Tenant => TENANT_NAME,
        KeyScope::Number(_) => DEFAULT_NAME,
    };
    tx.keys().create(&NewKey { id, tenant, scope, name, token: &token }, now).await?;
    Ok(NewRawKey { id, scope, name, token, created_at: now })
}

/// Gives a new number its key: the calling number key moves to it and its old number gets a fresh
/// one (contract B.5, H8); otherwise the new number gets a fresh one. Returns the key that moved.
pub(crate) async fn link_new_number(
    tx: &mut Tx,
    caller: &Caller,
    number: NumberId,
    link_to_api_key: bool,
    now: Timestamp,
) -> Result<Option<KeyId>, AppError> {
    let tenant = caller.tenant();
    let calling = match caller.key() {
        // As it is now: it may have been revoked or moved while WhatsApp was asked for a QR code.
        Some(key) => {
            let key = tx.keys().find_for_update(tenant, key.id).await?;
            Some(key.ok_or(Refusal::Unauthenticated)?)
        }
        None => None,
    };
    match calling.map(|key| (key.id, key.scope)) {
        Some((id, KeyScope::Number(old))) if link_to_api_key => {
            tx.keys().repoint(tenant, id, number).await?;
            if tx.numbers().find_to_change(tenant, old).await?.is_some() {
                mint(tx, tenant, KeyScope::Number(old), now).await?;
            }
            Ok(Some(id))
        }
        _ => {
            mint(tx, tenant, KeyScope::Number(number), now).await?;
            Ok(None)
        }
    }
}
