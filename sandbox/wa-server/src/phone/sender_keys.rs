//! Sender keys: one phone's own for each crowd it writes to, and those that others gave it.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use wacore_libsignal::protocol::{
    SenderKeyDistributionMessage, SenderKeyName, SenderKeyRecord, SenderKeyStore,
    create_sender_key_distribution_message, error::Result, group_decrypt, group_encrypt,
    process_sender_key_distribution_message,
};

use super::{SignalError, signal::ready, unpad};
use crate::crypto::Blob;

/// The name of a phone's own keys; no session is called so.
const OWN: &str = "own";

/// The sender keys of a phone.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SenderKeys {
    records: Records,
    /// Which devices have the phone's own key of a crowd.
    given: HashMap<String, HashSet<String>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Records(HashMap<String, Blob>);

#[async_trait::async_trait]
impl SenderKeyStore for Records {
    async fn store_sender_key(
        &mut self,
        name: &SenderKeyName,
        record: SenderKeyRecord,
    ) -> Result<()> {
        self.0.insert(key_of(name), Blob(record.serialize()?.clone()));
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        self.0.get(&key_of(name)).map(|bytes| SenderKeyRecord::deserialize(&bytes.0)).transpose()
    }
}

fn key_of(name: &SenderKeyName) -> String {
    format!("{}:{}", name.group_id(), name.sender_id())
}

impl SenderKeys {
    /// Whether a device must be given the phone's key of a crowd; from now on it has it.
    pub(crate) fn give(&mut self, crowd: &str, device: &str) -> bool {
        self.given.entry(crowd.to_owned()).or_default().insert(device.to_owned())
    }

    /// The phone's own key of a crowd as it stands now, for others.
    pub(crate) fn distribution(
        &mut self,
        crowd: &str,
    ) -> std::result::Result<Vec<u8>, SignalError> {
        let name = SenderKeyName::from_parts(crowd, OWN);
        let mut rng = rand::rng();
        let making = create_sender_key_distribution_message(&name, &mut self.records, &mut rng);
        Ok(ready(making)?.serialized().to_vec())
    }

    /// Encrypts for a crowd; the key must have been distributed before.
    pub(crate) fn encrypt(
        &mut self,
        crowd: &str,
        padded: &[u8],
    ) -> std::result::Result<Vec<u8>, SignalError> {
        let name = SenderKeyName::from_parts(crowd, OWN);
        let sealed = ready(group_encrypt(&mut self.records, &name, padded, &mut rand::rng()))?;
        Ok(sealed.serialized().to_vec())
    }

    /// Keeps the key that another device has distributed.
    pub(crate) fn learn(
        &mut self,
        crowd: &str,
        device: &str,
        distribution: &[u8],
    ) -> std::result::Result<(), SignalError> {
        let distribution = SenderKeyDistributionMessage::try_from(distribution)?;
        let name = SenderKeyName::from_parts(crowd, device);
        ready(process_sender_key_distribution_message(&name, &distribution, &mut self.records))
    }

    /// Decrypts what another device has written to a crowd, and strips the padding.
    pub(crate) fn decrypt(
        &mut self,
        crowd: &str,
        device: &str,
        sealed: &[u8],
    ) -> std::result::Result<Vec<u8>, SignalError> {
        let name = SenderKeyName::from_parts(crowd, device);
        unpad(ready(group_decrypt(sealed, &mut self.records, &name))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::pad;

    #[test]
    fn what_one_writes_those_with_the_key_read() {
        let (mut alice, mut bob, mut eve) =
            (SenderKeys::default(), SenderKeys::default(), SenderKeys::default());
        bob.learn("crowd", "alice", &alice.distribution("crowd").unwrap()).unwrap();
        for text in [b"one", b"two"] {
            let sealed = alice.encrypt("crowd", &pad(text.to_vec())).unwrap();
            assert_eq!(bob.decrypt("crowd", "alice", &sealed).unwrap(), text);
            assert!(eve.decrypt("crowd", "alice", &sealed).is_err());
        }
    }

    #[test]
    fn a_key_is_given_once() {
        let mut keys = SenderKeys::default();
        assert!(keys.give("crowd", "bob:1"));
        assert!(!keys.give("crowd", "bob:1"));
        assert!(keys.give("crowd", "bob:2"));
    }
}
