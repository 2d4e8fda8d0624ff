//! Passwords: what is asked of them, and how they are kept (argon2id, with its recommended costs).

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::AppError;

/// Shortest password, in characters (NIST SP 800-63B asks for 8 at least, and advises more).
const MIN: usize = 10;
/// Longest password, in bytes: hashing costs time that others wait for.
const MAX: usize = 512;
/// How many are hashed at once: each takes 19 MiB and a processor for a while.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Checks a new password and hashes it, away from the threads that serve requests.
///
/// # Errors
///
/// [`crate::Refusal::Validation`].
pub(crate) async fn hash(password: SecretString) -> Result<SecretString, AppError> {
    let text = password.expose_secret();
    if text.chars().count() < MIN || text.len() > MAX {
        return Err(AppError::invalid(format!("a password has {MIN} characters or more")));
    }
    let _turn = TURNS.acquire().await.map_err(|closed| AppError::Internal(Box::new(closed)))?;
    let hashed = tokio::task::spawn_blocking(move || {
        let hashed = Argon2::default().hash_password(password.expose_secret().as_bytes());
        hashed.map(|hash| SecretString::from(hash.to_string()))
    });
    let hashed = hashed.await.map_err(|panicked| AppError::Internal(Box::new(panicked)))?;
    hashed.map_err(|error| AppError::Internal(Box::new(error)))
}

/// Whether `password` is the one that was hashed. Without a hash it takes as long, and is not: who
/// tries addresses learns nothing from the time.
pub(crate) async fn matches(
    password: SecretString,
    hash: Option<SecretString>,
) -> Result<bool, AppError> {
    if password.expose_secret().len() > MAX {
        return Ok(false);
    }
    let _turn = TURNS.acquire().await.map_err(|closed| AppError::Internal(Box::new(closed)))?;
    let checked = tokio::task::spawn_blocking(move || {
        let password = password.expose_secret().as_bytes();
        let Some(hash) = hash else {
            let _same_work = Argon2::default().hash_password(password);
            return false;
        };
        PasswordHash::new(hash.expose_secret())
            .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
    });
    checked.await.map_err(|panicked| AppError::Internal(Box::new(panicked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[tokio::test]
    async fn a_password_matches_itself_only() {
        let hash = hash(secret("correct horse")).await.unwrap();

        assert!(hash.expose_secret().starts_with("$argon2id$"));
        assert!(matches(secret("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!matches(secret("correct horsf"), Some(hash)).await.unwrap());
        assert!(!matches(secret("correct horse"), None).await.unwrap());
    }

    #[tokio::test]
    async fn short_and_endless_passwords_are_refused() {
        for bad in ["", "ninechars", &"x".repeat(513)] {
            assert!(hash(secret(bad)).await.is_err(), "{}", bad.len());
        }
    }
}
