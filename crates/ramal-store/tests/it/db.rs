//! A fresh database per test, of either kind.

use std::{panic::AssertUnwindSafe, panic::resume_unwind};

use futures_util::FutureExt as _;
use ramal_domain::NodeId;
use ramal_store::{Dialect, MasterKey, Options, Store, Vault};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};

/// Connections per store: enough for the tests that race.
const CONNECTIONS: u32 = 6;

/// A fresh database and a store over it.
pub(crate) struct Db {
    pub(crate) store: Store,
    pub(crate) dialect: Dialect,
    url: String,
}

impl Db {
    async fn open(url: String, dialect: Dialect) -> Self {
        let store = open(&url, MasterKey::mint()).await;
        Self { store, dialect, url }
    }

    /// Changes rows past the store, as another version might have written them.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.dialect {
            Dialect::Sqlite => {
                let mut raw = SqliteConnection::connect(&self.url).await.unwrap();
                raw.execute(sql).await.unwrap();
            }
            Dialect::Postgres => {
                let mut raw = PgConnection::connect(&self.url).await.unwrap();
                raw.execute(sql).await.unwrap();
            }
        }
    }

    /// The same database under another master key.
    pub(crate) async fn with_another_key(&self) -> Store {
        open(&self.url, MasterKey::mint()).await
    }
}

async fn open(url: &str, key: MasterKey) -> Store {
    let options = Options { url: url.into(), max_connections: CONNECTIONS };
    Store::open(&options, Vault::new(key)).await.unwrap()
}

pub(crate) async fn on_sqlite<F: Future<Output = ()>>(case: impl FnOnce(Db) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/ramal.db", folder.path().display());
    case(Db::open(url, Dialect::Sqlite).await).await;
}

pub(crate) async fn on_postgres<F: Future<Output = ()>>(case: impl FnOnce(Db) -> F) {
    let Some(server) = postgres() else { return };
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let name = format!("ramal_test_{}", NodeId::mint());
    // A language's collation, as most servers have it: text order is not byte order there.
    let create = format!(
        "create database {name} template template0 encoding 'UTF8' locale 'C'
         locale_provider icu icu_locale 'en-US'"
    );
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let (base, _database) = server.rsplit_once('/').unwrap();

    let url = format!("{base}/{name}");
    // A case that fails, and a schema that does not migrate, leave no database behind.
    let run = async { case(Db::open(url, Dialect::Postgres).await).await };
    let outcome = AssertUnwindSafe(run).catch_unwind().await;

    let drop = format!("drop database {name} with (force)");
    admin.execute(AssertSqlSafe(drop)).await.unwrap();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

fn postgres() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how the suite learns of a server")]
    std::env::var("RAMAL_TEST_POSTGRES_URL").ok()
}
