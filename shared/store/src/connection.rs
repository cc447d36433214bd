//! One connection type over both databases, and how a fresh connection is set up.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, R2D2Connection as _};
use diesel::{PgConnection, SqliteConnection};

use crate::StoreError;

/// Which database stands behind a [`crate::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A file on this machine.
    Sqlite,
    /// A server, shared by several processes.
    Postgres,
}

/// A connection to either database. Typed queries run on both; `sql_query` may use `$1, $2, …` in order, which both
/// understand, as they do `ON CONFLICT` and `RETURNING`.
#[derive(diesel::MultiConnection)]
#[allow(missing_debug_implementations)] // neither connection has one
pub enum AnyConnection {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

impl AnyConnection {
    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }
}

/// A connection in a pool.
pub(crate) struct Pooled {
    pub(crate) connection: AnyConnection,
    /// When it was last given out.
    pub(crate) used: Instant,
}

/// A connection that was used this recently is taken to work: asking it would cost each use a round trip more.
const FRESH: Duration = Duration::from_secs(1);

/// Opens connections for the pools.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    pub(crate) dialect: Dialect,
    pub(crate) url: String,
    /// PostgreSQL schema of the service, so that services can share one database.
    pub(crate) schema: &'static str,
}

impl Manager {
    pub(crate) fn new(url: &str, schema: &'static str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Self { dialect: Dialect::Sqlite, url: path.to_owned(), schema });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self { dialect: Dialect::Postgres, url: url.to_owned(), schema });
        }
        Err(StoreError::UnsupportedUrl(without_password(url)))
    }

    pub(crate) fn open(&self) -> Result<AnyConnection, StoreError> {
        match self.dialect {
            Dialect::Sqlite => self.open_sqlite(),
            Dialect::Postgres => self.open_postgres(),
        }
    }

    fn open_sqlite(&self) -> Result<AnyConnection, StoreError> {
        let failed =
            |reason: String| StoreError::Connect { dialect: "SQLite", reason: format!("{}: {reason}", self.url) };
        if let Some(folder) = std::path::Path::new(&self.url).parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        }
        let mut connection = SqliteConnection::establish(&self.url).map_err(|error| failed(error.to_string()))?;
        // FULL: a commit is on the disk before it is acknowledged.
        connection
            .batch_execute(
                "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;",
            )
            .map_err(|error| failed(error.to_string()))?;
        Ok(AnyConnection::Sqlite(connection))
    }

    fn open_postgres(&self) -> Result<AnyConnection, StoreError> {
        let failed = |reason: String| StoreError::Connect { dialect: "PostgreSQL", reason };
        let mut connection = PgConnection::establish(&self.url).map_err(|error| failed(error.to_string()))?;
        // Two services starting at once may both find the schema missing; the loser's error is of no interest.
        let created = connection.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema));
        if let Err(error) = created
            && !error.to_string().contains("already exists")
            && !error.to_string().contains("duplicate key")
        {
            return Err(failed(error.to_string()));
        }
        connection
            .batch_execute(&format!("SET search_path TO {}; SET client_min_messages TO warning", self.schema))
            .map_err(|error| failed(error.to_string()))?;
        Ok(AnyConnection::Postgres(connection))
    }
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        Ok(Pooled { connection: self.open()?, used: Instant::now() })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        match &mut pooled.connection {
            _ if pooled.used.elapsed() < FRESH => Ok(()),
            // A file does not go away between two statements; a server does.
            AnyConnection::Sqlite(_) => Ok(()),
            AnyConnection::Postgres(postgres) => Ok(postgres.ping()?),
        }
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        match &mut pooled.connection {
            AnyConnection::Sqlite(sqlite) => sqlite.is_broken(),
            AnyConnection::Postgres(postgres) => postgres.is_broken(),
        }
    }
}

/// The URL as it may stand in an error.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}
