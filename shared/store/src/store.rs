//! Transactions on threads of their own, with a bound on how many may wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{
    AnsiTransactionManager as Ansi, Connection as _, SimpleConnection as _, TransactionManager as _,
};
use diesel::{QueryResult, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use tokio::sync::watch;

use crate::checkpoint::Checkpoints;
use crate::connection::Manager;
use crate::lane::{Lane, LaneSpec, blocking};
use crate::{AnyConnection, Dialect, StoreError};

/// How long the database may take to answer. A disk that stalls for some seconds is no fault.
const PATIENCE: Duration = Duration::from_secs(60);
/// A transaction whose client is gone is ended by then.
const IDLE: Duration = Duration::from_secs(10);

/// SQLite has one writer; more connections would only wait for its lock.
const WRITER: LaneSpec = LaneSpec { connections: 1, tested: true, answer_within: PATIENCE, idle_within: IDLE };
const WRITERS: LaneSpec = LaneSpec { connections: 4, ..WRITER };
const READERS: LaneSpec = LaneSpec { connections: 4, ..WRITER };
/// Its transactions hold what the successor of a process needs.
const JOURNAL: LaneSpec = LaneSpec {
    connections: 2,
    tested: false,
    answer_within: Duration::from_secs(10),
    idle_within: Duration::from_secs(2),
};
/// Its silence is taken for the database's.
const PULSE: LaneSpec = LaneSpec { connections: 1, tested: false, answer_within: Duration::from_secs(2), ..JOURNAL };

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
    pulse: Lane,
    readers: Lane,
    /// Whether the database is known to be silent.
    silent: Arc<watch::Sender<bool>>,
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
        let (silent, heard) = (Arc::new(watch::channel(false).0), watch::channel(false).1);
        let lane = |spec| Lane::new(&manager, spec, silent.subscribe());
        let readers = lane(READERS)?;
        Ok(match dialect {
            Dialect::Sqlite => {
                let writers = lane(WRITER)?.with_checkpoints(Checkpoints::start(&manager)?);
                Self { dialect, journal: writers.clone(), pulse: writers.clone(), writers, readers, silent }
            }
            Dialect::Postgres => {
                // It has to find out that the database answers again.
                let pulse = Lane::new(&manager, PULSE, heard)?;
                Self { dialect, writers: lane(WRITERS)?, journal: lane(JOURNAL)?, pulse, readers, silent }
            }
        })
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

    /// As [`Self::write_relaxed`], on a connection of its own: neither a disk that is slow to sync nor whatever else waits for
    /// the database delays it, and a database that does not answer within two seconds counts as silent. For showing life.
    pub async fn pulse<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        self.pulse.run(|connection| relaxed(connection, work)).await
    }

    /// Notes whether PostgreSQL is silent, as far as [`Self::pulse`] tells. While it is, nothing else waits for it: what is
    /// under way and what is asked for fails at once, and may be repeated.
    pub fn set_silent(&self, is_silent: bool) {
        if self.dialect == Dialect::Postgres {
            self.silent.send_if_modified(|silent| std::mem::replace(silent, is_silent) != is_silent);
        }
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
                    // A full disk has rolled it back already, and that is then what this says; the first error is the one
                    // to know. The connection counts as broken and is replaced.
                    if let Err(rollback) = in_sqlite(connection, Ansi::rollback_transaction) {
                        tracing::debug!(error = %rollback, "a transaction that failed was not rolled back again");
                    }
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
