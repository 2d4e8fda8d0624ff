//! What names a stored object: the SHA-256 of its bytes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Length of a SHA-256, in bytes.
const HASH: usize = 32;
/// How much of a hash a path shows.
const SHOWN: usize = 32;

/// The base64url of the SHA-256 of what is stored: clients name their uploads by it, and the name
/// is checked against the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token(String);

impl Token {
    /// Reads a token; `None` when it is no hash.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == HASH).then(|| Self(text.to_owned()))
    }

    /// The token of bytes with this hash.
    pub(crate) fn of(hash: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(hash))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the object is downloaded. Not the token itself, so that a client which makes up paths
    /// instead of using the one that it was given finds nothing.
    pub(crate) fn direct_path(&self) -> String {
        let hash = Sha256::digest(format!("direct path of {}", self.0));
        let name = hex::encode(hash);
        format!("/v/t62.7118-24/{}_n.enc", name.get(..SHOWN).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hash_is_a_token() {
        let token = Token::of(&[7; HASH]);
        assert_eq!(Token::parse(token.as_str()), Some(token));
        for text in ["", "abc", "../../etc/passwd", &URL_SAFE_NO_PAD.encode([7; 31])] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
