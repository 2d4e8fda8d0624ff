//! Sealing of secrets at rest: XChaCha20-Poly1305 under the master key, each value bound to the row
//! that it belongs to, so that values cannot be swapped between rows.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use secrecy::{ExposeSecret as _, SecretBox};

/// First byte of every sealed value; another layout will get another number.
const LAYOUT: u8 = 1;
/// Length of an `XChaCha20` nonce. Random nonces of this length never repeat in practice.
const NONCE_LEN: usize = 24;

/// The key that seals everything else. 256 bits.
#[derive(Clone)]
pub struct MasterKey(Arc<SecretBox<[u8; 32]>>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Why a text is not a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key must be 32 bytes in base64")]
pub struct MasterKeyError;

impl MasterKey {
    /// Mints a new random key.
    pub fn mint() -> Self {
        Self(Arc::new(SecretBox::new(Box::new(rand::random()))))
    }

    /// The printed form, for the file that keeps it. Never log it.
    pub fn expose(&self) -> String {
        BASE64.encode(self.0.expose_secret())
    }
}

impl FromStr for MasterKey {
    type Err = MasterKeyError;

    fn from_str(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = BASE64.decode(text.trim()).map_err(|_source| MasterKeyError)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_wrong_length| MasterKeyError)?;
        Ok(Self(Arc::new(SecretBox::new(Box::new(bytes)))))
    }
}

/// Seals and opens values.
#[derive(Clone, Debug)]
pub struct Vault {
    key: MasterKey,
}

/// A sealed value that is damaged, belongs to another row, or was sealed with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value cannot be opened")]
pub struct VaultError;

impl Vault {
    /// A vault that works with `key`.
    pub const fn new(key: MasterKey) -> Self {
        Self { key }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.key.0.expose_secret().into())
    }

    /// Seals `value` for the row that `place` names.
    ///
    /// # Errors
    ///
    /// [`VaultError`] when the value is too long for the cipher (256 GiB).
    pub fn seal(&self, place: &[&str], value: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let aad = associated_data(place);
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: value, aad: &aad })
            .map_err(|_opaque| VaultError)?;
        Ok([&[LAYOUT], nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Vault::seal`] sealed for the same `place`.
    ///
    /// # Errors
    ///
    /// [`VaultError`] when key, place or bytes are not those of the sealing.
    pub fn open(&self, place: &[&str], sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (&layout, rest) = sealed.split_first().ok_or(VaultError)?;
        let (nonce, message) = rest.split_first_chunk::<NONCE_LEN>().ok_or(VaultError)?;
        if layout != LAYOUT {
            return Err(VaultError);
        }
        let aad = associated_data(place);
        self.cipher()
            .decrypt(&XNonce::from(*nonce), Payload { msg: message, aad: &aad })
            .map_err(|_opaque| VaultError)
    }
}

/// Length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
fn associated_data(place: &[&str]) -> Vec<u8> {
    let mut data = Vec::new();
    for part in place {
        data.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_in_its_own_place_and_with_its_own_key() {
        let vault = Vault::new(MasterKey::mint());
        let sealed = vault.seal(&["webhooks", "wh_1"], b"secret").unwrap();

        assert_eq!(vault.open(&["webhooks", "wh_1"], &sealed).unwrap(), b"secret");
        assert!(vault.open(&["webhooks", "wh_2"], &sealed).is_err());
        assert!(vault.open(&["webhook", "swh_1"], &sealed).is_err());
        assert!(Vault::new(MasterKey::mint()).open(&["webhooks", "wh_1"], &sealed).is_err());
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let vault = Vault::new(MasterKey::mint());
        let sealed = vault.seal(&["a"], b"value").unwrap();

        for index in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[index] ^= 1;
            assert!(vault.open(&["a"], &broken).is_err(), "byte {index}");
        }
        assert!(vault.open(&["a"], &[]).is_err());
    }

    #[test]
    fn a_master_key_is_read_back_and_not_shown() {
        let key = MasterKey::mint();

        assert_eq!(key.expose().parse::<MasterKey>().unwrap().expose(), key.expose());
        assert!(!format!("{key:?}").contains(&key.expose()));
        assert!("c2hvcnQ=".parse::<MasterKey>().is_err());
    }
}
