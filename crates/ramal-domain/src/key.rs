//! API keys and webhook secrets: the secret values and what may be shown of them.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::NumberId;

/// What every raw API key starts with (contract A).
const TOKEN_PREFIX: &str = "ps_";
/// Random bytes of a raw key: 256 bits.
const TOKEN_BYTES: usize = 32;
/// What a generated webhook secret starts with (Standard Webhooks).
const SECRET_PREFIX: &str = "whsec_";

/// What an API key may act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Every number of its tenant.
    Tenant,
    /// One number.
    Number(NumberId),
}

/// A raw API key: the secret that callers send as `x-api-key`.
#[derive(Clone, Debug)]
pub struct ApiToken(SecretString);

/// Why a text cannot be a raw API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an API key starts with ps_ and has 8 to 128 visible ASCII characters")]
pub struct TokenError;

impl ApiToken {
    /// Mints a new random key.
    pub fn mint() -> Self {
        let bytes: [u8; TOKEN_BYTES] = rand::random();
        Self(SecretString::from(format!("{TOKEN_PREFIX}{}", hex::encode(bytes))))
    }

    /// The raw key. Never log it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What lists show of it: the first seven characters.
    pub fn prefix(&self) -> String {
        self.expose().chars().take(7).collect()
    }

    /// What lists show of it: the last four characters.
    pub fn last4(&self) -> String {
        let text = self.expose();
        text.chars().skip(text.len().saturating_sub(4)).collect()
    }

    /// What the database looks it up by. A plain hash suffices: the key has 256 random bits.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.expose().as_bytes()).into())
    }
}

impl FromStr for ApiToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let plausible = text.starts_with(TOKEN_PREFIX)
            && (8..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if plausible { Ok(Self(SecretString::from(text))) } else { Err(TokenError) }
    }
}

/// SHA-256 of a raw API key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

impl fmt::Display for KeyHash {
    /// Lower-case hexadecimal, as the database stores it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The secret that signs a webhook's deliveries.
#[derive(Clone, Debug)]
pub struct WebhookSecret(SecretString);

/// Why a text cannot be a webhook secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret has 16 to 256 visible ASCII characters")]
pub struct WebhookSecretError;

impl WebhookSecret {
    /// Mints a new random secret: `whsec_` and 32 bytes in base64.
    pub fn mint() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(SecretString::from(format!("{SECRET_PREFIX}{}", BASE64.encode(bytes))))
    }

    /// The secret as the customer knows it. Never log it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The key of `x-pilot-status-signature`: the whole text (contract E.5).
    pub fn plain_key(&self) -> &[u8] {
        self.expose().as_bytes()
    }

    /// The key of the Standard Webhooks signature: what `whsec_` introduces, decoded from base64;
    /// the whole text when it has another form.
    pub fn standard_key(&self) -> Vec<u8> {
        self.expose()
            .strip_prefix(SECRET_PREFIX)
            .and_then(|encoded| BASE64.decode(encoded).ok())
            .unwrap_or_else(|| self.plain_key().to_vec())
    }
}

impl FromStr for WebhookSecret {
    type Err = WebhookSecretError;

    fn from_str(text: &str) -> Result<Self, WebhookSecretError> {
        let plausible =
            (16..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if plausible { Ok(Self(SecretString::from(text))) } else { Err(WebhookSecretError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_hashes_the_same() {
        let token = ApiToken::mint();
        let read: ApiToken = token.expose().parse().unwrap();

        assert_eq!(token.hash(), read.hash());
        assert_eq!(token.prefix().len(), 7);
        assert!(token.expose().ends_with(&token.last4()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let (token, secret) = (ApiToken::mint(), WebhookSecret::mint());

        assert!(!format!("{token:?}").contains(token.expose()));
        assert!(!format!("{secret:?}").contains(secret.expose()));
    }

    #[test]
    fn implausible_tokens_are_refused() {
        for text in ["", "ps_", "sk_0123456789", "ps_ 12345678", "ps_\u{e9}234567"] {
            assert!(text.parse::<ApiToken>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_standard_key_of_a_minted_secret_is_its_32_bytes() {
        assert_eq!(WebhookSecret::mint().standard_key().len(), 32);
        let own: WebhookSecret = "sixteen-chars-ok".parse().unwrap();
        assert_eq!(own.standard_key(), own.plain_key());
    }
}
