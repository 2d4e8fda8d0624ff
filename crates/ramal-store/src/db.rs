//! Connections, transactions and migrations.

use std::time::Duration;

use sqlx::{
    Any, AnyPool, Transaction,
    any::{AnyConnectOptions, AnyPoolOptions},
};

use ramal_domain::NumberId;

use crate::{
    Audit, Deliveries, Epoch, Events, Idempotency, Keys, Messages, Numbers, OfficialNumbers,
    PairingAttempts, PairingLinks, Projects, SessionState, SignupLinks, StoreError, Templates,
    TenantChoices, Tenants, Users, Vault, Webhooks, migrations::migrator,
};

/// How long a request waits for a connection or a lock: well below any client's patience.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which database is behind the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Embedded, one writer at a time.
    Sqlite,
    /// A server, row locks.
    Postgres,
}

/// `[database]`: where state lives.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `sqlite:///path/to/ramal.db` or `postgres://user:password@host/database`.
    pub url: secrecy::SecretString,
    /// Most connections at once (readers, on SQLite).
    pub max_connections: u32,
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    writer: AnyPool,
    reader: AnyPool,
    pub(crate) dialect: Dialect,
    pub(crate) vault: Vault,
}

impl Store {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is not reachable or was migrated by a newer version.
    pub async fn open(options: &Options, vault: Vault) -> Result<Self, StoreError> {
        use secrecy::ExposeSecret as _;
        sqlx::any::install_default_drivers();
        let url = options.url.expose_secret();
        let dialect = if url.starts_with("sqlite:") { Dialect::Sqlite } else { Dialect::Postgres };
        let (writer, reader) = match dialect {
            Dialect::Sqlite => {
                let url = with_create_mode(url);
                // One writer: SQLite has one anyway, and queueing here is fair where its busy
                // handler is not.
                (sqlite_pool(&url, 1).await?, sqlite_pool(&url, options.max_connections).await?)
            }
            Dialect::Postgres => {
                let connect: AnyConnectOptions = url.parse()?;
                let pool = AnyPoolOptions::new()
                    .max_connections(options.max_connections)
                    .acquire_timeout(PATIENCE)
                    .connect_with(connect)
                    .await?;
                (pool.clone(), pool)
            }
        };
        migrator(dialect).run(&writer).await.map_err(StoreError::Migrate)?;
        let store = Self { writer, reader, dialect, vault };
        store.optimize().await?;
        Ok(store)
    }

    /// Has SQLite look at tables that have grown, so that it knows which index serves a statement: to be
    /// done now and then. PostgreSQL does so by itself.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn optimize(&self) -> Result<(), StoreError> {
        if self.dialect == Dialect::Sqlite {
            // All tables, whether this connection has asked them or not; of each some rows only.
            sqlx::query("pragma optimize = 0x10012").execute(&self.writer).await?;
        }
        Ok(())
    }

    /// Begins a unit of work that writes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when no connection or lock is free in time.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let inner = match self.dialect {
            Dialect::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => self.writer.begin().await?,
        };
        Ok(Tx { inner, dialect: self.dialect, vault: self.vault.clone() })
    }

    /// Begins a unit of work that only reads: one consistent picture.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when no connection is free in time.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let inner = self.reader.begin().await?;
        Ok(Tx { inner, dialect: self.dialect, vault: self.vault.clone() })
    }

    /// The stored WhatsApp session of `number`, as seen by the owner that started under `epoch`.
    pub fn session_state(&self, number: NumberId, epoch: Epoch) -> SessionState {
        SessionState::new(self.clone(), number, epoch)
    }

    /// Proves that the database answers.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").execute(&self.reader).await?;
        Ok(())
    }

    /// Closes all connections, after those in use are given back.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// SQLite creates the file only when asked to.
fn with_create_mode(url: &str) -> String {
    if url.contains("mode=") {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}mode=rwc")
}

async fn sqlite_pool(url: &str, connections: u32) -> Result<AnyPool, StoreError> {
    let connect: AnyConnectOptions = url.parse()?;
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                use sqlx::Executor as _;
                // WAL: readers never wait for the writer. `full` makes a commit survive a power
                // cut as well, which is what "no event is ever lost" promises.
                connection.execute("pragma journal_mode = wal").await?;
                connection.execute("pragma synchronous = full").await?;
                connection.execute("pragma foreign_keys = on").await?;
                connection.execute("pragma busy_timeout = 10000").await?;
                Ok(())
            })
        })
        .connect_with(connect)
        .await?;
    Ok(pool)
}

/// A unit of work. Dropping it undoes what it did.
#[derive(Debug)]
pub struct Tx {
    pub(crate) inner: Transaction<'static, Any>,
    pub(crate) dialect: Dialect,
    pub(crate) vault: Vault,
}

impl Tx {
    /// Makes the work permanent.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database refuses; then nothing was done.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await?;
        Ok(())
    }

    /// Customer accounts.
    pub const fn tenants(&mut self) -> Tenants<'_> {
        Tenants(self)
    }

    /// What tenants chose for their pages.
    pub const fn tenant_settings(&mut self) -> TenantChoices<'_> {
        TenantChoices(self)
    }

    /// The people who sign in.
    pub const fn users(&mut self) -> Users<'_> {
        Users(self)
    }

    /// The audit log.
    pub const fn audit(&mut self) -> Audit<'_> {
        Audit(self)
    }

    /// API keys.
    pub const fn keys(&mut self) -> Keys<'_> {
        Keys(self)
    }

    /// WhatsApp numbers.
    pub const fn numbers(&mut self) -> Numbers<'_> {
        Numbers(self)
    }

    /// What official numbers are at Meta.
    pub const fn official(&mut self) -> OfficialNumbers<'_> {
        OfficialNumbers(self)
    }

    /// Hosted links by which a person connects an official number.
    pub const fn signup_links(&mut self) -> SignupLinks<'_> {
        SignupLinks(self)
    }

    /// Pairing attempts.
    pub const fn pairing_attempts(&mut self) -> PairingAttempts<'_> {
        PairingAttempts(self)
    }

    /// Hosted pairing links.
    pub const fn pairing_links(&mut self) -> PairingLinks<'_> {
        PairingLinks(self)
    }

    /// Projects.
    pub const fn projects(&mut self) -> Projects<'_> {
        Projects(self)
    }

    /// Templates of tenants' own.
    pub const fn templates(&mut self) -> Templates<'_> {
        Templates(self)
    }

    /// Webhook endpoints.
    pub const fn webhooks(&mut self) -> Webhooks<'_> {
        Webhooks(self)
    }

    /// The record of what happened.
    pub const fn events(&mut self) -> Events<'_> {
        Events(self)
    }

    /// The outbox.
    pub const fn deliveries(&mut self) -> Deliveries<'_> {
        Deliveries(self)
    }

    /// Messages, in and out.
    pub const fn messages(&mut self) -> Messages<'_> {
        Messages(self)
    }

    /// Remembered answers.
    pub const fn idempotency(&mut self) -> Idempotency<'_> {
        Idempotency(self)
    }

    /// Ends a `select` that is followed by an update of the same row. SQLite's writer already has
    /// the whole database.
    pub(crate) const fn for_update(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for update",
        }
    }

    /// Ends a `select` of a row that others may read and hold as well, but not change.
    pub(crate) const fn for_share(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for share",
        }
    }
}
