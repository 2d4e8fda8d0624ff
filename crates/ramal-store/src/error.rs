//! What can go wrong between us and the database.

/// A database failure. Conflicts that mean something are return values, not errors.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer in time; waiting may help (503).
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// Anything else; waiting does not help (500).
    #[error("the database failed")]
    Broken(#[source] sqlx::Error),
    /// A stored row makes no sense to this version.
    #[error("column {column} holds a value that makes no sense")]
    Inconsistent {
        /// `table.column`.
        column: &'static str,
    },
    /// The schema cannot be brought up to date.
    #[error("the schema cannot be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A sealed value cannot be opened: the master key is not the one that sealed it.
    #[error("a sealed value cannot be opened with this master key")]
    Sealed(#[source] crate::VaultError),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let busy = matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_))
            || error.as_database_error().is_some_and(|database| {
                // SQLite: 5 is SQLITE_BUSY, with extended codes 261 and 517.
                // PostgreSQL: 55P03 lock_not_available, 53300 too_many_connections,
                // 40001 serialization_failure, 40P01 deadlock_detected.
                database.code().is_some_and(|code| {
                    ["5", "261", "517", "55P03", "53300", "40001", "40P01"].contains(&&*code)
                })
            });
        if busy { Self::Busy(error) } else { Self::Broken(error) }
    }
}

impl From<crate::VaultError> for StoreError {
    fn from(error: crate::VaultError) -> Self {
        Self::Sealed(error)
    }
}
