//! Signal on a phone: signing, sessions, encryption.

use std::future::Future;

use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use wacore_libsignal::protocol::{
    CiphertextMessage, CiphertextMessageType, CurveError, IdentityKey, KeyPair, PreKeyBundle,
    PreKeyRecord, PreKeySignalMessage, PreKeyStore as _, PrivateKey, ProtocolAddress, PublicKey,
    SignalMessage, SignalProtocolError, UsePQRatchet, message_decrypt, message_encrypt,
    process_prekey_bundle,
};

use super::stores::{Identities, OneTimeKeys, Sessions, SignedKey};
use crate::{
    crypto::{self, Key},
    prekeys::{Bundle, OneTimeKey, SignedPreKey},
};

const SIGNED_KEY_ID: u32 = 1;
/// Registration ids have 14 bits and are never zero.
const REGISTRATION_ID_MASK: u32 = 0x3fff;

/// A phone could not encrypt, decrypt or sign.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignalError {
    #[error("the Signal protocol refused")]
    Protocol(#[from] SignalProtocolError),
    #[error("a key is unusable")]
    Curve(#[from] CurveError),
    #[error("a Signal store was not ready at once")]
    NotReady,
    #[error("the plaintext has no valid padding")]
    Padding,
    #[error("the ciphertext has an unknown type")]
    UnknownType,
}

/// The keys of a phone and its sessions.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PhoneKeys {
    identities: Identities,
    sessions: Sessions,
    one_time: OneTimeKeys,
    signed: SignedKey,
    next_one_time: u32,
}

impl PhoneKeys {
    pub(crate) fn generate() -> Result<Self, SignalError> {
        let mut rng = rand::rng();
        let identity = KeyPair::generate(&mut rng);
        let signed = KeyPair::generate(&mut rng);
        let signature =
            identity.calculate_signature(&signed.public_key.serialize(), &mut rng)?.to_vec();
        let registration_id = (rand::random::<u32>() & REGISTRATION_ID_MASK).max(1);
        Ok(Self {
            identities: Identities::new(*identity.private_key.serialize(), registration_id),
            sessions: Sessions::default(),
            one_time: OneTimeKeys::default(),
            signed: SignedKey {
                id: SIGNED_KEY_ID,
                private: *signed.private_key.serialize(),
                signature,
            },
            next_one_time: 1,
        })
    }

    pub(crate) fn identity_public(&self) -> Result<Key, SignalError> {
        Ok(crypto::raw(self.identities.pair()?.public_key()))
    }

    /// `XEdDSA` signature of the concatenated parts.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> Result<Vec<u8>, SignalError> {
        let private = PrivateKey::deserialize(&self.identities.private)?;
        let signature =
            private.calculate_signature_for_multipart_message(parts, &mut rand::rng())?;
        Ok(signature.to_vec())
    }

    /// X25519 of the phone's identity with another public key.
    pub(crate) fn agree(&self, theirs: &Key) -> Result<Key, SignalError> {
        let private = PrivateKey::deserialize(&self.identities.private)?;
        Ok(private.calculate_agreement(&crypto::public_key(theirs)?)?)
    }

    /// What others need to open a session with this phone, with a one-time key of its own.
    pub(crate) fn bundle(&mut self) -> Result<Bundle, SignalError> {
        let id = self.next_one_time;
        self.next_one_time += 1;
        let pair = KeyPair::generate(&mut rand::rng());
        let record = PreKeyRecord::new(id.into(), &pair);
        ready(self.one_time.save_pre_key(id.into(), &record))?;
        Ok(Bundle {
            registration_id: self.identities.registration_id,
            identity: self.identity_public()?,
            signed: SignedPreKey {
                id: self.signed.id,
                public: crypto::public_bytes(&crypto::key_pair(&self.signed.private)?),
                signature: self.signed.signature.clone(),
            },
            one_time: Some(OneTimeKey { id, public: crypto::public_bytes(&pair) }),
        })
    }

    pub(crate) fn has_session(&self, peer: &str) -> bool {
        self.sessions.contains(&address(peer))
    }

    pub(crate) fn forget_session(&mut self, peer: &str) {
        self.sessions.forget(&address(peer));
    }

    pub(crate) fn open_session(&mut self, peer: &str, bundle: &Bundle) -> Result<(), SignalError> {
        let one_time = match &bundle.one_time {
            Some(key) => Some((key.id.into(), crypto::public_key(&key.public)?)),
            None => None,
        };
        let bundle = PreKeyBundle::new(
            bundle.registration_id,
            0_u32.into(),
            one_time,
            bundle.signed.id.into(),
            crypto::public_key(&bundle.signed.public)?,
            bundle.signed.signature.clone(),
            IdentityKey::new(crypto::public_key(&bundle.identity)?),
        )?;
        ready(process_prekey_bundle(
            &address(peer),
            &mut self.sessions,
            &mut self.identities,
            &bundle,
            &mut rand::rng(),
            UsePQRatchet::No,
        ))?;
        Ok(())
    }

    /// Encrypts a padded plaintext; answers the `type` attribute of `<enc>` and the ciphertext.
    pub(crate) fn encrypt(
        &mut self,
        peer: &str,
        padded: &[u8],
    ) -> Result<(&'static str, Vec<u8>), SignalError> {
        let sealed = ready(message_encrypt(
            padded,
            &address(peer),
            &mut self.sessions,
            &mut self.identities,
        ))?;
        let kind = match sealed.message_type() {
            CiphertextMessageType::PreKey => "pkmsg",
            CiphertextMessageType::Whisper
            | CiphertextMessageType::SenderKey
            | CiphertextMessageType::Plaintext => "msg",
        };
        Ok((kind, sealed.serialize().to_vec()))
    }

    /// Decrypts the content of an `<enc>` and strips its padding.
    pub(crate) fn decrypt(
        &mut self,
        peer: &str,
        kind: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SignalError> {
        let sealed = match kind {
            "pkmsg" => {
                CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(sealed)?)
            }
            "msg" => CiphertextMessage::SignalMessage(SignalMessage::try_from(sealed)?),
            _ => return Err(SignalError::UnknownType),
        };
        let opened = ready(message_decrypt(
            &sealed,
            &address(peer),
            &mut self.sessions,
            &mut self.identities,
            &mut self.one_time,
            &self.signed,
            &mut rand::rng(),
            UsePQRatchet::No,
        ))?;
        // The library leaves the used key in the store (wa-server.md P7).
        if let Some(used) = opened.consumed_prekey_id {
            ready(self.one_time.remove_pre_key(used))?;
        }
        unpad(opened.plaintext)
    }
}

/// Strips the padding that every encrypted payload carries.
pub(crate) fn unpad(mut plain: Vec<u8>) -> Result<Vec<u8>, SignalError> {
    let padding = usize::from(*plain.last().ok_or(SignalError::Padding)?);
    let length = plain.len().checked_sub(padding).ok_or(SignalError::Padding)?;
    plain.truncate(length);
    Ok(plain)
}

pub(super) fn ready<T>(
    work: impl Future<Output = Result<T, SignalProtocolError>>,
) -> Result<T, SignalError> {
    Ok(work.now_or_never().ok_or(SignalError::NotReady)??)
}

fn address(peer: &str) -> ProtocolAddress {
    ProtocolAddress::new(peer, 0_u32.into())
}

/// Whether `signature` over `parts` was made by `signer`.
pub(crate) fn verify(signer: &Key, parts: &[&[u8]], signature: &[u8]) -> bool {
    PublicKey::from_djb_public_key_bytes(signer)
        .is_ok_and(|key| key.verify_signature_for_multipart_message(parts, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::pad;

    #[test]
    fn two_phones_talk_in_both_directions() {
        let mut alice = PhoneKeys::generate().unwrap();
        let mut bob = PhoneKeys::generate().unwrap();
        alice.open_session("bob", &bob.bundle().unwrap()).unwrap();

        let (kind, sealed) = alice.encrypt("bob", &pad(b"hello".to_vec())).unwrap();
        assert_eq!(kind, "pkmsg");
        assert_eq!(bob.decrypt("alice", kind, &sealed).unwrap(), b"hello");

        let (kind, sealed) = bob.encrypt("alice", &pad(b"hi".to_vec())).unwrap();
        assert_eq!(kind, "msg");
        assert_eq!(alice.decrypt("bob", kind, &sealed).unwrap(), b"hi");
    }

    #[test]
    fn garbage_does_not_decrypt() {
        let mut phone = PhoneKeys::generate().unwrap();
        assert!(phone.decrypt("x", "msg", b"garbage").is_err());
        assert!(phone.decrypt("x", "what", b"garbage").is_err());
    }

    #[test]
    fn keys_survive_a_snapshot() {
        let mut alice = PhoneKeys::generate().unwrap();
        let mut bob = PhoneKeys::generate().unwrap();
        alice.open_session("bob", &bob.bundle().unwrap()).unwrap();
        let (kind, sealed) = alice.encrypt("bob", &pad(b"one".to_vec())).unwrap();
        bob.decrypt("alice", kind, &sealed).unwrap();

        let json = serde_json::to_vec(&bob).unwrap();
        let mut bob: PhoneKeys = serde_json::from_slice(&json).unwrap();
        let (kind, sealed) = alice.encrypt("bob", &pad(b"two".to_vec())).unwrap();
        assert_eq!(bob.decrypt("alice", kind, &sealed).unwrap(), b"two");
    }
}
