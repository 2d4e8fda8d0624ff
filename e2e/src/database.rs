//! The product's SQLite file, read past the product: the judge of what it did.

use std::{path::Path, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection as _, FromRow, SqliteConnection, SqlitePool,
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

    /// Changes rows under the running product, as only time does otherwise; returns how many.
    pub async fn change(&self, sql: &str) -> u64 {
        let options = self.0.connect_options().as_ref().clone();
        let options = options.read_only(false).busy_timeout(Duration::from_secs(10));
        let mut connection =
            SqliteConnection::connect_with(&options).await.expect("the database opens");
        let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
        let done = done.unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.expect("the database closes");
        done.rows_affected()
    }

    /// How many rows of a table satisfy a condition, such as `numbers where stage = 'live'`.
    pub async fn count(&self, what: &str) -> i64 {
        let rows: Vec<(i64,)> = self.rows(&format!("select count(*) from {what}")).await;
        rows.first().expect("a count").0
    }
}
