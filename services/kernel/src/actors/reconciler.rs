//! Brings the runs of the partitions that this process owns into agreement with what tables say of many of them at once:
//! pauses of workflows and tenants, and how long what is over is kept. In bounded batches; asking twice does nothing.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::Error;
use orrery_supervise::TaskSpec;
use orrery_types::{TaskId, TenantId};

use crate::domain::command::{Command, Scope};
use crate::kernel::Kernel;
use crate::store::{PARTITIONS, RunName};

/// How soon a pause reaches the runs of other processes.
const EVERY: Duration = Duration::from_secs(1);
/// Runs at a time.
const BATCH: i64 = 256;
/// Who resumes runs whose pause is over.
const WHO: &str = "system:pause";

/// The supervised task.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("reconciler", move |task| {
        let kernel = kernel.clone();
        async move {
            let working = async {
                loop {
                    let more = match round(&kernel).await {
                        Ok(more) => more,
                        Err(error) => {
                            tracing::warn!(%error, "runs are not in agreement with the pauses yet");
                            false
                        }
                    };
                    if !more {
                        tokio::time::sleep(EVERY).await;
                    }
                }
            };
            tokio::select! {
                () = working => Ok::<(), Error>(()),
                () = task.draining() => Ok(()),
            }
        }
    })
}

/// One batch of each kind; true: there is more.
async fn round(kernel: &Kernel) -> Result<bool, Error> {
    let pauses = kernel.store.pauses().await?;
    kernel.pauses.replace(&pauses);
    let owned: Vec<i32> = (0..PARTITIONS).filter(|partition| kernel.owns(*partition)).collect();
    let mut more = false;
    for pause in pauses {
        let scope = pause.scope();
        let (by, reason) = (pause.paused_by.clone(), pause.reason.clone());
        let runs = kernel.store.to_pause(owned.clone(), pause, BATCH).await?;
        more |= runs.len() as i64 == BATCH;
        for run in runs {
            send(kernel, run, Command::Pause { scope, by: by.clone(), reason: reason.clone() }).await;
        }
    }
    for scope in [Scope::Definition, Scope::Tenant] {
        let runs = kernel.store.to_resume(owned.clone(), scope, BATCH).await?;
        more |= runs.len() as i64 == BATCH;
        for run in runs {
            send(kernel, run, Command::Resume { scope, by: WHO.to_owned() }).await;
        }
    }
    Ok(more)
}

/// A run that ended meanwhile needs nothing; one that cannot be reached is asked again in the next round.
async fn send(kernel: &Kernel, (tenant, run): RunName, command: Command) {
    let (Ok(tenant), Ok(run)) = (TenantId::new(&tenant), TaskId::new(&run)) else { return };
    if let Err(error) = kernel.act(&tenant, &run, command).await {
        tracing::debug!(task.id = %run, %error, "a run did not take its pause");
    }
}
