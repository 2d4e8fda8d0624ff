//! The product's SQLite file, read past the product: the judge of what it did.

use std::path::Path;

use sqlx::{
    AssertSqlSafe, FromRow, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow},
};

/// A reader of the database, which may be used while the product runs or lies dead.
#[derive(Clone, Debug)]
pub struct Database(SqlitePool);

impl Database {
    /// Opens the database in a data folder when it is first asked.
    pub(crate) fn of(data: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(data.join("ramal.db")).read_only(true);
        Self(SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options))
    }

    /// All rows of a question.
    pub async fn rows<T>(&self, sql: &str) -> Vec<T>
    where
        T: for<'row> FromRow<'row, SqliteRow> + Send + Unpin,
    {
        sqlx::query_as(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&self.0)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// How many rows of a table satisfy a condition, such as `numbers where stage = 'live'`.
    pub async fn count(&self, what: &str) -> i64 {
        let rows: Vec<(i64,)> = self.rows(&format!("select count(*) from {what}")).await;
        rows.first().expect("a count").0
    }
}
