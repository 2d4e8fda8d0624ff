//! Remembered answers to requests that carried an `Idempotency-Key` (contract C.21).

use std::time::Duration;

use ramal_domain::Timestamp;
use sqlx::Row as _;

use crate::{StoreError, Tx};

/// A claim that nobody settled in this time was lost with its process and may be taken over. A request
/// that takes longer after all finds its claim gone: when it was made tells one from the next.
const CLAIM_LEASE: Duration = Duration::from_mins(2);
/// How long answers are remembered.
const MEMORY: Duration = Duration::from_hours(24);

/// The outcome of claiming a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody used this key: do the work, then settle or release what was claimed at this moment.
    Fresh,
    /// The same request is still being worked on.
    InUse,
    /// The key was used for another request.
    Reused,
    /// The same request was answered before: answer so again.
    Replay(StoredAnswer),
}

/// A remembered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: String,
}

/// Remembered answers.
#[derive(Debug)]
pub struct Idempotency<'a>(pub(crate) &'a mut Tx);

impl Idempotency<'_> {
    /// Claims `key` within `scope` for the request that `fingerprint` stands for.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn claim(
        &mut self,
        scope: &str,
        key: &str,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        // What is forgotten, and what a dead process left behind, makes room first.
        sqlx::query(
            "delete from idempotency where scope = $1 and key = $2
             and (created_at_ms < $3 or (status is null and created_at_ms < $4))",
        )
        .bind(scope)
        .bind(key)
        .bind(now.before(MEMORY).as_millis())
        .bind(now.before(CLAIM_LEASE).as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        let done = sqlx::query(
            "insert into idempotency (scope, key, fingerprint, created_at_ms)
             values ($1, $2, $3, $4) on conflict do nothing",
        )
        .bind(scope)
        .bind(key)
        .bind(fingerprint)
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() == 1 {
            return Ok(Claim::Fresh);
        }
        let row = sqlx::query(
            "select fingerprint, status, response from idempotency where scope = $1 and key = $2",
        )
        .bind(scope)
        .bind(key)
        .fetch_one(&mut *self.0.inner)
        .await?;
        if row.try_get::<String, _>("fingerprint")? != fingerprint {
            return Ok(Claim::Reused);
        }
        let (status, body): (Option<i64>, Option<String>) =
            (row.try_get("status")?, row.try_get("response")?);
        let Some(status) = status else { return Ok(Claim::InUse) };
        let inconsistent = StoreError::Inconsistent { column: "idempotency.status" };
        let status = u16::try_from(status).map_err(|_out_of_range| inconsistent)?;
        Ok(Claim::Replay(StoredAnswer { status, body: body.unwrap_or_default() }))
    }

    /// Remembers the answer to a request that was claimed at `claimed_at`. Returns whether the claim
    /// still held: if not, another request has the key, and what this one did must be undone.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn settle(
        &mut self,
        (scope, key): (&str, &str),
        claimed_at: Timestamp,
        answer: &StoredAnswer,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update idempotency set status = $4, response = $5
             where scope = $1 and key = $2 and created_at_ms = $3 and status is null",
        )
        .bind(scope)
        .bind(key)
        .bind(claimed_at.as_millis())
        .bind(i64::from(answer.status))
        .bind(&answer.body)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives a claim of `claimed_at` back, if it still holds: the request failed, and may be tried again
    /// under the same key.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn release(
        &mut self,
        (scope, key): (&str, &str),
        claimed_at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "delete from idempotency
             where scope = $1 and key = $2 and created_at_ms = $3 and status is null",
        )
        .bind(scope)
        .bind(key)
        .bind(claimed_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Gives up every claim that is not settled: for the start of the only process that has any.
    /// Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn release_all(&mut self) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from idempotency where status is null")
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }

    /// Forgets what is older than a day; returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from idempotency where created_at_ms < $1")
            .bind(now.before(MEMORY).as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }
}
