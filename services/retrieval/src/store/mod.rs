//! Collections in SQL: the truth that indexes in memory are built from. Owns every statement of the service; every one
//! that touches knowledge names the tenant, but for the one that reads everything at the start.

mod load;
mod replace;
mod schema;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use orrery_proto::v1::AuditRecord;
use orrery_store::outbox::{self, Pump};
use orrery_store::{AnyConnection, Migrations, Store, StoreError};
use orrery_types::TenantId;

use crate::error::RetrievalError;

pub use replace::{NewChunk, NewDocument, Removal, Replaced};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Documents in one collection.
pub const DOCUMENTS_MAX: i64 = 10_000;
/// Chunks in one collection; all of them are held in memory.
pub const COLLECTION_CHUNKS_MAX: i64 = 100_000;
/// Collections of one tenant.
pub const COLLECTIONS_MAX: i64 = 1_000;

/// Names a collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
}

/// The service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KnowledgeStore {
    store: Store,
    pump: Pump,
}

impl KnowledgeStore {
    /// Connects and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Store::open(url, "retrieval", Migrations { sqlite: SQLITE, postgres: POSTGRES }).await?;
        Ok(Self { pump: Pump::new(store.clone()), store })
    }

    /// Carries audit records to the bus.
    pub fn pump(&self) -> &Pump {
        &self.pump
    }

    /// Keeps a record that belongs to no change of the store. It is durable when this returns.
    pub async fn report(&self, record: AuditRecord) -> Result<(), RetrievalError> {
        let write = move |connection: &mut AnyConnection| {
            Ok::<_, RetrievalError>(outbox::insert(connection, &[crate::records::message(&record)])?)
        };
        self.store.write(write).await?;
        self.pump.wake();
        Ok(())
    }

    /// Records that the bus has not taken yet.
    pub async fn unsent(&self) -> Result<i64, RetrievalError> {
        self.store.read(|connection| Ok(outbox::pending(connection)?)).await
    }
}

/// Counts and times are 63 bits wide in SQL.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way; what the database holds was written by [`to_sql`] and is never negative.
fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
