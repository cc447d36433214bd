//! What a new owner of a partition begins with: the runs that have something under way, and the errands that are not
//! done. Runs that wait stay rows.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use orrery_errors::{Error, ErrorCode};
use orrery_types::{TaskId, TenantId};

use super::executor::RunErrand;
use crate::domain::command::Reject;
use crate::domain::definition::Definition;
use crate::domain::state::State;
use crate::error::ActError;
use crate::kernel::Kernel;

/// Runs that are read at the same time.
const READS: usize = 4;

/// What was found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Runs that have something under way.
    pub runs: Vec<(Arc<State>, Arc<Definition>)>,
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
    for row in kernel.store.errands(partition).await? {
        match (TenantId::new(&row.tenant), serde_json::from_str(&row.errand)) {
            (Ok(tenant), Ok(errand)) => recovered.errands.push(RunErrand { tenant, id: row.id, errand }),
            (_, errand) => tracing::error!(task.id = %row.run_id, error = ?errand.err(), "an errand cannot be read"),
        }
    }
    Ok(recovered)
}
