//! Links to media that came in: whoever has one may fetch them, so it is a secret.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// The secret in a link to media that came in. The database keeps its hash only; the link itself is told
/// to customers.
#[derive(Clone)]
pub struct MediaToken(String);

impl std::fmt::Debug for MediaToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MediaToken")
    }
}

impl MediaToken {
    /// How long a link is good.
    pub const LIFE: Duration = Duration::from_hours(7 * 24);

    /// A new one: 192 random bits, hexadecimal.
    pub fn mint() -> Self {
        Self(hex::encode(rand::random::<[u8; 24]>()))
    }

    /// The link, on a server whose addresses begin with `public_url`.
    pub fn link(&self, public_url: &str) -> String {
        format!("{public_url}/media/{}", self.0)
    }

    /// What it is found by: its SHA-256, hexadecimal.
    pub fn hash(&self) -> String {
        Self::hash_of(&self.0)
    }

    /// What the secret that somebody shows is found by.
    pub fn hash_of(shown: &str) -> String {
        hex::encode(Sha256::digest(shown.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_what_its_hash_is_found_by() {
        let token = MediaToken::mint();
        let link = token.link("https://wa.acme.com");

        let shown = link.strip_prefix("https://wa.acme.com/media/").unwrap();
        assert_eq!((shown.len(), MediaToken::hash_of(shown)), (48, token.hash()));
        assert!(!format!("{token:?}").contains(shown));
    }
}
