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

impl Dialect {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
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
    /// Whether what it was last given out for failed.
    pub(crate) failed: bool,
}

/// A connection that was used this recently is taken to work: asking it would cost each use a round trip more.
const FRESH: Duration = Duration::from_secs(1);

/// How libpq notices that the other side is gone: when it does not take what is sent, does not answer while the connection
/// is made, or does not acknowledge a probe of an idle connection. A URL that sets one of these keeps its own.
const NETWORK: [(&str, &str); 5] = [
    ("connect_timeout", "4"),
    ("tcp_user_timeout", "8000"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
];
/// How PostgreSQL notices that this side is gone.
const SERVER_SIDE: &str = "SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2; SET tcp_keepalives_count TO 3; \
     SET tcp_user_timeout TO 8000";

/// What PostgreSQL ends by itself, since whoever should do it may be gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A statement that takes longer.
    pub(crate) statement: Duration,
    /// A transaction that stands still for longer.
    pub(crate) idle: Duration,
}

/// Opens connections for the pools.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    pub(crate) dialect: Dialect,
    pub(crate) url: String,
    /// PostgreSQL schema of the service, so that services can share one database.
    pub(crate) schema: &'static str,
    /// None for migrations, which take as long as they must.
    limits: Option<Limits>,
}

impl Manager {
    pub(crate) fn new(url: &str, schema: &'static str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Self { dialect: Dialect::Sqlite, url: path.to_owned(), schema, limits: None });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self { dialect: Dialect::Postgres, url: with_network_limits(url), schema, limits: None });
        }
        Err(StoreError::UnsupportedUrl(without_password(url)))
    }

    pub(crate) fn limited(&self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self.clone() }
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
        // FULL: a commit is on the disk before it is acknowledged. Checkpoints have a thread of their own, and take place in
        // a commit only should that fall behind.
        connection
            .batch_execute(
                "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;
                 PRAGMA wal_autocheckpoint = 16384;",
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
            .batch_execute(&format!(
                "SET search_path TO {}; SET client_min_messages TO warning; {SERVER_SIDE}",
                self.schema
            ))
            .map_err(|error| failed(error.to_string()))?;
        if let Some(Limits { statement, idle }) = self.limits {
            let (statement, idle) = (statement.as_millis(), idle.as_millis());
            let limits =
                format!("SET statement_timeout TO {statement}; SET idle_in_transaction_session_timeout TO {idle}");
            connection.batch_execute(&limits).map_err(|error| failed(error.to_string()))?;
        }
        Ok(AnyConnection::Postgres(connection))
    }
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        Ok(Pooled { connection: self.open()?, used: Instant::now(), failed: false })
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
            // Diesel misses a connection that is found broken as a statement is prepared. It would be given out again and
            // again: those in constant use count as fresh, and some are never tried.
            AnyConnection::Postgres(postgres) => postgres.is_broken() || (pooled.failed && postgres.ping().is_err()),
        }
    }
}

fn with_network_limits(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in NETWORK {
        if !url.contains(&format!("{name}=")) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{name}={value}"));
        }
    }
    url
}

/// The URL as it may stand in an error.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_own_limits() {
        let limited = with_network_limits("postgres://a@b/c?connect_timeout=9");
        assert!(limited.starts_with("postgres://a@b/c?connect_timeout=9&tcp_user_timeout=8000&"), "{limited}");
        assert_eq!(limited.matches("connect_timeout").count(), 1);
        assert!(with_network_limits("postgres://a@b/c").starts_with("postgres://a@b/c?connect_timeout=4&"));
    }
}
