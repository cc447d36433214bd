//! Fires schedules by the clock: those whose partition this kernel owns. What was missed while no kernel ran is fired once,
//! for the last time that it was due.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::Error;
use orrery_supervise::{TaskContext, TaskSpec};
use orrery_types::UnixMillis;
use serde_json::json;

use super::starter;
use crate::kernel::Kernel;
use crate::store::ScheduleRow;

/// A look at the table at least this often: a deployment or another kernel may have changed it.
const LOOK: Duration = Duration::from_secs(1);
/// And at most this often.
const PAUSE: Duration = Duration::from_millis(20);

/// The supervised scheduler.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("scheduler", move |task| {
        let kernel = kernel.clone();
        async move {
            run(&kernel, &task).await;
            Ok::<(), Error>(())
        }
    })
}

/// Runs until drained. The database being away is waited out here: it is no fault of this process.
async fn run(kernel: &Kernel, task: &TaskContext) {
    while !task.is_draining() {
        let pause = match look(kernel).await {
            Ok(next) => next.map_or(LOOK, |at| at.since(UnixMillis::now()).clamp(PAUSE, LOOK)),
            Err(error) => {
                tracing::warn!(%error, "schedules cannot be looked at");
                LOOK
            }
        };
        tokio::select! {
            () = task.draining() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Fires what is due. Says when something is due next, if that is soon.
async fn look(kernel: &Kernel) -> Result<Option<UnixMillis>, Error> {
    let rows = kernel.store.schedules_due(UnixMillis::now().saturating_add(LOOK)).await?;
    let mut soonest = None;
    for row in rows.into_iter().filter(|row| kernel.owns(row.partition)) {
        let next = match row.due_at() {
            Some(due) if due > UnixMillis::now() => Some(due),
            Some(due) => fire(kernel, row, due).await?,
            None => wait_for_run(kernel, row).await?,
        };
        soonest = soonest.into_iter().chain(next).min();
    }
    Ok(soonest)
}

/// Starts the run of a firing, then sets the next. A crash in between starts it again under the same key: once.
async fn fire(kernel: &Kernel, row: ScheduleRow, due: UnixMillis) -> Result<Option<UnixMillis>, Error> {
    let Some(definition) = starter::definition(kernel, &row).await? else {
        kernel.store.reschedule(row, None, String::new()).await?;
        return Ok(None);
    };
    let Some(schedule) = &definition.schedule else { return Ok(None) };
    let (now, anchor) = (UnixMillis::now(), row.deployed_at());
    let at = if schedule.after.is_some() { due } else { schedule.latest(anchor, due, now) };
    let started = starter::start(kernel, &row, &definition, &at.0.to_string(), json!({})).await?;
    let next = schedule.next(anchor, now);
    let running = started.filter(|_| schedule.after.is_some()).map(|run| run.to_string()).unwrap_or_default();
    kernel.store.reschedule(row, next, running).await?;
    Ok(next)
}

/// `after`: the next run is due some time after the last is over.
async fn wait_for_run(kernel: &Kernel, row: ScheduleRow) -> Result<Option<UnixMillis>, Error> {
    let Some(definition) = starter::definition(kernel, &row).await? else { return Ok(None) };
    let Some(after) = definition.schedule.as_ref().and_then(|schedule| schedule.after) else { return Ok(None) };
    let over_at = match kernel.store.run(row.tenant.clone(), row.running.clone()).await? {
        Some(run) if run.finished_ms == 0 => return Ok(None),
        Some(run) => UnixMillis(u64::try_from(run.finished_ms).unwrap_or(0)),
        None => UnixMillis::now(),
    };
    let next = over_at.saturating_add(after);
    kernel.store.reschedule(row, Some(next), String::new()).await?;
    Ok(Some(next))
}
