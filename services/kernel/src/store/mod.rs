//! The journal and what is derived from it: runs, reviews, keys, registrations. SQL is the truth; memory is a copy.

mod batches;
mod changes;
mod commit;
mod holds;
mod journal;
mod load;
mod partitions;
mod pauses;
mod pending;
mod plain;
mod queries;
mod retention;
mod reviews;
mod rows;
mod schedules;
mod schema;
mod subscriptions;
mod timers;
mod views;
mod work;

use std::sync::Arc;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use orrery_store::{Dialect, Migrations, Store, StoreError};
use orrery_types::{Sha256Digest, TaskId, TenantId};

pub use batches::{BatchFailureRow, BatchRow, Created, Progress, Written, partition_of_batch};
pub use changes::{ERROR, ORIGIN, PARENT, PendingRow, WorkRow, scope_word, work_status};
pub use commit::{Committed, Entry, Move, SNAPSHOT_EVENTS, StartKey, commit};
pub use holds::Held;
pub use journal::decode;
pub use load::{Found, Stored};
pub use partitions::Cluster;
pub use pauses::{PauseRow, RunName};
pub use queries::{Deployed, Page, RunFilter};
pub use retention::{ArchiveRow, Before, Expired, Remains, Removal, RetentionRow};
pub use reviews::{
    CommentRow, ReviewDetails, ReviewFilter, ReviewOrder, ReviewPage, ReviewRow, ReviewView, VoteRow, Work,
    review_status,
};
pub use rows::{DefinitionRow, ErrandRow, JournalRow, RunRow, ScheduleRow, SnapshotRow, status};
pub use schedules::{NewSchedule, partition_of_schedule};
pub use subscriptions::Listeners;
pub use work::Beat;

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

    /// Whether it can write two batches at the same time.
    pub fn is_parallel(&self) -> bool {
        self.store.dialect() == Dialect::Postgres
    }

    /// Writes a batch in one transaction. Where one entry is in conflict with what is stored, each is written on its own, so
    /// that only that one fails.
    pub async fn commit(&self, batch: Vec<Entry>) -> Result<Vec<Committed>, StoreError> {
        let batch = Arc::new(batch);
        match self.commit_once(batch.clone()).await {
            Err(error) if error.is_unique_violation() => self.commit_each(&batch).await,
            // After a restart of the database each connection fails once. Had the first attempt taken effect, the second
            // would find its places in the journal taken.
            Err(StoreError::Query(error)) => {
                tracing::warn!(%error, "a commit is tried again");
                match self.commit_once(batch.clone()).await {
                    Err(error) if error.is_unique_violation() => self.commit_each(&batch).await,
                    outcome => outcome,
                }
            }
            outcome => outcome,
        }
    }

    async fn commit_once(&self, batch: Arc<Vec<Entry>>) -> Result<Vec<Committed>, StoreError> {
        if self.store.dialect() == Dialect::Postgres && plain::is_plain(&batch) {
            return self.store.journal_at_once(move |connection| plain::write(connection, &batch)).await;
        }
        self.store.journal(move |connection| commit(connection, &batch)).await
    }

    async fn commit_each(&self, batch: &[Entry]) -> Result<Vec<Committed>, StoreError> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for entry in batch {
            match self.commit_once(Arc::new(vec![entry.clone()])).await {
                Ok(outcome) => outcomes.extend(outcome),
                Err(error) if error.is_unique_violation() => {
                    tracing::warn!(%error, "a move's place in the journal is taken");
                    outcomes.push(Committed::Stale);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcomes)
    }

    /// The outbox's pump.
    pub fn pump(&self) -> orrery_store::outbox::Pump {
        orrery_store::outbox::Pump::new((*self.store).clone())
    }
}
