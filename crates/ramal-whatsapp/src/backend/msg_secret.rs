//! [`MsgSecretStore`]: secrets of messages, for reactions, votes and edits that refer to them.

use std::collections::HashMap;

use async_trait::async_trait;
use ramal_domain::Timestamp;
use ramal_store::StateWrite;
use serde::{Deserialize, Serialize};
use wacore::store::traits::{
    MessageSecret, MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry,
    merge_msg_secret_message_ts,
};

use super::{Result, SessionBackend, from_json, key, spaces::MSG_SECRET, to_json};

#[derive(Clone, Deserialize, Serialize)]
struct Stored {
    secret: MessageSecret,
    /// Unix seconds; 0 means never.
    expires_at: i64,
    /// Unix seconds; 0 means unknown.
    message_ts: i64,
}

impl Stored {
    /// What is kept when `self` is stored over `old`: the new secret, the longer life, the later
    /// time.
    fn over(mut self, old: Option<&Self>) -> Self {
        if let Some(old) = old {
            self.expires_at = merge_msg_secret_expiry(old.expires_at, self.expires_at);
            self.message_ts = merge_msg_secret_message_ts(old.message_ts, self.message_ts);
        }
        self
    }
}

#[async_trait]
impl MsgSecretStore for SessionBackend {
    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        let count = entries.len();
        // Merged here first, so that each record is read and written once.
        let mut news: HashMap<String, Stored> = HashMap::with_capacity(count);
        for entry in entries {
            let key = key::join(&[&entry.chat, &entry.sender, &entry.msg_id]);
            let MsgSecretEntry { secret, expires_at, message_ts, .. } = entry;
            let new = Stored { secret, expires_at, message_ts };
            let merged = new.over(news.get(&key));
            news.insert(key, merged);
        }
        if news.is_empty() {
            return Ok(0);
        }
        let (keys, news): (Vec<_>, Vec<_>) = news.into_iter().unzip();
        let mut failure = None;
        let merge = |olds: Vec<Option<Vec<u8>>>| {
            let write = |((key, new), old): ((&String, Stored), Option<Vec<u8>>)| {
                let old: Option<Stored> = old.map(|bytes| from_json(&bytes)).transpose()?;
                put(key.clone(), &new.over(old.as_ref()))
            };
            keys.iter().zip(news).zip(olds).map(write).collect::<Result<_>>().unwrap_or_else(
                |error| {
                    failure = Some(error);
                    Vec::new()
                },
            )
        };
        self.change(MSG_SECRET, &keys, merge).await?;
        failure.map_or(Ok(count), Err)
    }

    async fn get_msg_secret(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<Vec<u8>>> {
        let found = self.get_msg_secret_with_ts(chat, sender, msg_id).await?;
        Ok(found.map(|(secret, _)| secret))
    }

    async fn get_msg_secret_with_ts(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<(Vec<u8>, i64)>> {
        let key = key::join(&[chat, sender, msg_id]);
        let stored: Option<Stored> = self.get_json(MSG_SECRET, &key).await?;
        Ok(stored.map(|stored| (stored.secret.to_vec(), stored.message_ts)))
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        // The library removes deadlines at the cutoff as well; we remove those before a moment.
        let cutoff = Timestamp::from_secs(cutoff_timestamp).as_millis().saturating_add(1);
        self.expire(MSG_SECRET, Timestamp::from_millis(cutoff)).await
    }
}

fn put(key: String, stored: &Stored) -> Result<StateWrite> {
    let expires_at = (stored.expires_at != 0).then(|| Timestamp::from_secs(stored.expires_at));
    Ok(StateWrite::Put { space: MSG_SECRET, key, value: to_json(stored)?, expires_at })
}
