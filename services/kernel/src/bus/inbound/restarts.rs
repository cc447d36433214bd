//! Beginning runs anew, from a step or from the one that failed, and moving them to another version.

use orrery_bus::CallContext;
use orrery_errors::Error;
use orrery_proto::v1::{MigrateTaskRequest, RestartTaskRequest, Task};
use orrery_types::Sha256Digest;

use super::Api;
use super::control::task_id;
use crate::actors::partition::Start;
use crate::bus::convert;
use crate::domain::command::{Beginning, Command, Restart, Target};
use crate::error::ActError;
use crate::restarts::{Anew, NewRun};
use crate::store::StartKey;

impl Api {
    pub(super) async fn reset(self, _context: CallContext, request: RestartTaskRequest) -> Result<Task, Error> {
        self.restart(request, Restart::Reset).await
    }

    pub(super) async fn fork(self, _context: CallContext, request: RestartTaskRequest) -> Result<Task, Error> {
        self.restart(request, Restart::Fork).await
    }

    pub(super) async fn retry(self, _context: CallContext, request: RestartTaskRequest) -> Result<Task, Error> {
        self.restart(request, Restart::Retry).await
    }

    async fn restart(&self, request: RestartTaskRequest, how: Restart) -> Result<Task, Error> {
        let (tenant, person) = convert::caller(request.caller.clone())?;
        let digest = Sha256Digest::of(
            format!("{how:?}\n{}\n{}\n{:?}", request.task_id, request.pointer, request.iteration).as_bytes(),
        );
        let digest = digest.to_string();
        let key = Some(request.idempotency_key.clone()).filter(|key| !key.is_empty());
        if let Some(key) = &key
            && let Some((run, seen)) = self.kernel.store.started(tenant.to_string(), key.clone()).await?
        {
            return self.duplicate(&tenant, run, &seen, &digest).await;
        }
        let row = self.kernel.row(&tenant, &request.task_id).await?;
        let anew = Anew {
            how,
            pointer: request.pointer.as_str().into(),
            iteration: request.iteration,
            by: person.principal,
            reason: request.reason,
        };
        let new = self.kernel.begin_anew(&tenant, &row, anew).await?;
        if how == Restart::Reset {
            self.kernel.replace(&tenant, &row, &new).await?;
        }
        let NewRun { run, definition, beginning, .. } = new;
        let key = key.map(|key| StartKey { key, request_digest: digest.clone() });
        let Beginning { events, redo, by, reason } = beginning;
        let command = Command::Restart { events, redo, by, reason };
        let id = run.id.clone();
        match self.kernel.start_by(Start { run, definition, key }, command).await {
            Ok(acted) => self.acted(acted, &tenant, &id).await,
            Err(ActError::Duplicate { run, request_digest }) => {
                self.duplicate(&tenant, run, &request_digest, &digest).await
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn migrate(self, _context: CallContext, request: MigrateTaskRequest) -> Result<Task, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let row = self.kernel.row(&tenant, &request.task_id).await?;
        let (target, definition) = self.kernel.definitions.resolve(tenant.as_str(), &request.workflow).await?;
        let target = Target {
            workflow: (target.namespace, target.name, target.version),
            definition: definition.hash,
            shape: definition.shape(),
        };
        let command = Command::Migrate { target: Box::new(target), by: person.principal };
        let id = task_id(&row)?;
        let acted = self.send(&tenant, &id, command).await?;
        self.acted(acted, &tenant, &id).await
    }
}
