//! What the WhatsApp library keeps for one number: sealed key-value pairs in named spaces.
//!
//! Every write names the epoch under which its session was started. Once another process has taken
//! the number over, the epoch in `numbers` is higher and the write fails as
//! [`SessionStateError::Fenced`]: two processes never advance one Signal ratchet.

use ramal_domain::{NumberId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{Dialect, Identity, Numbers, Store, StoreError, Tx, VaultError};

/// Rows per multi-row insert. PostgreSQL allows 65,535 parameters, SQLite 32,766; a row has five.
const ROWS_PER_INSERT: usize = 500;

/// The fencing token of a session: grows by one each time a process takes a number over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub(crate) i64);

impl Epoch {
    /// The number behind it, for logs.
    pub const fn value(self) -> i64 {
        self.0
    }
}

/// Why session state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SessionStateError {
    /// Another process owns the number now, or the number is gone. The session must stop.
    #[error("the session's number is owned by another process or gone")]
    Fenced,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SessionStateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<VaultError> for SessionStateError {
    fn from(error: VaultError) -> Self {
        Self::Store(error.into())
    }
}

/// One change of session state.
#[derive(Clone, Debug)]
pub enum StateWrite {
    /// Insert or replace.
    Put {
        /// The kind of record.
        space: &'static str,
        /// Its key within the space.
        key: String,
        /// Its plain value; sealed on the way.
        value: Vec<u8>,
        /// When it may be forgotten.
        expires_at: Option<Timestamp>,
    },
    /// Remove, if present.
    Delete {
        /// The kind of record.
        space: &'static str,
        /// Its key.
        key: String,
    },
    /// Remove everything in a space.
    Clear {
        /// The kind of record.
        space: &'static str,
    },
    /// Remove everything in a space whose key starts with a prefix.
    ClearPrefix {
        /// The kind of record.
        space: &'static str,
        /// What the keys start with.
        prefix: String,
    },
}

impl StateWrite {
    /// A [`StateWrite::Put`] that never expires.
    pub fn put(space: &'static str, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put { space, key: key.into(), value: value.into(), expires_at: None }
    }

    /// A [`StateWrite::Delete`].
    pub fn delete(space: &'static str, key: impl Into<String>) -> Self {
        Self::Delete { space, key: key.into() }
    }
}

/// The stored session of one number. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SessionState {
    store: Store,
    number: NumberId,
    epoch: Epoch,
}

impl SessionState {
    pub(crate) const fn new(store: Store, number: NumberId, epoch: Epoch) -> Self {
        Self { store, number, epoch }
    }

    /// The number whose session this is.
    pub const fn number(&self) -> NumberId {
        self.number
    }

    /// The value under `key`, if there is one.
    ///
    /// # Errors
    ///
    /// [`SessionStateError::Store`].
    pub async fn get(&self, space: &str, key: &str) -> Result<Option<Vec<u8>>, SessionStateError> {
        let mut tx = self.store.read().await?;
        self.get_in(&mut tx, space, key).await
    }

    async fn get_in(
        &self,
        tx: &mut Tx,
        space: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, SessionStateError> {
        let row = sqlx::query(
            "select value from session_state where number_id = $1 and space = $2 and key = $3",
        )
        .bind(self.number.to_string())
        .bind(space)
        .bind(key)
        .fetch_optional(&mut *tx.inner)
        .await?;
        row.map(|row| self.open(space, key, &row.try_get::<Vec<u8>, _>(0)?)).transpose()
    }

    /// All pairs of a space whose key starts with `prefix` (which may be empty), ordered by key.
    ///
    /// # Errors
    ///
    /// [`SessionStateError::Store`].
    pub async fn scan(
        &self,
        space: &str,
        prefix: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, SessionStateError> {
        let mut tx = self.store.read().await?;
        // `substr` and not `like`: keys hold `_` and `%`, and SQLite's `like` folds case.
        let rows = sqlx::query(
            "select key, value from session_state
             where number_id = $1 and space = $2 and substr(key, 1, $3) = $4 order by key",
        )
        .bind(self.number.to_string())
        .bind(space)
        .bind(i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX))
        .bind(prefix)
        .fetch_all(&mut *tx.inner)
        .await?;
        rows.into_iter()
            .map(|row| {
                let key: String = row.try_get(0)?;
                let value = self.open(space, &key, &row.try_get::<Vec<u8>, _>(1)?)?;
                Ok((key, value))
            })
            .collect()
    }

    /// The keys of a space that start with `prefix`, ordered; cheaper than [`SessionState::scan`].
    ///
    /// # Errors
    ///
    /// [`SessionStateError::Store`].
    pub async fn keys(&self, space: &str, prefix: &str) -> Result<Vec<String>, SessionStateError> {
        let mut tx = self.store.read().await?;
        let rows = sqlx::query_scalar(
            "select key from session_state
             where number_id = $1 and space = $2 and substr(key, 1, $3) = $4 order by key",
        )
        .bind(self.number.to_string())
        .bind(space)
        .bind(i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX))
        .bind(prefix)
        .fetch_all(&mut *tx.inner)
        .await?;
        Ok(rows)
    }

    /// Applies `writes` in order, all or none.
    ///
    /// # Errors
    ///
    /// [`SessionStateError::Fenced`] when this session is no longer the owner; nothing is written.
    pub async fn apply(&self, writes: &[StateWrite]) -> Result<(), SessionStateError> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        self.fence(&mut tx).await?;
        self.apply_in(&mut tx, writes).await?;
        tx.commit().await?;
        Ok(())
    }

    /// [`SessionState::apply`], and notes who the number is from now on: a pairing is one fact.
    ///
    /// # Errors
    ///
    /// As [`SessionState::apply`].
    pub async fn apply_for(
        &self,
        writes: &[StateWrite],
        identity: &Identity,
    ) -> Result<(), SessionStateError> {
        let mut tx = self.store.begin().await?;
        self.fence(&mut tx).await?;
        self.apply_in(&mut tx, writes).await?;
        tx.numbers().identify(self.number, self.epoch, identity).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Reads `key`, lets `change` decide, and writes the outcome, atomically: `None` deletes.
    /// Returns the new value.
    ///
    /// # Errors
    ///
    /// As [`SessionState::apply`].
    pub async fn update(
        &self,
        space: &'static str,
        key: &str,
        change: impl FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> + Send,
    ) -> Result<Option<Vec<u8>>, SessionStateError> {
        let mut tx = self.store.begin().await?;
        // The fence locks the number's row, so updates of one number run one after the other.
        self.fence(&mut tx).await?;
        let next = change(self.get_in(&mut tx, space, key).await?);
        let write = match &next {
            Some(value) => StateWrite::put(space, key, value.clone()),
            None => StateWrite::delete(space, key),
        };
        self.apply_in(&mut tx, &[write]).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Reads `keys` of `space`, lets `decide` turn their values (in the order of `keys`) into
    /// writes, and applies those, atomically. For merges of many records at once, and for records
    /// that expire.
    ///
    /// # Errors
    ///
    /// As [`SessionState::apply`].
    pub async fn change(
        &self,
        space: &'static str,
        keys: &[String],
        decide: impl FnOnce(Vec<Option<Vec<u8>>>) -> Vec<StateWrite> + Send,
    ) -> Result<(), SessionStateError> {
        let mut tx = self.store.begin().await?;
        self.fence(&mut tx).await?;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            values.push(self.get_in(&mut tx, space, key).await?);
        }
        self.apply_in(&mut tx, &decide(values)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Removes what expired before `now` in `space`; returns how many.
    ///
    /// # Errors
    ///
    /// As [`SessionState::apply`].
    pub async fn expire(&self, space: &str, now: Timestamp) -> Result<u64, SessionStateError> {
        let mut tx = self.store.begin().await?;
        self.fence(&mut tx).await?;
        let done = sqlx::query(
            "delete from session_state where number_id = $1 and space = $2 and expires_at_ms < $3",
        )
        .bind(self.number.to_string())
        .bind(space)
        .bind(now.as_millis())
        .execute(&mut *tx.inner)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// Forgets the whole session: after a confirmed logout, or before a fresh pairing.
    ///
    /// # Errors
    ///
    /// As [`SessionState::apply`].
    pub async fn wipe(&self) -> Result<(), SessionStateError> {
        let mut tx = self.store.begin().await?;
        self.fence(&mut tx).await?;
        sqlx::query("delete from session_state where number_id = $1")
            .bind(self.number.to_string())
            .execute(&mut *tx.inner)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Fails unless this session still owns its number; keeps it so until the commit.
    async fn fence(&self, tx: &mut Tx) -> Result<(), SessionStateError> {
        let sql = format!("select epoch from numbers where id = $1{}", tx.for_update());
        let epoch: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(self.number.to_string())
            .fetch_optional(&mut *tx.inner)
            .await?;
        if epoch == Some(self.epoch.0) { Ok(()) } else { Err(SessionStateError::Fenced) }
    }

    async fn apply_in(&self, tx: &mut Tx, writes: &[StateWrite]) -> Result<(), SessionStateError> {
        // Runs of puts go as multi-row inserts: pairing writes some 800 prekeys at once.
        for run in writes.chunk_by(|a, b| is_put(a) && is_put(b)) {
            match run {
                [StateWrite::Delete { space, key }] => {
                    sqlx::query(
                        "delete from session_state
                         where number_id = $1 and space = $2 and key = $3",
                    )
                    .bind(self.number.to_string())
                    .bind(*space)
                    .bind(key)
                    .execute(&mut *tx.inner)
                    .await?;
                }
                [StateWrite::Clear { space }] => {
                    sqlx::query("delete from session_state where number_id = $1 and space = $2")
                        .bind(self.number.to_string())
                        .bind(*space)
                        .execute(&mut *tx.inner)
                        .await?;
                }
                [StateWrite::ClearPrefix { space, prefix }] => {
                    sqlx::query(
                        "delete from session_state
                         where number_id = $1 and space = $2 and substr(key, 1, $3) = $4",
                    )
                    .bind(self.number.to_string())
                    .bind(*space)
                    .bind(i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX))
                    .bind(prefix)
                    .execute(&mut *tx.inner)
                    .await?;
                }
                puts => self.put_all(tx, puts).await?,
            }
        }
        Ok(())
    }

    async fn put_all(&self, tx: &mut Tx, puts: &[StateWrite]) -> Result<(), SessionStateError> {
        // One statement must not name a row twice (PostgreSQL refuses); the last one wins.
        let mut rows = std::collections::BTreeMap::new();
        for write in puts {
            if let StateWrite::Put { space, key, value, expires_at } = write {
                rows.insert((*space, key.as_str()), (value, *expires_at));
            }
        }
        let rows: Vec<_> = rows.into_iter().collect();
        let number = self.number.to_string();
        for chunk in rows.chunks(ROWS_PER_INSERT) {
            let sql = put_statement(chunk.len());
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(chunk.len() == 1);
            for ((space, key), (value, expires_at)) in chunk {
                query = query
                    .bind(&number)
                    .bind(*space)
                    .bind(*key)
                    .bind(self.store.vault.seal(&["session_state", &number, space, key], value)?)
                    .bind(expires_at.map(Timestamp::as_millis));
            }
            query.execute(&mut *tx.inner).await?;
        }
        Ok(())
    }

    fn open(&self, space: &str, key: &str, sealed: &[u8]) -> Result<Vec<u8>, SessionStateError> {
        let number = self.number.to_string();
        Ok(self.store.vault.open(&["session_state", &number, space, key], sealed)?)
    }

    /// Which database this session is kept in.
    pub const fn dialect(&self) -> Dialect {
        self.store.dialect
    }
}

impl Numbers<'_> {
    /// Removes session state that has expired, up to `limit` records, also of numbers that no client
    /// runs for: among it are messages, kept to be sent again. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn expire_state(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "delete from session_state where (number_id, space, key) in
               (select number_id, space, key from session_state
                where expires_at_ms < $1 limit $2)",
        )
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected())
    }
}

const fn is_put(write: &StateWrite) -> bool {
    matches!(write, StateWrite::Put { .. })
}

fn put_statement(rows: usize) -> String {
    use std::fmt::Write as _;
    let mut sql = String::from(
        "insert into session_state (number_id, space, key, value, expires_at_ms) values ",
    );
    for row in 0..rows {
        let first = row * 5;
        let comma = if row == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _infallible = write!(
            sql,
            "{comma}(${}, ${}, ${}, ${}, ${})",
            first + 1,
            first + 2,
            first + 3,
            first + 4,
            first + 5
        );
    }
    sql.push_str(
        " on conflict (number_id, space, key)
          do update set value = excluded.value, expires_at_ms = excluded.expires_at_ms",
    );
    sql
}
