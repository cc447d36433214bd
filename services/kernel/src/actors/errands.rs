//! Effects between runs: starting, cancelling and telling each other. Each is safe to do again.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use orrery_types::{TaskId, TenantId};
use serde_json::Value;

use super::committer::Commit;
use super::partition::Start;
use crate::domain::command::{Command, Parent, Run};
use crate::domain::effect::{Effect, StartChild};
use crate::domain::fault::{Fault, Standard};
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::{Entry, RunRow, status};

/// Who cancels a run whose starter no longer wants it.
const PARENT: &str = "system:parent";

/// Runs an errand to its end, and strikes it from what is left to do.
pub async fn run(kernel: Arc<Kernel>, tenant: TenantId, id: String, errand: Effect) {
    match errand {
        Effect::StartChild(child) => start_child(&kernel, *child).await,
        Effect::CancelChild { task, reason, terminate } => {
            let by = PARENT.to_owned();
            let command = match terminate {
                true => Command::Terminate { by, reason, replaced_by: None },
                false => Command::Cancel { by, reason },
            };
            // One that is over, or never began, is as good as cancelled.
            let _over = kernel.deliver(&tenant, &task, command).await;
        }
        Effect::NotifyParent { parent, outcome } => tell(&kernel, &tenant, parent, outcome).await,
        Effect::AnnounceWork { .. }
        | Effect::Call(_)
        | Effect::CancelCall { .. }
        | Effect::Publish(_)
        | Effect::Continue => {}
    }
    let done = match kernel.wiring() {
        Ok(wiring) => {
            let commit = Commit::of(&kernel, tenant.as_str(), Entry::ErrandDone(id));
            wiring.committer.try_send(commit).map(drop).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = done {
        tracing::debug!(%error, "an errand stays and is run again by the next owner, which is harmless");
    }
}

async fn cancel(kernel: &Kernel, tenant: &TenantId, task: &TaskId, reason: String) {
    // One that is over, or never began, is as good as cancelled.
    let _over = kernel.deliver(tenant, task, Command::Cancel { by: PARENT.to_owned(), reason }).await;
}

async fn tell(kernel: &Kernel, tenant: &TenantId, parent: Parent, outcome: Result<Value, Fault>) {
    let Parent { task, key } = parent;
    // A parent that no longer waits has given its step up.
    let _stale = kernel.deliver(tenant, &task, Command::ChildFinished { key, outcome }).await;
}

async fn start_child(kernel: &Kernel, child: StartChild) {
    let starter = child.starter.clone();
    let key = child.key.clone();
    let command = loop {
        match try_start(kernel, &child).await {
            Ok(None) => break Command::ChildStarted { key },
            Ok(Some(outcome)) => break Command::ChildFinished { key, outcome },
            Err(error) if error.code.retryable() => {
                tracing::warn!(task.id = %child.task, %error, "a sub-workflow is not started yet");
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
            Err(error) => break Command::ChildFinished { key, outcome: Err(Fault::from(&error)) },
        }
    };
    if kernel.deliver(&starter.tenant, &starter.id, command).await.is_err() && child.wait {
        // The step was given up while the run was being started, perhaps after its cancellation had found nothing.
        cancel(kernel, &starter.tenant, &child.task, "the step that started it is over".to_owned()).await;
    }
}

/// Starts the run unless it is there; its outcome if it is over.
async fn try_start(kernel: &Kernel, child: &StartChild) -> Result<Option<Result<Value, Fault>>, Error> {
    let starter = &child.starter;
    let tenant = starter.tenant.as_str();
    match kernel.row(&starter.tenant, child.task.as_str()).await {
        Ok(row) => return Ok(outcome_of(&row).filter(|_| child.wait)),
        Err(error) if error.code == ErrorCode::NotFound => {}
        Err(error) => return Err(error),
    }
    let (namespace, name, version) = &child.workflow;
    let (row, definition) = kernel.definitions.resolve(tenant, &format!("{name}:{version}")).await?;
    if row.namespace != *namespace {
        let message = format!("the workflow {name:?} is in the namespace {:?}, not in {namespace:?}", row.namespace);
        return Err(Error::new(ErrorCode::NotFound, message));
    }
    let run = Run {
        id: child.task.clone(),
        workflow: (row.namespace, row.name, row.version),
        definition: definition.hash,
        input: Arc::new(child.input.clone()),
        parent: child.wait.then(|| Parent { task: starter.id.clone(), key: child.key.clone() }),
        depth: starter.depth + 1,
        attributes: BTreeMap::new(),
        origin: None,
        ..starter.clone()
    };
    match kernel.start(Start { run, definition, key: None }).await {
        Ok(_) | Err(ActError::Rejected(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn outcome_of(row: &RunRow) -> Option<Result<Value, Fault>> {
    let runtime = |detail: &str| Fault::new(Standard::Runtime, detail);
    match row.status.as_str() {
        status::COMPLETED => Some(serde_json::from_str(&row.output).map_err(|error| runtime(&error.to_string()))),
        status::FAULTED => {
            Some(Err(serde_json::from_str(&row.error).unwrap_or_else(|_| runtime("the sub-workflow failed"))))
        }
        status::CANCELLED => Some(Err(runtime("the sub-workflow was cancelled").titled("cancelled"))),
        status::TERMINATED => Some(Err(runtime("the sub-workflow was terminated").titled("terminated"))),
        _ => None,
    }
}
