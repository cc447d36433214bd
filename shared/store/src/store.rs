//! Transactions on threads of their own, with a bound on how many may wait.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::{
    AnsiTransactionManager as Ansi, Connection as _, SimpleConnection as _, TransactionManager as _,
};
use diesel::r2d2::Pool;
use diesel::{QueryResult, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use tokio::sync::Semaphore;

use crate::connection::Manager;
use crate::{AnyConnection, Dialect, StoreError};

/// Operations that may wait for the database before callers are turned away.
const WAITING_MAX: usize = 4096;
/// SQLite has one writer; more connections would only wait for its lock.
const SQLITE_WRITERS: u32 = 1;
const POSTGRES_WRITERS: u32 = 4;
const POSTGRES_JOURNALS: u32 = 2;
const READERS: u32 = 4;
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(15);

/// The migrations of one service, for both databases.
#[allow(missing_debug_implementations)] // EmbeddedMigrations has none
pub struct Migrations {
    /// From `migrations/sqlite`.
    pub sqlite: EmbeddedMigrations,
    /// From `migrations/postgres`.
    pub postgres: EmbeddedMigrations,
}

/// A service's database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    dialect: Dialect,
    writers: Lane,
    journal: Lane,
    readers: Lane,
}

#[derive(Clone)]
struct Lane {
    pool: Pool<Manager>,
    slots: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl Store {
    /// Connects and brings the schema up to date. `service` names the PostgreSQL schema, so that services can share a
    /// database.
    pub async fn open(url: &str, service: &'static str, migrations: Migrations) -> Result<Self, StoreError> {
        let manager = Manager::new(url, service)?;
        blocking(move || Self::open_blocking(manager, migrations)).await
    }

    fn open_blocking(manager: Manager, migrations: Migrations) -> Result<Self, StoreError> {
        let dialect = manager.dialect;
        let migrated = match &mut manager.open()? {
            AnyConnection::Sqlite(connection) => connection.run_pending_migrations(migrations.sqlite).map(drop),
            AnyConnection::Postgres(connection) => connection.run_pending_migrations(migrations.postgres).map(drop),
        };
        migrated.map_err(|error| StoreError::Migrate(error.to_string()))?;
        let (writers, journal) = match dialect {
            Dialect::Sqlite => {
                let writers = Lane::new(manager.clone(), SQLITE_WRITERS, TestOnUse::Yes)?;
                (writers.clone(), writers)
            }
            Dialect::Postgres => (
                Lane::new(manager.clone(), POSTGRES_WRITERS, TestOnUse::Yes)?,
                Lane::new(manager.clone(), POSTGRES_JOURNALS, TestOnUse::No)?,
            ),
        };
        Ok(Self { dialect, writers, journal, readers: Lane::new(manager, READERS, TestOnUse::Yes)? })
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Runs `work` in one transaction and commits it; an error rolls it back. When this returns, the commit is durable.
    /// A caller that stops waiting does not undo a transaction that has begun.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        self.writers.run(|connection| begin(connection, work)).await
    }

    /// As [`Self::write`], on connections of its own that are not tested before each use, which saves a round trip. After
    /// the database was restarted, the first transaction on each fails; and one whose connection broke while it was
    /// committed may have taken effect. Whoever uses it must be able to tell.
    pub async fn journal<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        self.journal.run(|connection| begin(connection, work)).await
    }

    /// As [`Self::journal`], for what is one statement and needs no transaction around it.
    pub async fn journal_at_once<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.journal.run(work).await
    }

    /// As [`Self::write`], but the transaction may be lost with the machine, which saves the sync to disk. For what is
    /// harmless to do again.
    pub async fn write_relaxed<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        self.writers.run(|connection| relaxed(connection, work)).await
    }

    /// Runs `work` on a reader's connection, without a transaction of its own.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers.run(work).await
    }
}

/// SQLite takes its write lock at the beginning: a transaction that reads first and writes then could find that another
/// process wrote in between, and would have to be made again.
fn begin<T, E>(connection: &mut AnyConnection, work: impl FnOnce(&mut AnyConnection) -> Result<T, E>) -> Result<T, E>
where
    E: From<diesel::result::Error>,
{
    match connection.dialect() {
        Dialect::Postgres => connection.transaction(work),
        Dialect::Sqlite => {
            in_sqlite(connection, |sqlite| Ansi::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE"))?;
            match work(connection) {
                Ok(value) => {
                    in_sqlite(connection, Ansi::commit_transaction)?;
                    Ok(value)
                }
                Err(error) => {
                    in_sqlite(connection, Ansi::rollback_transaction)?;
                    Err(error)
                }
            }
        }
    }
}

fn in_sqlite(
    connection: &mut AnyConnection,
    act: impl FnOnce(&mut SqliteConnection) -> QueryResult<()>,
) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(sqlite) => act(sqlite),
        AnyConnection::Postgres(_) => Ok(()),
    }
}

fn relaxed<T, E>(connection: &mut AnyConnection, work: impl FnOnce(&mut AnyConnection) -> Result<T, E>) -> Result<T, E>
where
    E: From<diesel::result::Error>,
{
    match connection.dialect() {
        Dialect::Postgres => connection.transaction(|connection| {
            connection.batch_execute("SET LOCAL synchronous_commit TO off")?;
            work(connection)
        }),
        Dialect::Sqlite => {
            connection.batch_execute("PRAGMA synchronous = NORMAL")?;
            let outcome = begin(connection, work);
            connection.batch_execute("PRAGMA synchronous = FULL")?;
            outcome
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TestOnUse {
    Yes,
    No,
}

impl Lane {
    fn new(manager: Manager, connections: u32, test: TestOnUse) -> Result<Self, StoreError> {
        let dialect = match manager.dialect {
            Dialect::Sqlite => "SQLite",
            Dialect::Postgres => "PostgreSQL",
        };
        let pool = Pool::builder()
            .max_size(connections)
            .min_idle(Some(1))
            .test_on_check_out(test == TestOnUse::Yes)
            .connection_timeout(CHECKOUT_TIMEOUT)
            .build(manager)
            .map_err(|error| StoreError::Connect { dialect, reason: error.to_string() })?;
        let slots = Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(1)));
        Ok(Self { pool, slots, waiting: Arc::new(Semaphore::new(WAITING_MAX)) })
    }

    async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place = self.waiting.clone().try_acquire_owned();
        let place = place.map_err(|_| StoreError::Overloaded { waiting: WAITING_MAX })?;
        // Waiting happens here, not on a blocking thread, so that a slow disk does not use up the threads.
        let slot = self.slots.clone().acquire_owned().await;
        let slot = slot.map_err(|error| StoreError::Abandoned(error.to_string()))?;
        let pool = self.pool.clone();
        blocking(move || {
            let _held = (place, slot);
            let mut connection =
                pool.get().map_err(|error| StoreError::Connect { dialect: "configured", reason: error.to_string() })?;
            connection.used = Instant::now();
            work(&mut connection.connection)
        })
        .await
    }
}

async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Abandoned(error.to_string()).into()),
    }
}
