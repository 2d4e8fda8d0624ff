//! `Idempotency-Key`: the same request twice is done once (contract C.21).

use std::fmt;

use ramal_domain::Timestamp;
use ramal_store::{Claim, StoredAnswer, Tx};
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
    /// Do it with a [`Memo`]; when that fails, [`App::forget_attempt`].
    Do(Claimed),
    /// It was done: answer so again.
    Replay(StoredAnswer),
}

/// A claimed key.
#[derive(Clone, Debug)]
pub struct Claimed {
    scope: String,
    key: String,
    /// When: another request may have claimed the key since.
    at: Timestamp,
}

/// Remembers the answer to a claimed request for a day, in the same transaction as the fact that it
/// answers: a crash leaves both or neither, so that the same request is never done twice.
pub struct Memo<T> {
    claimed: Claimed,
    render: Render<T>,
}

/// How an outcome is answered.
type Render<T> = Box<dyn FnOnce(&T) -> Result<StoredAnswer, AppError> + Send>;

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("claimed", &self.claimed).finish_non_exhaustive()
    }
}

impl<T: Sync> Memo<T> {
    /// A memo for `claimed`; `render` says how the outcome is answered.
    pub fn new(
        claimed: Claimed,
        render: impl FnOnce(&T) -> Result<StoredAnswer, AppError> + Send + 'static,
    ) -> Self {
        Self { claimed, render: Box::new(render) }
    }

    pub(crate) async fn keep(self, tx: &mut Tx, outcome: &T) -> Result<(), AppError> {
        let answer = (self.render)(outcome)?;
        let Claimed { scope, key, at } = &self.claimed;
        if tx.idempotency().settle((scope, key), *at, &answer).await? {
            return Ok(());
        }
        // It took so long that a repeat has the key: that one does the work, and this is undone.
        Err(Refusal::IdempotencyKeyInUse.into())
    }
}

impl App {
    /// Claims `key` for a request of `caller` to `operation` with `body`. `operation` names the
    /// number as well, where it acts on one.
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
        let scope = format!("{}/{operation}", caller.tenant());
        let fingerprint = hex::encode(Sha256::digest(body));
        let at = self.clock.now();
        let mut tx = self.store.begin().await?;
        let claim = tx.idempotency().claim(&scope, &key.0, &fingerprint, at).await?;
        tx.commit().await?;
        match claim {
            Claim::Fresh => Ok(Attempt::Do(Claimed { scope, key: key.0.clone(), at })),
            Claim::InUse => Err(Refusal::IdempotencyKeyInUse.into()),
            Claim::Reused => Err(Refusal::IdempotencyKeyReused.into()),
            Claim::Replay(answer) => Ok(Attempt::Replay(answer)),
        }
    }

    /// Gives a key back after a failure: it may be used again.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn forget_attempt(&self, claimed: &Claimed) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.idempotency().release((&claimed.scope, &claimed.key), claimed.at).await?;
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
