//! [`SignalStore`]: identities, sessions, prekeys and sender keys.
//!
//! Whether a prekey was uploaded is not recorded: the library never asks for it (the watermark is
//! in the device record), and 812 needless writes per pairing are.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use ramal_store::StateWrite;
use wacore::store::{error::StoreError, traits::SignalStore};

use super::{
    Result, SessionBackend, key,
    spaces::{IDENTITY, PREKEY, SENDER_KEY, SESSION, SIGNED_PREKEY},
};

/// From this many keys on, one scan of the space is cheaper than that many look-ups.
const SCAN_FROM: usize = 16;

#[async_trait]
impl SignalStore for SessionBackend {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.put(IDENTITY, key::join(&[address]), key).await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        self.apply(&puts(IDENTITY, identities)).await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let Some(bytes) = self.get(IDENTITY, &key::join(&[address])).await? else {
            return Ok(None);
        };
        let identity = bytes.try_into().map_err(|bytes: Vec<u8>| {
            StoreError::Validation(format!("an identity key has {} bytes", bytes.len()))
        })?;
        Ok(Some(identity))
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.delete(IDENTITY, key::join(&[address])).await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        Ok(self.get(SESSION, &key::join(&[address])).await?.map(Bytes::from))
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.put(SESSION, key::join(&[address]), session).await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.apply(&puts(SESSION, sessions)).await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.delete(SESSION, key::join(&[address])).await
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        let user = key::join(&[user]);
        for space in [SESSION, IDENTITY] {
            let keys = self.keys(space, &user).await?;
            let ours = |key: &String| {
                key.strip_prefix(&user).is_some_and(|rest| rest.starts_with(['@', ':']))
            };
            if keys.iter().any(ours) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], _uploaded: bool) -> Result<()> {
        self.put(PREKEY, key::number(id), record).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], _uploaded: bool) -> Result<()> {
        let writes: Vec<_> = keys
            .iter()
            .map(|(id, record)| StateWrite::put(PREKEY, key::number(*id), record.as_ref()))
            .collect();
        self.apply(&writes).await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        Ok(self.get(PREKEY, &key::number(id)).await?.map(Bytes::from))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        if ids.len() < SCAN_FROM {
            let mut found = Vec::with_capacity(ids.len());
            for &id in ids {
                found.extend(self.load_prekey(id).await?.map(|record| (id, record)));
            }
            return Ok(found);
        }
        let wanted: HashSet<u32> = ids.iter().copied().collect();
        let pairs = self.scan(PREKEY, "").await?;
        Ok(numbered(pairs)
            .filter(|(id, _)| wanted.contains(id))
            .map(|(id, record)| (id, record.into()))
            .collect())
    }

    async fn mark_prekeys_uploaded(&self, _ids: &[u32]) -> Result<()> {
        // Nothing is recorded, so a key that was consumed meanwhile cannot come back to life.
        Ok(())
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.delete(PREKEY, key::number(id)).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        // Keys are ordered and zero-padded.
        let keys = self.keys(PREKEY, "").await?;
        Ok(keys.last().and_then(|key| key.parse().ok()).unwrap_or(0))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.put(SIGNED_PREKEY, key::number(id), record).await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        self.get(SIGNED_PREKEY, &key::number(id)).await
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        Ok(numbered(self.scan(SIGNED_PREKEY, "").await?).collect())
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.delete(SIGNED_PREKEY, key::number(id)).await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.put(SENDER_KEY, key::join(&[address]), record).await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.apply(&puts(SENDER_KEY, sender_keys)).await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        self.get(SENDER_KEY, &key::join(&[address])).await
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.delete(SENDER_KEY, key::join(&[address])).await
    }
}

fn puts(space: &'static str, records: &[(Arc<str>, impl AsRef<[u8]>)]) -> Vec<StateWrite> {
    records
        .iter()
        .map(|(address, record)| StateWrite::put(space, key::join(&[address]), record.as_ref()))
        .collect()
}

/// Reads keys back as numbers.
fn numbered(pairs: Vec<(String, Vec<u8>)>) -> impl Iterator<Item = (u32, Vec<u8>)> {
    pairs.into_iter().filter_map(|(key, record)| Some((key.parse().ok()?, record)))
}
