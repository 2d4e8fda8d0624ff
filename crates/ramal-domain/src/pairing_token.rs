//! The token of a pairing link: whoever has it may pair the link's number, and nothing else.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// The secret at the end of a pairing link: a random UUID (contract H14).
#[derive(Clone, Debug)]
pub struct PairingToken(SecretString);

/// Why a text cannot be the token of a pairing link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pairing link ends with a UUID")]
pub struct PairingTokenError;

/// What the database looks a token up by. A plain hash suffices: the token has 122 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingTokenHash(String);

impl PairingToken {
    /// Mints a new random token.
    pub fn mint() -> Self {
        Self::of(Builder::from_random_bytes(rand::random()).into_uuid())
    }

    fn of(uuid: Uuid) -> Self {
        Self(SecretString::from(uuid.hyphenated().to_string()))
    }

    /// The token itself. Never log it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What it is stored as.
    pub fn hash(&self) -> PairingTokenHash {
        PairingTokenHash(hex::encode(Sha256::digest(self.expose().as_bytes())))
    }
}

impl FromStr for PairingToken {
    type Err = PairingTokenError;

    fn from_str(text: &str) -> Result<Self, PairingTokenError> {
        Uuid::try_parse(text).map(Self::of).map_err(|_not_a_uuid| PairingTokenError)
    }
}

impl fmt::Debug for PairingTokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingTokenHash(…)")
    }
}

impl fmt::Display for PairingTokenHash {
    /// Lower-case hexadecimal, as the database stores it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_however_it_is_spelt_and_never_printed() {
        let token = PairingToken::mint();
        let spelt: PairingToken = token.expose().to_uppercase().parse().unwrap();

        assert_eq!(spelt.hash(), token.hash());
        assert_eq!(token.hash().to_string().len(), 64);
        assert!(!format!("{token:?} {:?}", token.hash()).contains(token.expose()));
        for text in ["", "wa_1", "0b7f6c3e-0d0e-4e58-9b0a"] {
            assert!(text.parse::<PairingToken>().is_err(), "{text}");
        }
    }
}
