//! The journal and what is derived from it: runs, reviews, keys, registrations. SQL is the truth; memory is a copy.

mod changes;
mod commit;
mod queries;
mod recover;
mod rows;
mod schema;
mod work;

use std::sync::Arc;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use orrery_store::{Migrations, Store, StoreError};
use orrery_types::{Sha256Digest, TaskId, TenantId};

pub use changes::{PendingRow, WorkRow, work_status};
pub use commit::{Committed, Move, StartKey, commit};
pub use queries::{Deployed, Page, ReviewFilter, RunFilter};
pub use recover::Recovered;
pub use work::Beat;
pub use rows::{DefinitionRow, JournalRow, ReviewRow, RunRow, review_status, status};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Virtual partitions; fixed, so that a run never moves to another.
pub const PARTITIONS: i32 = 64;

/// The partition of a run.
pub fn partition_of(tenant: &TenantId, run: &TaskId) -> i32 {
    let digest = Sha256Digest::of(format!("{tenant}/{run}").as_bytes());
    let [first, second, ..] = *digest.as_bytes();
    i32::from(u16::from_be_bytes([first, second])) % PARTITIONS
}

/// The kernel's database.
#[derive(Debug, Clone)]
pub struct KernelStore {
    pub(crate) store: Arc<Store>,
}

impl KernelStore {
    /// Connects and migrates.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Store::open(url, "kernel", Migrations { sqlite: SQLITE, postgres: POSTGRES }).await?;
        Ok(Self { store: Arc::new(store) })
    }

    /// Writes a batch of moves in one transaction.
    pub async fn commit(&self, moves: Vec<Move>) -> Result<Vec<Committed>, StoreError> {
        self.store.write(move |connection| commit(connection, &moves)).await
    }

    /// The outbox's pump.
    pub fn pump(&self) -> orrery_store::outbox::Pump {
        orrery_store::outbox::Pump::new((*self.store).clone())
    }
}
