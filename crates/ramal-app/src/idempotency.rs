//! `Idempotency-Key`: the same request twice is done once (contract C.21).

use ramal_store::{Claim, StoredAnswer};
use sha2::{Digest as _, Sha256};

use crate::{App, AppError, Caller, Refusal};

/// Longest key that is accepted, in characters.
const KEY_MAX: usize = 255;

/// A well-formed `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks the header's value.
    ///
    /// # Errors
    ///
    /// [`Refusal::IdempotencyKeyInvalid`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let length = text.chars().count();
        if length == 0 || length > KEY_MAX || text.chars().any(char::is_control) {
            return Err(Refusal::IdempotencyKeyInvalid);
        }
        Ok(Self(text.to_owned()))
    }
}

/// How to go on with a request that carries a key.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// Do it, then [`App::remember`] or [`App::forget_attempt`].
    Do(Claimed),
    /// It was done: answer so again.
    Replay(StoredAnswer),
}

/// A claimed key.
#[derive(Clone, Debug)]
pub struct Claimed {
    scope: String,
    key: String,
}

impl App {
    /// Claims `key` for a request of `caller` to `operation` with `body`.
    ///
    /// # Errors
    ///
    /// [`Refusal::IdempotencyKeyReused`] and [`Refusal::IdempotencyKeyInUse`].
    pub async fn attempt(
        &self,
        caller: &Caller,
        operation: &str,
        key: &IdempotencyKey,
        body: &[u8],
    ) -> Result<Attempt, AppError> {
        // A number key's scope would change when the key is re-pointed; the key's id does not.
        let scope = format!("{}/{}/{operation}", caller.tenant(), caller.key.id);
        let fingerprint = hex::encode(Sha256::digest(body));
        let mut tx = self.store.begin().await?;
        let claim = tx.idempotency().claim(&scope, &key.0, &fingerprint, self.clock.now()).await?;
        tx.commit().await?;
        match claim {
            Claim::Fresh => Ok(Attempt::Do(Claimed { scope, key: key.0.clone() })),
            Claim::InUse => Err(Refusal::IdempotencyKeyInUse.into()),
            Claim::Reused => Err(Refusal::IdempotencyKeyReused.into()),
            Claim::Replay(answer) => Ok(Attempt::Replay(answer)),
        }
    }

    /// Remembers a successful answer for a day.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn remember(&self, claimed: &Claimed, answer: &StoredAnswer) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.idempotency().settle(&claimed.scope, &claimed.key, answer).await?;
        Ok(tx.commit().await?)
    }

    /// Gives a key back after a failure: it may be used again.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn forget_attempt(&self, claimed: &Claimed) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.idempotency().release(&claimed.scope, &claimed.key).await?;
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_length_and_no_control_characters() {
        assert!(IdempotencyKey::parse(&"k".repeat(255)).is_ok());
        for bad in [String::new(), "k".repeat(256), "a\nb".to_owned()] {
            assert_eq!(IdempotencyKey::parse(&bad), Err(Refusal::IdempotencyKeyInvalid));
        }
    }
}
