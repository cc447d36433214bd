//! Beginning runs anew, from a step or from the one that failed, and moving them to another version.

use std::sync::Arc;

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{MigrateTaskRequest, RestartTaskRequest, Task};
use orrery_types::{Sha256Digest, TenantId, UnixMillis};

use super::Api;
use super::control::task_id;
use crate::actors::partition::Start;
use crate::bus::convert;
use crate::domain::command::{Command, Origin, Person, Reject, Restart, Run, Target};
use crate::domain::definition::Pointer;
use crate::domain::event::{Event, Fact};
use crate::domain::history;
use crate::domain::state::State;
use crate::error::ActError;
use crate::store::{RunRow, StartKey};

/// Events that a run can be begun with.
const EVENTS_MAX: i64 = 50_000;

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
        let beginning = self.beginning(&tenant, &row, &request, how).await?;
        if how == Restart::Reset && row.finished_ms == 0 {
            self.replace(&tenant, &row, &beginning, &person, &request.reason).await?;
        }
        let Beginning { events, redo, state, run } = beginning;
        let definition = self.kernel.definitions.pinned(tenant.as_str(), &state.run.definition.to_string()).await?;
        let key = key.map(|key| StartKey { key, request_digest: digest.clone() });
        let command = Command::Restart { events, redo, by: person.principal, reason: request.reason };
        let id = run.id.clone();
        match self.kernel.start_by(Start { run, definition, key }, command).await {
            Ok(acted) => self.acted(acted, &tenant, &id).await,
            Err(ActError::Duplicate { run, request_digest }) => {
                self.duplicate(&tenant, run, &request_digest, &digest).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What a new run begins with.
    async fn beginning(
        &self,
        tenant: &TenantId,
        row: &RunRow,
        request: &RestartTaskRequest,
        how: Restart,
    ) -> Result<Beginning, Error> {
        if row.seq > EVENTS_MAX {
            let message =
                format!("the task has more than {EVENTS_MAX} events: start a new one with the input it needs");
            return Err(Error::new(ErrorCode::PayloadTooLarge, message));
        }
        let mut events = self.kernel.history(tenant, &task_id(row)?).await?;
        let pointer: Pointer = request.pointer.as_str().into();
        let (kept, redo) = match how {
            Restart::Retry => history::before_failure(&events).map(|(kept, step)| (kept, Some(step))),
            Restart::Reset | Restart::Fork if pointer.is_empty() => {
                Err(Reject::Invalid("the step is missing: name one by its pointer, such as /do/0/pay".to_owned()))
            }
            Restart::Reset | Restart::Fork => {
                history::before_step(&events, &pointer, request.iteration).map(|kept| (kept, None))
            }
        }
        .map_err(|reject| Error::from(ActError::Rejected(reject)))?;
        events.truncate(kept);
        let corrupted = || Error::new(ErrorCode::DataCorrupted, "the journal of this task cannot be read");
        let Some(Event { fact: Fact::Started { run: first, .. }, .. }) = events.first() else {
            return Err(corrupted());
        };
        let run = Run {
            id: self.new_id(tenant),
            // A deadline that has passed was the old run's.
            deadline_at: first.deadline_at.filter(|at| *at > UnixMillis::now()),
            parent: None,
            traceparent: orrery_telemetry::traceparent(),
            origin: Some(Origin { task: first.id.clone(), seq: kept as u64, by: how }),
            ..(**first).clone()
        };
        let state = State::replay(events.iter().cloned()).ok_or_else(corrupted)?;
        Ok(Beginning { events, redo, state: Arc::new(state), run })
    }

    /// Ends the run that another takes the place of.
    async fn replace(
        &self,
        tenant: &TenantId,
        row: &RunRow,
        beginning: &Beginning,
        person: &Person,
        reason: &str,
    ) -> Result<(), Error> {
        if beginning.state.run.parent.is_some() {
            let reason = "another task waits for this one: reset that one, or fork this one".to_owned();
            return Err(ActError::Rejected(Reject::Refused(vec![reason])).into());
        }
        let replaced_by = Some(beginning.run.id.clone());
        let command = Command::Terminate { by: person.principal.clone(), reason: reason.to_owned(), replaced_by };
        match self.kernel.act(tenant, &task_id(row)?, command).await {
            Ok(_) | Err(ActError::Rejected(Reject::Over) | ActError::Unknown) => Ok(()),
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

/// What a new run begins with.
struct Beginning {
    events: Vec<Event>,
    redo: Option<Pointer>,
    /// After those events.
    state: Arc<State>,
    run: Run,
}
