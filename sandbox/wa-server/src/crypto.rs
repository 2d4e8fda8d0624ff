//! Small cryptographic helpers that several modules share.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wacore_libsignal::protocol::{CurveError, KeyPair, PublicKey};

/// Length of X25519 keys and of every symmetric key in this protocol, in bytes.
pub(crate) const KEY_LEN: usize = 32;

pub(crate) type Key = [u8; KEY_LEN];

/// The raw public half of a key pair, without Signal's type byte.
pub(crate) fn public_bytes(pair: &KeyPair) -> Key {
    raw(&pair.public_key)
}

/// A public key without Signal's type byte.
pub(crate) fn raw(key: &PublicKey) -> Key {
    let mut out = [0; KEY_LEN];
    for (to, from) in out.iter_mut().zip(key.public_key_bytes()) {
        *to = *from;
    }
    out
}

pub(crate) fn public_key(raw: &Key) -> Result<PublicKey, CurveError> {
    PublicKey::from_djb_public_key_bytes(raw)
}

/// Rebuilds a key pair from its private half.
pub(crate) fn key_pair(private: &Key) -> Result<KeyPair, CurveError> {
    let private_key = wacore_libsignal::protocol::PrivateKey::deserialize(private)?;
    let public_key = private_key.public_key()?;
    Ok(KeyPair::new(public_key, private_key))
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> Key {
    // HMAC takes keys of any length, so the error arm never runs.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; KEY_LEN] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

pub(crate) fn hkdf_sha256(input: &[u8], salt: Option<&[u8]>, info: &[u8]) -> Key {
    let mut out = [0; KEY_LEN];
    // 32 bytes are far below HKDF's limit of 255 blocks, so expanding cannot fail.
    if hkdf::Hkdf::<Sha256>::new(salt, input).expand(info, &mut out).is_err() {
        return [0; KEY_LEN];
    }
    out
}

/// Bytes that a snapshot writes as base64.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Blob(#[serde(with = "base64_serde")] pub(crate) Vec<u8>);

/// Serde for byte strings: base64 in JSON, instead of lists of numbers.
pub(crate) mod base64_serde {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<T: AsRef<[u8]>, S: Serializer>(
        bytes: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, T: TryFrom<Vec<u8>>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        T::try_from(bytes).ok().ok_or(D::Error::custom("wrong number of bytes"))
    }
}
