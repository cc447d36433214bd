//! Starts the runs of schedules, each under a key that follows from the definition and what is due, so that a crash or a
//! second kernel starts it once.

use std::sync::Arc;

use orrery_errors::Error;
use orrery_types::{Sha256Digest, TaskId, TenantId, UnixMillis};
use serde_json::Value;
use uuid::Uuid;

use super::partition::Start;
use crate::domain::command::Run;
use crate::domain::definition::Definition;
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::{ScheduleRow, StartKey};

/// Brings an event to a schedule and starts the runs that are due by it.
pub async fn hear(kernel: &Kernel, row: ScheduleRow, event: &Arc<Value>) -> Result<(), Error> {
    let Some(definition) = definition(kernel, &row).await? else { return Ok(()) };
    let (of, heard) = (definition.clone(), event.clone());
    let take = move |gathered: &mut crate::domain::trigger::Gathered| {
        let on = of.schedule.as_ref().and_then(|schedule| schedule.on.as_ref());
        on.is_some_and(|on| gathered.hear(on, &heard, UnixMillis::now()))
    };
    let Some(gathered) = kernel.store.gather(row.clone(), take).await? else { return Ok(()) };
    if gathered.due.is_empty() {
        return Ok(());
    }
    let mut started = Vec::new();
    for due in gathered.due {
        start(kernel, &row, &definition, &due.key, Value::Array(due.events)).await?;
        started.push(due.key);
    }
    let forget = move |gathered: &mut crate::domain::trigger::Gathered| {
        gathered.due.retain(|due| !started.contains(&due.key));
        true
    };
    kernel.store.gather(row, forget).await?;
    Ok(())
}

/// The definition of a schedule, unless it can no longer be had.
pub async fn definition(kernel: &Kernel, row: &ScheduleRow) -> Result<Option<Arc<Definition>>, Error> {
    match kernel.definitions.pinned(&row.tenant, &row.definition_hash).await {
        Ok(definition) => Ok(Some(definition)),
        Err(error) if error.code.retryable() => Err(error),
        Err(error) => {
            tracing::error!(workflow = row.name, %error, "a schedule has no definition");
            Ok(None)
        }
    }
}

/// Starts a run, once for a key. None: it cannot be started, and trying again would not help.
pub async fn start(
    kernel: &Kernel,
    row: &ScheduleRow,
    definition: &Arc<Definition>,
    key: &str,
    input: Value,
) -> Result<Option<TaskId>, Error> {
    let Ok(tenant) = TenantId::new(&row.tenant) else { return Ok(None) };
    let run = Run {
        roles: serde_json::from_str(&row.roles).unwrap_or_default(),
        seed: rand::random(),
        ..Run::of(definition, TaskId::from_uuid(Uuid::now_v7()), tenant, &row.submitted_by, input)
    };
    let key = format!("schedule/{}/{key}", definition.hash);
    let request_digest = Sha256Digest::of(key.as_bytes()).to_string();
    let id = run.id.clone();
    match kernel.start(Start { run, definition: definition.clone(), key: Some(StartKey { key, request_digest }) }).await
    {
        Ok(_) => Ok(Some(id)),
        Err(ActError::Duplicate { run, .. }) => Ok(TaskId::new(&run).ok()),
        Err(ActError::Failed(error)) if error.code.retryable() => Err(error),
        Err(error) => {
            tracing::error!(workflow = row.name, %error, "a scheduled run cannot be started");
            Ok(None)
        }
    }
}
