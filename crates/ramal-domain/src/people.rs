//! The people who use the dashboard: their addresses, roles and secrets.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// Longest address (RFC 5321: 254 characters).
const EMAIL_MAX: usize = 254;
/// Random bytes of a secret: 256 bits.
const SECRET_BYTES: usize = 32;

/// What a person may do in the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Owner,
    /// Look, but change nothing and see no secret.
    Viewer,
}

impl Role {
    /// As the database, the command line and the pages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        [Self::Owner, Self::Viewer].into_iter().find(|role| role.name() == name).ok_or(UnknownRole)
    }
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is owner or viewer")]
pub struct UnknownRole;

/// What a person signs in with: an e-mail address, in lower case. No mail is sent to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// Why a text cannot be an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address looks like ana@acme.com")]
pub struct EmailError;

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        let text = text.trim().to_lowercase();
        let plausible = text.len() <= EMAIL_MAX
            && !text.chars().any(|letter| letter.is_whitespace() || letter.is_control())
            && text.split_once('@').is_some_and(|(local, host)| {
                !local.is_empty()
                    && !host.contains('@')
                    && host.split('.').all(|label| !label.is_empty())
            });
        if plausible { Ok(Self(text)) } else { Err(EmailError) }
    }
}

/// A random secret that a browser brings back: in a cookie, or at the end of an invitation.
#[derive(Clone, Debug)]
pub struct BrowserSecret(SecretString);

/// Why a text cannot be such a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has 64 hexadecimal digits")]
pub struct BrowserSecretError;

/// What the database looks a secret up by. A plain hash suffices: the secret has 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserSecretHash(String);

impl BrowserSecret {
    /// Mints a new random secret.
    pub fn mint() -> Self {
        let bytes: [u8; SECRET_BYTES] = rand::random();
        Self(SecretString::from(hex::encode(bytes)))
    }

    /// The secret itself. Never log it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What it is stored as.
    pub fn hash(&self) -> BrowserSecretHash {
        BrowserSecretHash(self.digest(""))
    }

    /// What the forms of a page carry, so that another site cannot send them: only a page that the
    /// holder of the secret was given has it, and it tells nothing of the secret.
    pub fn form_token(&self) -> String {
        self.digest("form:")
    }

    fn digest(&self, purpose: &str) -> String {
        hex::encode(Sha256::new().chain_update(purpose).chain_update(self.expose()).finalize())
    }
}

impl FromStr for BrowserSecret {
    type Err = BrowserSecretError;

    fn from_str(text: &str) -> Result<Self, BrowserSecretError> {
        let plausible = text.len() == SECRET_BYTES * 2
            && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if plausible { Ok(Self(SecretString::from(text))) } else { Err(BrowserSecretError) }
    }
}

impl fmt::Debug for BrowserSecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserSecretHash(…)")
    }
}

impl fmt::Display for BrowserSecretHash {
    /// Lower-case hexadecimal, as the database stores it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lower_case_and_plausible() {
        let email: Email = " Ana@Acme.COM ".parse().unwrap();
        assert_eq!(email.as_str(), "ana@acme.com");
        assert!("ana@localhost".parse::<Email>().is_ok());
        for bad in ["", "ana", "@acme.com", "ana@", "a b@acme.com", "a@b@c.com", "ana@acme..com"] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
        assert!(format!("{}@a.com", "x".repeat(250)).parse::<Email>().is_err());
    }

    #[test]
    fn a_secret_is_read_back_and_its_derivatives_differ() {
        let secret = BrowserSecret::mint();
        let read: BrowserSecret = secret.expose().parse().unwrap();

        assert_eq!(read.hash(), secret.hash());
        assert_eq!(read.form_token(), secret.form_token());
        assert_ne!(secret.form_token(), secret.hash().to_string());
        assert!(!format!("{secret:?} {:?}", secret.hash()).contains(secret.expose()));
        for bad in ["", "xyz", &"g".repeat(64), &"A".repeat(64), &"a".repeat(63)] {
            assert!(bad.parse::<BrowserSecret>().is_err(), "{bad}");
        }
    }

    #[test]
    fn roles_round_trip() {
        for role in [Role::Owner, Role::Viewer] {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("admin".parse::<Role>(), Err(UnknownRole));
    }
}
