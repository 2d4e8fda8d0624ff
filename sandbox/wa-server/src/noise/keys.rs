//! The server's own keys and the certificate chain that vouches for them (wa-server.md §2.4).

use std::{fmt, path::Path};

use buffa::{Message as _, MessageField};
use serde::{Deserialize, Serialize};
use wacore_libsignal::protocol::{CurveError, KeyPair};
use waproto::whatsapp::{self as wa, cert_chain::noise_certificate};

use crate::{
    clock,
    crypto::{self, Key},
    files,
};

const INTERMEDIATE_SERIAL: u32 = 1;
/// Both clients insist that the intermediate certificate names issuer 0, the root.
const ROOT_SERIAL: u32 = 0;
const LEAF_SERIAL: u32 = 2;
/// Clients cache the chain and compare it with their clock: be valid well around now.
const VALID_BEFORE_SECS: u64 = 24 * 60 * 60;
const VALID_AFTER_SECS: u64 = 3650 * 24 * 60 * 60;
const FILE_NAME: &str = "noise-keys.json";

/// Why the server's keys could not be made or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("a key is unusable")]
    Curve(#[from] CurveError),
    #[error("the key file could not be read or written")]
    File(#[from] files::FileError),
}

/// Root, intermediate and static key pairs, and the signed chain.
pub(crate) struct ServerKeys {
    root_public: Key,
    pub(super) static_pair: KeyPair,
    pub(super) chain: Vec<u8>,
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("ServerKeys").finish_non_exhaustive()
    }
}

/// What is written to disk: the private halves, from which all else follows.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(with = "crypto::base64_serde")]
    root: Key,
    #[serde(with = "crypto::base64_serde")]
    intermediate: Key,
    #[serde(rename = "static", with = "crypto::base64_serde")]
    static_key: Key,
}

impl ServerKeys {
    /// Reads the keys of an earlier run from `dir`, or makes and writes new ones; without a
    /// directory they live as long as the process.
    pub(crate) fn load_or_generate(dir: Option<&Path>) -> Result<Self, KeyError> {
        let Some(path) = dir.map(|dir| dir.join(FILE_NAME)) else {
            return Self::from_stored(&Stored::generate());
        };
        let stored = if let Some(stored) = files::read_json(&path)? {
            stored
        } else {
            let stored = Stored::generate();
            files::write_json(&path, &stored)?;
            stored
        };
        Self::from_stored(&stored)
    }

    /// The public key that clients must trust.
    pub(crate) fn root_public(&self) -> &Key {
        &self.root_public
    }

    fn from_stored(stored: &Stored) -> Result<Self, KeyError> {
        let root = crypto::key_pair(&stored.root)?;
        let intermediate = crypto::key_pair(&stored.intermediate)?;
        let static_pair = crypto::key_pair(&stored.static_key)?;
        let chain = wa::CertChain {
            intermediate: MessageField::some(certificate(
                &root,
                (INTERMEDIATE_SERIAL, ROOT_SERIAL),
                &intermediate,
            )?),
            leaf: MessageField::some(certificate(
                &intermediate,
                (LEAF_SERIAL, INTERMEDIATE_SERIAL),
                &static_pair,
            )?),
        };
        Ok(Self {
            root_public: crypto::public_bytes(&root),
            static_pair,
            chain: chain.encode_to_vec(),
        })
    }
}

impl Stored {
    fn generate() -> Self {
        let mut rng = rand::rng();
        let mut private = || *KeyPair::generate(&mut rng).private_key.serialize();
        Self { root: private(), intermediate: private(), static_key: private() }
    }
}

fn certificate(
    issuer: &KeyPair,
    (serial, issuer_serial): (u32, u32),
    subject: &KeyPair,
) -> Result<wa::cert_chain::NoiseCertificate, CurveError> {
    let now = clock::unix_seconds();
    let details = noise_certificate::Details {
        serial: Some(serial),
        issuer_serial: Some(issuer_serial),
        key: Some(crypto::public_bytes(subject).to_vec()),
        not_before: Some(now.saturating_sub(VALID_BEFORE_SECS)),
        not_after: Some(now + VALID_AFTER_SECS),
    }
    .encode_to_vec();
    let signature = issuer.calculate_signature(&details, &mut rand::rng())?.to_vec();
    Ok(wa::cert_chain::NoiseCertificate { details: Some(details), signature: Some(signature) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_signed_by_the_root() {
        let keys = ServerKeys::load_or_generate(None).unwrap();
        let chain = wa::CertChain::decode_from_slice(&keys.chain).unwrap();
        let intermediate = chain.intermediate.into_option().unwrap();
        let root = crypto::public_key(keys.root_public()).unwrap();
        assert!(
            root.verify_signature(&intermediate.details.unwrap(), &intermediate.signature.unwrap())
        );
    }

    #[test]
    fn a_restart_keeps_the_keys() {
        let dir = tempfile::tempdir().unwrap();
        let first = ServerKeys::load_or_generate(Some(dir.path())).unwrap();
        let second = ServerKeys::load_or_generate(Some(dir.path())).unwrap();
        assert_eq!(first.root_public(), second.root_public());
        assert_eq!(
            crypto::public_bytes(&first.static_pair),
            crypto::public_bytes(&second.static_pair)
        );
    }
}
