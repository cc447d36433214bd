//! One run of a batch. What is begun anew queues like any other start and is begun once for a key made of the batch and the
//! run; a signal is taken once for that key; cancelling, ending and migrating twice is the same as once. So doing a run again
//! after a crash does nothing more, and counts as done by this batch.

use std::time::Duration;

use orrery_errors::Error;
use orrery_types::{Sha256Digest, TaskId, TenantId};

use super::partition::Start;
use crate::domain::batch::{Item, Operation};
use crate::domain::command::{Command, Reject, Restart, Signal, Target};
use crate::domain::event::Fact;
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::restarts::{Anew, NewRun};
use crate::store::{BatchRow, RunRow, StartKey, status};

/// Tries before a run counts as failed because something was away: half a minute.
const TRIES: u32 = 9;
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Does one run; what is away for a moment is waited for.
pub async fn perform(kernel: &Kernel, tenant: &TenantId, batch: &BatchRow, operation: &Operation, run: &str) -> Item {
    let mut pause = PAUSE_FIRST;
    for _ in 1..TRIES {
        match attempt(kernel, tenant, batch, operation, run).await {
            Err(error) if error.code.retryable() => {
                tracing::debug!(batch.id = %batch.id, task.id = %run, %error, "a run of a batch has to wait");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            outcome => return outcome.unwrap_or_else(failed),
        }
    }
    attempt(kernel, tenant, batch, operation, run).await.unwrap_or_else(failed)
}

fn failed(error: Error) -> Item {
    Item::Failed { code: error.code.as_str().to_owned(), reason: error.message }
}

/// The key of a run of a batch.
fn key(batch: &BatchRow, run: &TaskId) -> String {
    format!("batch/{}/{run}", batch.id)
}

async fn attempt(
    kernel: &Kernel,
    tenant: &TenantId,
    batch: &BatchRow,
    operation: &Operation,
    run: &str,
) -> Result<Item, Error> {
    let Some(row) = kernel.store.run(tenant.to_string(), run.to_owned()).await? else { return Ok(Item::Skipped) };
    let Ok(run) = TaskId::new(&row.id) else { return Ok(Item::Skipped) };
    let (by, reason) = (batch.created_by.clone(), reason(batch));
    let command = match operation {
        Operation::Retry => return anew(kernel, tenant, batch, &row, Restart::Retry, ("".into(), None)).await,
        Operation::Reset { pointer, iteration } => {
            return anew(kernel, tenant, batch, &row, Restart::Reset, (pointer.clone(), *iteration)).await;
        }
        Operation::Cancel => Command::Cancel { by, reason },
        Operation::Terminate => Command::Terminate { by, reason, replaced_by: None },
        Operation::Signal { name, payload } => Command::Signal(Box::new(Signal {
            key: key(batch, &run),
            name: name.clone(),
            payload: payload.clone(),
            by,
        })),
        Operation::Migrate { workflow, definition } => {
            if row.definition_hash == definition.to_string() {
                return Ok(Item::Done);
            }
            let target = kernel.definitions.pinned(tenant.as_str(), &definition.to_string()).await?;
            let target = Target { workflow: workflow.clone(), definition: *definition, shape: target.shape() };
            Command::Migrate { target: Box::new(target), by }
        }
    };
    match kernel.act(tenant, &run, command).await {
        Ok(_) => Ok(Item::Done),
        Err(ActError::Rejected(Reject::Over) | ActError::Unknown) => {
            Ok(if did_it(kernel, tenant, batch, operation, &run).await? { Item::Done } else { Item::Skipped })
        }
        Err(error) => Err(error.into()),
    }
}

/// Why, for the record of the run; it names the batch.
fn reason(batch: &BatchRow) -> String {
    match batch.reason.as_str() {
        "" => batch.id.clone(),
        reason => format!("{reason} ({})", batch.id),
    }
}

/// Whether a run that is over had its turn in this batch before: the process ended before that was written.
async fn did_it(
    kernel: &Kernel,
    tenant: &TenantId,
    batch: &BatchRow,
    operation: &Operation,
    run: &TaskId,
) -> Result<bool, Error> {
    let history = kernel.history(tenant, run).await?;
    Ok(match operation {
        Operation::Signal { .. } => {
            let key = key(batch, run);
            let sent = |fact: &Fact| matches!(fact, Fact::SignalReceived { signal, .. } if signal.key == key);
            history.iter().any(|event| sent(&event.fact))
        }
        Operation::Cancel | Operation::Terminate => {
            let expected = reason(batch);
            let ended = history.last().map(|event| &event.fact);
            matches!(ended, Some(Fact::Cancelled { reason, .. }) if *reason == expected)
        }
        Operation::Retry | Operation::Reset { .. } | Operation::Migrate { .. } => false,
    })
}

async fn anew(
    kernel: &Kernel,
    tenant: &TenantId,
    batch: &BatchRow,
    row: &RunRow,
    how: Restart,
    (pointer, iteration): (crate::domain::definition::Pointer, Option<u32>),
) -> Result<Item, Error> {
    let run = TaskId::new(&row.id).map_err(|error| Error::internal(&error))?;
    let key = key(batch, &run);
    if kernel.store.started(tenant.to_string(), key.clone()).await?.is_some() {
        return Ok(Item::Done);
    }
    if how == Restart::Retry {
        // One that somebody has begun anew already would run twice.
        let again = kernel.store.begun_anew_from(tenant.to_string(), row.id.clone()).await?.is_some();
        if again || row.status != status::FAULTED {
            return Ok(Item::Skipped);
        }
    }
    let anew = Anew { how, pointer, iteration, by: batch.created_by.clone(), reason: reason(batch) };
    let new = kernel.begin_anew(tenant, row, anew).await?;
    if how == Restart::Reset {
        kernel.replace(tenant, row, &new).await?;
    }
    let NewRun { run, definition, beginning, .. } = new;
    let request_digest = Sha256Digest::of(key.as_bytes()).to_string();
    let start = Start { run, definition, key: Some(StartKey { key, request_digest }) };
    // Pending first, whatever room there is: its turn comes by weight and priority, within the limits.
    match kernel.start_by(start, Command::AcceptRestart(Box::new(beginning))).await {
        Ok(_) | Err(ActError::Duplicate { .. }) => Ok(Item::Done),
        Err(error) => Err(error.into()),
    }
}
