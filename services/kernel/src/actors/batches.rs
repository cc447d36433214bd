//! Moves batches on: those whose partition this process owns. Each page of runs is committed before its first run is done,
//! and how far a batch is after every few, so that whoever takes it over begins with the runs of which it is not known
//! whether they were done, and does them under the same keys.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use orrery_errors::Error;
use orrery_supervise::TaskSpec;
use orrery_types::{TenantId, UnixMillis};
use tokio::task::JoinSet;

use super::batch_items;
use crate::bus::batch_facts;
use crate::domain::batch::{BatchState, FAILURES_MAX, Item, Operation, Pace, TOGETHER_MAX};
use crate::kernel::Kernel;
use crate::store::{BatchFailureRow, BatchRow, PARTITIONS, Progress, RunFilter, Written};

/// How soon a new batch, or one of another process, is taken up.
const LOOK: Duration = Duration::from_millis(500);
/// Batches that one process moves on at once.
const DRIVEN_MAX: i64 = 256;
/// Runs of one page.
const PAGE: i64 = 500;
/// Longest wait between two looks at a batch, so that one that is stopped stops soon.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Runs done at the same time.
const AT_ONCE: usize = 16;
/// Longest reason that is kept of a failure.
const REASON_CHARS_MAX: usize = 1_000;

/// The supervised task.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("batches", move |task| {
        let kernel = kernel.clone();
        async move {
            tokio::select! {
                () = run(kernel) => Ok::<(), Error>(()),
                () = task.draining() => Ok(()),
            }
        }
    })
}

/// Takes batches up as they come. What is dropped with this is gone on with by whoever owns the batch then.
async fn run(kernel: Arc<Kernel>) {
    let mut driven: JoinSet<String> = JoinSet::new();
    let mut names: HashSet<String> = HashSet::new();
    loop {
        let owned: Vec<i32> = (0..PARTITIONS).filter(|partition| kernel.owns(*partition)).collect();
        match kernel.store.batches_running(owned, DRIVEN_MAX).await {
            Ok(rows) => {
                for row in rows {
                    if names.insert(row.id.clone()) {
                        driven.spawn(drive(kernel.clone(), row));
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "batches cannot be looked at"),
        }
        let until = tokio::time::Instant::now() + LOOK;
        while let Ok(Some(ended)) = tokio::time::timeout_at(until, driven.join_next()).await {
            match ended {
                Ok(name) => drop(names.remove(&name)),
                // Which one it was is not known; each is looked at again, and those that go on are fenced by their own rows.
                Err(error) => {
                    tracing::error!(%error, "a batch was interrupted; all are taken up anew");
                    driven.shutdown().await;
                    names.clear();
                }
            }
        }
        tokio::time::sleep_until(until).await;
    }
}

/// Moves a batch on until it is over, held, or somebody else's.
async fn drive(kernel: Arc<Kernel>, row: BatchRow) -> String {
    let id = row.id.clone();
    let mut pace = Pace::new(row.rate, UnixMillis::now());
    loop {
        match step(&kernel, &row, &mut pace).await {
            Ok(true) => {}
            Ok(false) => return id,
            Err(error) => {
                tracing::warn!(batch.id = %id, %error, "a batch does not move on");
                tokio::time::sleep(WAIT_MAX).await;
                return id;
            }
        }
    }
}

/// Reads a page, does some runs of it, or waits; false: there is nothing more to do here.
async fn step(kernel: &Arc<Kernel>, row: &BatchRow, pace: &mut Pace) -> Result<bool, Error> {
    let Some(epoch) = kernel.ownership.epoch(row.partition) else { return Ok(false) };
    let Some(row) = kernel.store.batch(row.tenant.clone(), row.id.clone()).await? else { return Ok(false) };
    if row.state() != BatchState::Running {
        return Ok(false);
    }
    let (Ok(tenant), Some(operation)) = (TenantId::new(&row.tenant), row.operation()) else {
        tracing::error!(batch.id = %row.id, "a batch cannot be read; a newer kernel may go on with it");
        return Ok(false);
    };
    let page: Vec<String> = serde_json::from_str(&row.page).unwrap_or_default();
    if page.is_empty() {
        return turn_page(kernel, &row, epoch).await;
    }
    let count = match pace.take(page.len(), UnixMillis::now()) {
        Ok(count) => count,
        Err(at) => {
            tokio::time::sleep(at.since(UnixMillis::now()).min(WAIT_MAX)).await;
            return Ok(true);
        }
    };
    let (now, later) = page.split_at(count.min(page.len()));
    let (mut tally, mut failures) = (row.tally(), Vec::new());
    for (run, item) in perform(kernel, &tenant, &row, &operation, now).await {
        tally.add(&item);
        if let Item::Failed { code, reason } = item
            && tally.failed <= FAILURES_MAX
        {
            let reason = reason.chars().take(REASON_CHARS_MAX).collect();
            failures.push(BatchFailureRow { batch_id: row.id.clone(), run_id: run, code, reason, at_ms: now_ms() });
        }
    }
    let progress = Progress { page: later.to_vec(), tally, failures, ..Progress::at(&row, epoch) };
    write(kernel, progress).await
}

/// Does some runs at once; gives each with what came of it.
async fn perform(
    kernel: &Arc<Kernel>,
    tenant: &TenantId,
    row: &BatchRow,
    operation: &Operation,
    runs: &[String],
) -> Vec<(String, Item)> {
    debug_assert!(runs.len() <= TOGETHER_MAX, "more than may be done again");
    let one = |run: String| async move {
        let item = batch_items::perform(kernel, tenant, row, operation, &run).await;
        (run, item)
    };
    let doing: Vec<_> = runs.iter().cloned().map(one).collect();
    stream::iter(doing).buffered(AT_ONCE).collect().await
}

/// Commits the next page; after the last one the batch is through.
async fn turn_page(kernel: &Kernel, row: &BatchRow, epoch: i64) -> Result<bool, Error> {
    let filter: RunFilter = serde_json::from_str(&row.filter).map_err(|error| {
        Error::new(orrery_errors::ErrorCode::DataCorrupted, format!("the filter of {} cannot be read: {error}", row.id))
    })?;
    let ids = kernel.store.run_ids(row.tenant.clone(), filter, row.after_run.clone(), PAGE).await?;
    if let Some(last) = ids.last().cloned() {
        return write(kernel, Progress { after_run: last, page: ids, ..Progress::at(row, epoch) }).await;
    }
    let mut tally = row.tally();
    tally.close();
    let messages = batch_facts::changed(row, BatchState::Finished, &row.created_by, tally, UnixMillis::now());
    write(kernel, Progress { tally, finished: Some(messages), ..Progress::at(row, epoch) }).await?;
    kernel.outbox.wake();
    tracing::info!(batch.id = %row.id, done = tally.done, failed = tally.failed, skipped = tally.skipped, "a batch is through");
    Ok(false)
}

async fn write(kernel: &Kernel, progress: Progress) -> Result<bool, Error> {
    let id = progress.id.clone();
    let written = kernel.store.advance_batch(progress).await?;
    if written == Written::Fenced {
        tracing::info!(batch.id = %id, "another kernel goes on with a batch");
    }
    Ok(written == Written::Done)
}

fn now_ms() -> i64 {
    i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX)
}

impl Progress {
    /// Where a batch stands now.
    fn at(row: &BatchRow, epoch: i64) -> Self {
        Self {
            id: row.id.clone(),
            fence: (row.partition, epoch),
            after_run: row.after_run.clone(),
            page: Vec::new(),
            tally: row.tally(),
            failures: Vec::new(),
            finished: None,
            now_ms: now_ms(),
        }
    }
}
