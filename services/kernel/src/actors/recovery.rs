//! What a new owner of a partition begins with: the runs that have something under way, and the errands that are not
//! done. Runs that wait stay rows.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use orrery_errors::{Error, ErrorCode};
use orrery_store::StoreError;
use orrery_types::{TaskId, TenantId};

use super::executor::RunErrand;
use crate::domain::command::Reject;
use crate::domain::definition::Definition;
use crate::domain::state::State;
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::{ErrandRow, partition_of};

/// Runs that are read at the same time.
const READS: usize = 4;

/// Between two tries to read a run.
const AGAIN: Duration = Duration::from_millis(500);

/// A run and its definition.
pub type Run = (Arc<State>, Arc<Definition>);

/// One run and what it still has to tell others.
pub type Found = (Result<Option<Run>, ActError>, Vec<RunErrand>);

/// What was found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Runs that have something under way.
    pub runs: Vec<Run>,
    /// What they still have to tell others.
    pub errands: Vec<RunErrand>,
}

/// Loads a partition. A run whose journal cannot be read stays as it is, and is named in the log.
pub async fn load(kernel: &Kernel, partition: i32) -> Result<Recovered, ActError> {
    let ids = kernel.store.active(partition).await?;
    let reads = stream::iter(ids).map(|(tenant, id)| async move {
        let loaded = match (TenantId::new(&tenant), TaskId::new(&id)) {
            (Ok(tenant), Ok(run)) => kernel.load(&tenant, &run).await,
            _ => Err(Error::new(ErrorCode::DataCorrupted, "its id or tenant is none").into()),
        };
        (id, loaded)
    });
    kernel.admission.recover(kernel, partition).await?;
    let mut recovered = Recovered::default();
    let mut reads = reads.buffered(READS);
    while let Some((id, loaded)) = reads.next().await {
        match loaded {
            Ok(Some(run)) => recovered.runs.push(run),
            Ok(None) | Err(ActError::Rejected(Reject::Over)) => {}
            Err(ActError::Failed(error)) if error.code.retryable() => return Err(error.into()),
            Err(error) => tracing::error!(task.id = %id, %error, "a task cannot go on; it stays where it is"),
        }
    }
    recovered.errands = kernel.store.errands(partition).await?.into_iter().filter_map(decoded).collect();
    Ok(recovered)
}

fn decoded(row: ErrandRow) -> Option<RunErrand> {
    match (TenantId::new(&row.tenant), serde_json::from_str(&row.errand)) {
        (Ok(tenant), Ok(errand)) => Some(RunErrand { tenant, id: row.id, errand }),
        (_, errand) => {
            tracing::error!(task.id = %row.run_id, error = ?errand.err(), "an errand cannot be read");
            None
        }
    }
}

/// Loads one run and its errands, as often as it takes: the database may be what failed. What became of the run's last move
/// is not known, so the database is asked for the run only once the move is written or can no longer be: read before that,
/// the run would go on here from a state that is over, and what the move asks for would be done by nobody.
pub async fn load_one(kernel: &Kernel, tenant: &TenantId, run: &TaskId) -> Found {
    loop {
        let error = match read_back(kernel, tenant, run).await {
            Ok((Err(ActError::Failed(error)), _)) if error.code.retryable() => error,
            Ok(found) => return found,
            Err(error) => error.into(),
        };
        tracing::warn!(task.id = %run, %error, "a task is not read back yet");
        tokio::time::sleep(AGAIN).await;
    }
}

async fn read_back(kernel: &Kernel, tenant: &TenantId, run: &TaskId) -> Result<Found, StoreError> {
    kernel.store.settled(partition_of(tenant, run)).await?;
    let errands = kernel.store.errands_of(run.to_string()).await?;
    Ok((kernel.load(tenant, run).await, errands.into_iter().filter_map(decoded).collect()))
}
