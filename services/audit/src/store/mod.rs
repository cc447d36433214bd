//! The log in SQL: leaves, tiles, the one tree row and the dead letters. Owns every statement of the service; leaves
//! are inserted and never touched again.

mod append;
mod dead_letters;
mod proofs;
mod queries;
mod schema;
mod tiles;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use orrery_store::{Migrations, Store, StoreError};

pub use append::{Appended, LogWriter};
pub use dead_letters::DeadLetter;
pub use queries::{Exported, Head};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The log's database. Cheap to clone; anyone may read, only the [`LogWriter`] appends.
#[derive(Debug, Clone)]
pub struct LogStore {
    store: Store,
}

impl LogStore {
    /// Connects and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let migrations = Migrations { sqlite: SQLITE, postgres: POSTGRES };
        Ok(Self { store: Store::open(url, "audit", migrations).await? })
    }
}

/// Sizes and indexes are 63 bits wide in SQL; a log never comes near that.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way; what the database holds was written by [`to_sql`] and is never negative.
pub(crate) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
