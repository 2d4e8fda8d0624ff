//! [`ProtocolStore`]: what WhatsApp Web keeps beside Signal's state.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use ramal_domain::Timestamp;
use ramal_store::StateWrite;
use wacore::store::{
    error::StoreError,
    traits::{
        DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore,
        TcTokenEntry,
    },
};

use super::{
    Result, SessionBackend, from_json, key,
    spaces::{
        BASE_KEY, DEVICE_LIST, GROUP, LID, PENDING_INBOUND, PHONE_LID, SENDER_KEY_DEVICES, SENT,
        TC_TOKEN,
    },
    to_json,
};

/// How long a sent message is kept for retries when nothing sweeps earlier. The library's own sweep
/// asks for two hours (`CacheConfig::sent_message_ttl_secs`).
const SENT_LIFE: Duration = Duration::from_hours(24);
/// How long a decrypted message waits for its commit: the library's own sweep asks for as much
/// (`PENDING_INBOUND_TTL_SECS` in its keepalive.rs).
const PENDING_LIFE: Duration = Duration::from_hours(7 * 24);
/// How long a base key is of use: retries of one message are minutes apart.
const BASE_KEY_LIFE: Duration = Duration::from_hours(24);

type Holders = BTreeMap<String, bool>;

#[async_trait]
impl ProtocolStore for SessionBackend {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        let holders: Option<Holders> =
            self.get_json(SENDER_KEY_DEVICES, &key::join(&[group_jid])).await?;
        Ok(holders.unwrap_or_default().into_iter().collect())
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        self.merge(SENDER_KEY_DEVICES, &key::join(&[group_jid]), |holders: Option<Holders>| {
            let mut holders = holders.unwrap_or_default();
            holders.extend(entries.iter().map(|(device, has)| ((*device).to_owned(), *has)));
            Some(holders)
        })
        .await
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        self.delete(SENDER_KEY_DEVICES, key::join(&[group_jid])).await
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        if device_jids.is_empty() {
            return Ok(());
        }
        for group in self.keys(SENDER_KEY_DEVICES, "").await? {
            self.merge(SENDER_KEY_DEVICES, &group, |holders: Option<Holders>| {
                let mut holders = holders?;
                holders.retain(|device, _| !device_jids.contains(&device.as_str()));
                Some(holders)
            })
            .await?;
        }
        Ok(())
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        self.apply(&[StateWrite::Clear { space: SENDER_KEY_DEVICES }]).await
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        self.get_json(LID, &key::join(&[lid])).await
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let Some(lid) = self.get(PHONE_LID, &key::join(&[phone])).await? else { return Ok(None) };
        let entry = self.get_lid_mapping(&String::from_utf8_lossy(&lid)).await?;
        // A LID that moved to another phone number leaves its old pointer behind.
        Ok(entry.filter(|entry| entry.phone_number == phone))
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.put_lid_mappings(std::slice::from_ref(entry)).await
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let mut writes = Vec::with_capacity(entries.len() * 2);
        for entry in entries {
            let lid = entry.lid.as_str();
            writes.push(StateWrite::put(LID, key::join(&[lid]), to_json(entry)?));
            writes.push(StateWrite::put(PHONE_LID, key::join(&[&entry.phone_number]), lid));
        }
        self.apply(&writes).await
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        self.scan(LID, "").await?.iter().map(|(_, entry)| from_json(entry)).collect()
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        self.put_for(BASE_KEY_LIFE, BASE_KEY, key::join(&[address, message_id]), base_key).await
    }

    async fn has_same_base_key(
        &self,
        address: &str,
        message_id: &str,
        current_base_key: &[u8],
    ) -> Result<bool> {
        let stored = self.get(BASE_KEY, &key::join(&[address, message_id])).await?;
        Ok(stored.is_some_and(|stored| stored == current_base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.delete(BASE_KEY, key::join(&[address, message_id])).await
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.update_device_lists(vec![record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let writes: Result<Vec<_>> = records
            .iter()
            .map(|record| {
                Ok(StateWrite::put(DEVICE_LIST, key::join(&[&record.user]), to_json(record)?))
            })
            .collect();
        self.apply(&writes?).await
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        self.get_json(DEVICE_LIST, &key::join(&[user])).await
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        self.delete(DEVICE_LIST, key::join(&[user])).await
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        self.get(GROUP, &key::join(&[group_jid])).await
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        self.put(GROUP, key::join(&[group_jid]), blob).await
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        self.delete(GROUP, key::join(&[group_jid])).await
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        self.get_json(TC_TOKEN, &key::join(&[jid])).await
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        self.put(TC_TOKEN, key::join(&[jid]), to_json(entry)?).await
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        self.delete(TC_TOKEN, key::join(&[jid])).await
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        self.keys(TC_TOKEN, "").await
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let keys = self.keys(TC_TOKEN, "").await?;
        let mut gone = 0;
        self.change(TC_TOKEN, &keys, |tokens| {
            let stale = |token: &Option<Vec<u8>>| {
                let token = token.as_deref().and_then(|bytes| from_json(bytes).ok());
                token.is_some_and(|token| is_stale(&token, token_cutoff, sender_cutoff))
            };
            let stale = keys.iter().zip(&tokens).filter(|(_, token)| stale(token));
            let deletes: Vec<_> =
                stale.map(|(key, _)| StateWrite::delete(TC_TOKEN, key.clone())).collect();
            gone = deletes.len();
            deletes
        })
        .await?;
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }

    async fn touch_tc_token_sender_timestamp(
        &self,
        jid: &str,
        sender_timestamp: i64,
    ) -> Result<()> {
        self.merge(TC_TOKEN, &key::join(&[jid]), |token: Option<TcTokenEntry>| {
            let mut token = token.unwrap_or_else(|| TcTokenEntry {
                token: Vec::new(),
                token_timestamp: sender_timestamp,
                sender_timestamp: None,
            });
            token.sender_timestamp = token.sender_timestamp.max(Some(sender_timestamp));
            Some(token)
        })
        .await
    }

    async fn store_received_tc_token(
        &self,
        jid: &str,
        token: &[u8],
        token_timestamp: i64,
    ) -> Result<()> {
        self.merge(TC_TOKEN, &key::join(&[jid]), |stored: Option<TcTokenEntry>| {
            let fresh = |stored: &TcTokenEntry| {
                !stored.token.is_empty() && token_timestamp < stored.token_timestamp
            };
            if stored.as_ref().is_some_and(fresh) {
                return stored;
            }
            let sender_timestamp = stored.and_then(|stored| stored.sender_timestamp);
            Some(TcTokenEntry { token: token.to_vec(), token_timestamp, sender_timestamp })
        })
        .await
    }

    async fn store_sent_message(
        &self,
        chat_jid: &str,
        message_id: &str,
        payload: &[u8],
    ) -> Result<()> {
        self.put_for(SENT_LIFE, SENT, key::join(&[chat_jid, message_id]), payload).await
    }

    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        let mut taken = None;
        self.update(SENT, &key::join(&[chat_jid, message_id]), |stored| {
            taken = stored;
            None
        })
        .await?;
        Ok(taken)
    }

    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        // The only regular sweep that base keys can join.
        self.expire(BASE_KEY, self.clock.now()).await?;
        self.expire(SENT, Timestamp::from_secs(cutoff_timestamp).after(SENT_LIFE)).await
    }

    async fn store_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
        message: &[u8],
    ) -> Result<()> {
        self.store_pending_inbound_batch(&[PendingInboundRow { chat, sender, id, message }]).await
    }

    async fn get_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>> {
        self.get(PENDING_INBOUND, &key::join(&[chat, sender, id])).await
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.delete_pending_inbound_batch(&[PendingInboundKey { chat, sender, id }]).await
    }

    async fn delete_expired_pending_inbound(&self, cutoff_timestamp: i64) -> Result<u32> {
        let cutoff = Timestamp::from_secs(cutoff_timestamp).after(PENDING_LIFE);
        self.expire(PENDING_INBOUND, cutoff).await
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        let expires_at = Some(self.clock.now().after(PENDING_LIFE));
        let writes: Vec<_> = rows
            .iter()
            .map(|row| StateWrite::Put {
                space: PENDING_INBOUND,
                key: key::join(&[row.chat, row.sender, row.id]),
                value: row.message.to_vec(),
                expires_at,
            })
            .collect();
        self.apply(&writes).await
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        let writes: Vec<_> = keys
            .iter()
            .map(|key| {
                StateWrite::delete(PENDING_INBOUND, key::join(&[key.chat, key.sender, key.id]))
            })
            .collect();
        self.apply(&writes).await
    }
}

impl SessionBackend {
    /// Stores a value that may be forgotten after `life`.
    ///
    /// The library sweeps by the age of a record ("older than `cutoff`"); with a deadline of age
    /// plus `life`, that is the same as "expired before `cutoff` plus `life`".
    async fn put_for(
        &self,
        life: Duration,
        space: &'static str,
        key: String,
        value: &[u8],
    ) -> Result<()> {
        let expires_at = Some(self.clock.now().after(life));
        self.apply(&[StateWrite::Put { space, key, value: value.to_vec(), expires_at }]).await
    }

    /// Merges a JSON record atomically. A record that cannot be read stays as it is.
    async fn merge<T: serde::Serialize + serde::de::DeserializeOwned + Send>(
        &self,
        space: &'static str,
        key: &str,
        change: impl FnOnce(Option<T>) -> Option<T> + Send,
    ) -> Result<()> {
        let mut failure: Option<StoreError> = None;
        self.update(space, key, |stored| {
            let merged = stored
                .as_deref()
                .map(from_json)
                .transpose()
                .and_then(|old| change(old).as_ref().map(to_json).transpose());
            merged.unwrap_or_else(|error| {
                failure = Some(error);
                stored
            })
        })
        .await?;
        failure.map_or(Ok(()), Err)
    }
}

/// Whether nothing of a token is alive: neither what the contact gave us nor what we gave it.
fn is_stale(entry: &TcTokenEntry, token_cutoff: i64, sender_cutoff: i64) -> bool {
    let received = !entry.token.is_empty() && entry.token_timestamp >= token_cutoff;
    let issued = entry.sender_timestamp.is_some_and(|moment| moment >= sender_cutoff);
    !received && !issued
}
