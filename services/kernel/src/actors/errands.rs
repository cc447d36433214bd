//! Effects between runs: starting, cancelling and telling each other. Each is safe to do again.

use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use orrery_types::TenantId;
use serde_json::Value;

use super::partition::Start;
use crate::domain::command::{Command, Parent, Run};
use crate::domain::effect::{Effect, StartChild};
use crate::domain::fault::{Fault, Standard};
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::{RunRow, status};

/// Who cancels a run whose starter no longer wants it.
const PARENT: &str = "system:parent";

/// Runs an errand to its end.
pub async fn run(kernel: Arc<Kernel>, run: Arc<Run>, errand: Effect) {
    match errand {
        Effect::StartChild(child) => start_child(&kernel, *child).await,
        Effect::CancelChild { task, reason } => {
            let command = Command::Cancel { by: PARENT.to_owned(), reason };
            kernel.deliver(&run.tenant, &task, command).await;
        }
        Effect::AnnounceWork { queue } => kernel.announcer.announce(run.tenant.clone(), queue),
        Effect::NotifyParent { parent, outcome } => tell(&kernel, &run.tenant, parent, outcome).await,
        Effect::Call(_) | Effect::CancelCall { .. } | Effect::Publish(_) | Effect::Continue => {}
    }
}

async fn tell(kernel: &Kernel, tenant: &TenantId, parent: Parent, outcome: Result<Value, Fault>) {
    let Parent { task, key } = parent;
    kernel.deliver(tenant, &task, Command::ChildFinished { key, outcome }).await;
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
    kernel.deliver(&starter.tenant, &starter.id, command).await;
}

/// Starts the run unless it is there; its outcome if it is over.
async fn try_start(kernel: &Kernel, child: &StartChild) -> Result<Option<Result<Value, Fault>>, Error> {
    let starter = &child.starter;
    let tenant = starter.tenant.as_str();
    if let Some(row) = kernel.store.run(tenant.to_owned(), child.task.to_string()).await? {
        return Ok(outcome_of(&row).filter(|_| child.wait));
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
        _ => None,
    }
}
