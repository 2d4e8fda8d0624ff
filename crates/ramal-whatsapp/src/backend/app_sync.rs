//! [`AppSyncStore`]: keys, versions and MACs of app-state collections.

use std::collections::HashMap;

use async_trait::async_trait;
use ramal_store::StateWrite;
use wacore::{
    appstate::{hash::HashState, processor::AppStateMutationMAC},
    store::traits::{AppStateSyncKey, AppSyncStore},
};

use super::{
    Result, SessionBackend, key,
    spaces::{LATEST_SYNC_KEY, MUTATION_MAC, SYNC_KEY, THE_LATEST, VERSION},
    to_json,
};

/// From this many keys on, one scan of the collection is cheaper than that many look-ups.
const SCAN_FROM: usize = 16;

#[async_trait]
impl AppSyncStore for SessionBackend {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        self.get_json(SYNC_KEY, &key::hex(key_id)).await
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        self.apply(&[
            StateWrite::put(SYNC_KEY, key::hex(key_id), to_json(&key)?),
            StateWrite::put(LATEST_SYNC_KEY, THE_LATEST, key_id),
        ])
        .await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        Ok(self.get_json(VERSION, &key::join(&[name])).await?.unwrap_or_default())
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        self.put(VERSION, key::join(&[name]), to_json(&state)?).await
    }

    async fn put_mutation_macs(
        &self,
        name: &str,
        _version: u64,
        mutations: &[AppStateMutationMAC],
    ) -> Result<()> {
        let writes: Vec<_> = mutations
            .iter()
            .map(|mac| {
                StateWrite::put(MUTATION_MAC, mac_key(name, &mac.index_mac), mac.value_mac.clone())
            })
            .collect();
        self.apply(&writes).await
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get(MUTATION_MAC, &mac_key(name, index_mac)).await
    }

    async fn get_mutation_macs(
        &self,
        name: &str,
        index_macs: &[[u8; 32]],
    ) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let mut found = HashMap::with_capacity(index_macs.len());
        if index_macs.len() < SCAN_FROM {
            for index_mac in index_macs {
                if let Some(mac) = self.get_mutation_mac(name, index_mac).await? {
                    found.insert(*index_mac, mac);
                }
            }
            return Ok(found);
        }
        let mut stored: HashMap<_, _> =
            self.scan(MUTATION_MAC, &key::prefix(name)).await?.into_iter().collect();
        for index_mac in index_macs {
            if let Some(mac) = stored.remove(&mac_key(name, index_mac)) {
                found.insert(*index_mac, mac);
            }
        }
        Ok(found)
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        let writes: Vec<_> = index_macs
            .iter()
            .map(|index_mac| StateWrite::delete(MUTATION_MAC, mac_key(name, index_mac)))
            .collect();
        self.apply(&writes).await
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        self.apply(&[StateWrite::ClearPrefix { space: MUTATION_MAC, prefix: key::prefix(name) }])
            .await
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        self.get(LATEST_SYNC_KEY, THE_LATEST).await
    }
}

fn mac_key(name: &str, index_mac: &[u8]) -> String {
    key::join(&[name, &key::hex(index_mac)])
}
