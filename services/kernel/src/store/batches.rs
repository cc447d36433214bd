//! Batches: what was asked for, how far each is, and what it could not do. Only the owner of a batch's partition moves it
//! on, fenced by the partition's epoch as moves of runs are (K-9).

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use orrery_store::outbox::{self, Message};
use orrery_store::{AnyConnection, StoreError};
use orrery_types::{BatchId, Sha256Digest, TenantId};

use super::changes::ORIGIN;
use super::queries::{Page, RunFilter, met};
use super::schema::{batch_failures, batches, partitions, run_attributes, runs};
use super::{KernelStore, PARTITIONS};
use crate::domain::batch::{BatchState, FAILURES_MAX, Operation, Tally};

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = batches)]
#[allow(missing_docs)] // the columns are those of the batch
pub struct BatchRow {
    pub id: String,
    pub tenant: String,
    pub partition: i32,
    pub idempotency_key: String,
    pub request_digest: String,
    /// In JSON.
    pub operation: String,
    /// In JSON.
    pub filter: String,
    /// Runs in a thousand seconds.
    pub rate: i64,
    pub created_by: String,
    pub reason: String,
    pub state: String,
    /// The last run whose page was read.
    pub after_run: String,
    /// Runs that have not had their turn, of the pages read so far: a list in JSON.
    pub page: String,
    pub total: i64,
    pub done: i64,
    pub failed: i64,
    pub skipped: i64,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub finished_ms: i64,
}

impl BatchRow {
    /// How it stands.
    pub fn state(&self) -> BatchState {
        BatchState::of(&self.state).unwrap_or(BatchState::Cancelled)
    }

    /// How far it is.
    pub fn tally(&self) -> Tally {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        Tally {
            total: count(self.total),
            done: count(self.done),
            failed: count(self.failed),
            skipped: count(self.skipped),
        }
    }

    /// What it does; none: a newer kernel wrote it.
    pub fn operation(&self) -> Option<Operation> {
        serde_json::from_str(&self.operation).ok()
    }
}

/// A run that a batch could not do.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = batch_failures)]
#[allow(missing_docs)]
pub struct BatchFailureRow {
    pub batch_id: String,
    pub run_id: String,
    pub code: String,
    pub reason: String,
    pub at_ms: i64,
}

/// What became of a new batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New,
    /// The key had made this one.
    Seen(Box<BatchRow>),
    /// The tenant has as many under way as it may.
    Full,
}

/// How far the owner of a batch has come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The batch.
    pub id: String,
    /// Its partition, and the epoch under which it must be owned.
    pub fence: (i32, i64),
    /// The last run whose page was read.
    pub after_run: String,
    /// Runs that have not had their turn.
    pub page: Vec<String>,
    /// So far.
    pub tally: Tally,
    /// Since the last progress.
    pub failures: Vec<BatchFailureRow>,
    /// Whether it is through, unless somebody stopped it meanwhile; and what is published then.
    pub finished: Option<Vec<Message>>,
    /// Unix milliseconds.
    pub now_ms: i64,
}

/// What became of a progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is durable.
    Done,
    /// Another process owns the batch.
    Fenced,
}

/// The partition whose owner moves a batch on.
pub fn partition_of_batch(tenant: &TenantId, batch: &BatchId) -> i32 {
    let digest = Sha256Digest::of(format!("{tenant}/{batch}").as_bytes());
    let [first, second, ..] = *digest.as_bytes();
    i32::from(u16::from_be_bytes([first, second])) % PARTITIONS
}

impl KernelStore {
    /// Adds a batch with what is published of it, unless its key has made one or as many are under way as may be.
    pub async fn create_batch(
        &self,
        row: BatchRow,
        active_max: i64,
        messages: Vec<Message>,
    ) -> Result<Created, StoreError> {
        self.store
            .write(move |connection| {
                // Of two that come at once, the second sees the first. SQLite holds the whole database anyway.
                if let AnyConnection::Postgres(postgres) = connection {
                    postgres.batch_execute("LOCK TABLE batches IN SHARE ROW EXCLUSIVE MODE")?;
                }
                if !row.idempotency_key.is_empty() {
                    let of = batches::table.filter(batches::tenant.eq(&row.tenant));
                    let seen = of.filter(batches::idempotency_key.eq(&row.idempotency_key));
                    if let Some(seen) = seen.first(connection).optional()? {
                        return Ok(Created::Seen(Box::new(seen)));
                    }
                }
                let under_way = batches::table.filter(batches::tenant.eq(&row.tenant));
                let under_way = under_way.filter(batches::finished_ms.eq(0)).count();
                if under_way.get_result::<i64>(connection)? >= active_max {
                    return Ok::<_, StoreError>(Created::Full);
                }
                diesel::insert_into(batches::table).values(&row).execute(connection)?;
                outbox::insert(connection, &messages)?;
                Ok(Created::New)
            })
            .await
    }

    /// A batch of a tenant.
    pub async fn batch(&self, tenant: String, id: String) -> Result<Option<BatchRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(batches::table.find(id).filter(batches::tenant.eq(tenant)).first(connection).optional()?)
            })
            .await
    }

    /// The batch that a key has made.
    pub async fn batch_by_key(&self, tenant: String, key: String) -> Result<Option<BatchRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let of = batches::table.filter(batches::tenant.eq(tenant));
                Ok(of.filter(batches::idempotency_key.eq(key)).first(connection).optional()?)
            })
            .await
    }

    /// A page of batches, newest first; no states: all.
    pub async fn batches(&self, tenant: String, states: Vec<String>, page: Page) -> Result<Vec<BatchRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let mut rows = batches::table.filter(batches::tenant.eq(tenant)).into_boxed();
                if !states.is_empty() {
                    rows = rows.filter(batches::state.eq_any(states));
                }
                if let Some(before) = page.before {
                    rows = rows.filter(batches::id.lt(before));
                }
                Ok(rows.order(batches::id.desc()).limit(page.limit).load(connection)?)
            })
            .await
    }

    /// What a batch could not do, in order of the runs.
    pub async fn batch_failures(&self, id: String) -> Result<Vec<BatchFailureRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = batch_failures::table.filter(batch_failures::batch_id.eq(id));
                Ok(rows.order(batch_failures::run_id).load(connection)?)
            })
            .await
    }

    /// Batches of some partitions that go on, the oldest first.
    pub async fn batches_running(&self, of: Vec<i32>, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = batches::table.filter(batches::state.eq(BatchState::Running.word()));
                let rows = rows.filter(batches::partition.eq_any(of));
                Ok(rows.order(batches::id).limit(limit).load(connection)?)
            })
            .await
    }

    /// Changes how a batch stands, alone with its row. `decide` says the new state and what is published of it; nothing:
    /// it stays as it is. None: there is no such batch.
    pub async fn change_batch<E>(
        &self,
        tenant: String,
        id: String,
        now_ms: i64,
        decide: impl FnOnce(&BatchRow) -> Result<Option<(BatchState, Vec<Message>)>, E> + Send + 'static,
    ) -> Result<Option<BatchRow>, E>
    where
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        self.store
            .write(move |connection| {
                let own = batches::table.find(&id).filter(batches::tenant.eq(&tenant));
                // The update takes the row's lock, so that nobody else reads what is about to change.
                if diesel::update(own).set(batches::id.eq(&id)).execute(connection)? == 0 {
                    return Ok(None);
                }
                let mut row: BatchRow = batches::table.find(&id).first(connection)?;
                if let Some((state, messages)) = decide(&row)? {
                    row.state = state.word().to_owned();
                    row.updated_ms = now_ms;
                    row.finished_ms = if state.is_over() { now_ms } else { 0 };
                    let set = (
                        batches::state.eq(&row.state),
                        batches::updated_ms.eq(row.updated_ms),
                        batches::finished_ms.eq(row.finished_ms),
                    );
                    diesel::update(batches::table.find(&id)).set(set).execute(connection)?;
                    outbox::insert(connection, &messages)?;
                }
                Ok(Some(row))
            })
            .await
    }

    /// Writes how far a batch is.
    pub async fn advance_batch(&self, progress: Progress) -> Result<Written, StoreError> {
        self.store.write(move |connection| advance(connection, &progress)).await
    }

    /// How many runs a filter meets.
    pub async fn count_runs(&self, tenant: String, filter: RunFilter) -> Result<i64, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| Ok(met(&tenant, filter).count().get_result(connection)?))
            .await
    }

    /// Ids of the runs that a filter meets, in order, after one of them.
    pub async fn run_ids(
        &self,
        tenant: String,
        filter: RunFilter,
        after: String,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = met(&tenant, filter).filter(runs::id.gt(after));
                Ok(rows.order(runs::id).select(runs::id).limit(limit).load(connection)?)
            })
            .await
    }

    /// A run that was begun anew from this one.
    pub async fn begun_anew_from(&self, tenant: String, run: String) -> Result<Option<String>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = run_attributes::table.filter(run_attributes::tenant.eq(tenant));
                let rows = rows.filter(run_attributes::name.eq(ORIGIN)).filter(run_attributes::value.eq(run));
                Ok(rows.select(run_attributes::run_id).first(connection).optional()?)
            })
            .await
    }
}

fn advance(connection: &mut AnyConnection, progress: &Progress) -> Result<Written, StoreError> {
    let (partition, epoch) = progress.fence;
    let fence = partitions::table.find(partition).select(partitions::epoch);
    let owned: Option<i64> = match connection {
        AnyConnection::Postgres(postgres) => fence.for_share().get_result(postgres).optional()?,
        AnyConnection::Sqlite(sqlite) => fence.get_result(sqlite).optional()?,
    };
    if owned != Some(epoch) {
        return Ok(Written::Fenced);
    }
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let tally = progress.tally;
    let set = (
        batches::after_run.eq(&progress.after_run),
        batches::page.eq(serde_json::json!(progress.page).to_string()),
        batches::total.eq(count(tally.total)),
        batches::done.eq(count(tally.done)),
        batches::failed.eq(count(tally.failed)),
        batches::skipped.eq(count(tally.skipped)),
        batches::updated_ms.eq(progress.now_ms),
    );
    diesel::update(batches::table.find(&progress.id)).set(set).execute(connection)?;
    let of_batch = batch_failures::table.filter(batch_failures::batch_id.eq(&progress.id));
    let known = match progress.failures.is_empty() {
        true => 0,
        false => of_batch.count().get_result::<i64>(connection)?,
    };
    let room = usize::try_from(count(FAILURES_MAX) - known).unwrap_or(0);
    for failure in progress.failures.iter().take(room) {
        diesel::insert_into(batch_failures::table).values(failure).execute(connection)?;
    }
    if let Some(messages) = &progress.finished {
        let running = batches::table.find(&progress.id).filter(batches::state.eq(BatchState::Running.word()));
        let set = (batches::state.eq(BatchState::Finished.word()), batches::finished_ms.eq(progress.now_ms));
        if diesel::update(running).set(set).execute(connection)? == 1 {
            outbox::insert(connection, messages)?;
        }
    }
    Ok(Written::Done)
}
