//! In-memory Signal stores of a phone. Every future is ready at once, so that callers may use
//! `now_or_never` under a lock (wa-server.md P8).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use wacore_libsignal::protocol::{
    Direction, IdentityChange, IdentityKey, IdentityKeyPair, IdentityKeyStore, PreKeyId,
    PreKeyRecord, PreKeyStore, PrivateKey, ProtocolAddress, SessionRecord, SessionStore,
    SignalProtocolError, SignedPreKeyId, SignedPreKeyRecord, SignedPreKeyStore, Timestamp,
    error::Result,
};

use crate::crypto::{Blob, Key, base64_serde, key_pair};

/// The phone's own identity and the identities that it has met.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Identities {
    #[serde(with = "base64_serde")]
    pub(super) private: Key,
    pub(super) registration_id: u32,
    known: HashMap<String, Blob>,
}

impl Identities {
    pub(super) fn new(private: Key, registration_id: u32) -> Self {
        Self { private, registration_id, known: HashMap::new() }
    }

    pub(super) fn pair(&self) -> Result<IdentityKeyPair> {
        let private = PrivateKey::deserialize(&self.private)?;
        Ok(IdentityKeyPair::new(IdentityKey::new(private.public_key()?), private))
    }
}

#[async_trait::async_trait]
impl IdentityKeyStore for Identities {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        self.pair()
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration_id)
    }

    async fn save_identity(
        &mut self,
        address: &ProtocolAddress,
        identity: &IdentityKey,
    ) -> Result<IdentityChange> {
        let new = identity.serialize().to_vec();
        let old = self.known.insert(address.as_str().to_owned(), Blob(new.clone()));
        Ok(match old {
            Some(old) if old.0 != new => IdentityChange::ReplacedExisting,
            Some(_) | None => IdentityChange::NewOrUnchanged,
        })
    }

    async fn is_trusted_identity(
        &self,
        _: &ProtocolAddress,
        _: &IdentityKey,
        _: Direction,
    ) -> Result<bool> {
        // Like a real phone: a changed identity is shown to the user, never refused.
        Ok(true)
    }

    async fn get_identity(&self, address: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        self.known.get(address.as_str()).map(|known| IdentityKey::decode(&known.0)).transpose()
    }
}

/// Session records by address, in their serialised form.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Sessions(HashMap<String, Blob>);

impl Sessions {
    pub(super) fn contains(&self, address: &ProtocolAddress) -> bool {
        self.0.contains_key(address.as_str())
    }

    pub(super) fn forget(&mut self, address: &ProtocolAddress) {
        self.0.remove(address.as_str());
    }
}

#[async_trait::async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        self.0.get(address.as_str()).map(|bytes| SessionRecord::deserialize(&bytes.0)).transpose()
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(self.contains(address))
    }

    async fn store_session(
        &mut self,
        address: &ProtocolAddress,
        record: SessionRecord,
    ) -> Result<()> {
        self.0.insert(address.as_str().to_owned(), Blob(record.serialize()?));
        Ok(())
    }
}

/// One-time prekeys that were handed out and not yet used.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OneTimeKeys(HashMap<u32, Blob>);

#[async_trait::async_trait]
impl PreKeyStore for OneTimeKeys {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        let bytes = self.0.get(&id.into()).ok_or_else(|| missing("one-time prekey"))?;
        PreKeyRecord::deserialize(&bytes.0)
    }

    async fn save_pre_key(&mut self, id: PreKeyId, record: &PreKeyRecord) -> Result<()> {
        self.0.insert(id.into(), Blob(record.serialize()?));
        Ok(())
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.0.remove(&id.into());
        Ok(())
    }
}

/// The phone's only signed prekey: it lives as long as the phone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignedKey {
    pub(super) id: u32,
    #[serde(with = "base64_serde")]
    pub(super) private: Key,
    #[serde(with = "base64_serde")]
    pub(super) signature: Vec<u8>,
}

#[async_trait::async_trait]
impl SignedPreKeyStore for SignedKey {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        if u32::from(id) != self.id {
            return Err(missing("signed prekey"));
        }
        let pair = key_pair(&self.private)?;
        let made = Timestamp::from_epoch_millis(0);
        Ok(wacore_libsignal::protocol::GenericSignedPreKey::new(id, made, &pair, &self.signature))
    }

    async fn save_signed_pre_key(
        &mut self,
        _: SignedPreKeyId,
        _: &SignedPreKeyRecord,
    ) -> Result<()> {
        Err(missing("room for a second signed prekey"))
    }
}

fn missing(what: &'static str) -> SignalProtocolError {
    SignalProtocolError::InvalidArgument(format!("no {what}"))
}
