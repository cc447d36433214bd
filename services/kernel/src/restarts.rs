//! Beginning runs anew with the events of others: what a new run begins with, and ending the run whose place it takes.

use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use orrery_types::{TaskId, TenantId, UnixMillis};
use uuid::Uuid;

use crate::domain::command::{Beginning, Command, Origin, Reject, Restart, Run};
use crate::domain::definition::{Definition, Pointer};
use crate::domain::event::{Event, Fact};
use crate::domain::history;
use crate::domain::state::State;
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::{RunRow, partition_of};

/// Events that a run can be begun with.
const EVENTS_MAX: i64 = 50_000;
/// Ids drawn before one of another partition is taken.
const ID_TRIES: usize = 1_000;

/// Where a run begins anew, and on whose word.
#[derive(Debug, Clone)]
pub struct Anew {
    /// How.
    pub how: Restart,
    /// The step; not for a retry.
    pub pointer: Pointer,
    /// Which of its visits; none: the last.
    pub iteration: Option<u32>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A run that is to begin anew.
#[derive(Debug)]
pub struct NewRun {
    /// The run.
    pub run: Run,
    /// Its definition.
    pub definition: Arc<Definition>,
    /// With what it begins.
    pub beginning: Beginning,
    /// Whether another run waits for the one that it comes from.
    pub has_parent: bool,
}

impl Kernel {
    /// An id in a partition of this process, so that a start need not be forwarded.
    pub fn new_id(&self, tenant: &TenantId) -> TaskId {
        let fresh = || TaskId::from_uuid(Uuid::now_v7());
        let here = |id: &TaskId| self.owns(partition_of(tenant, id));
        std::iter::repeat_with(fresh).take(ID_TRIES).find(here).unwrap_or_else(fresh)
    }

    /// The run that begins where another one stood.
    pub async fn begin_anew(&self, tenant: &TenantId, row: &RunRow, anew: Anew) -> Result<NewRun, Error> {
        if row.seq > EVENTS_MAX {
            let message =
                format!("the task has more than {EVENTS_MAX} events: start a new one with the input it needs");
            return Err(Error::new(ErrorCode::PayloadTooLarge, message));
        }
        let id = TaskId::new(&row.id).map_err(|error| Error::new(ErrorCode::InvalidRequest, error.to_string()))?;
        let mut events = self.history(tenant, &id).await?;
        // That it waited for its turn is no part of what it did.
        events.retain(|event| !matches!(event.fact, Fact::Accepted { .. }));
        let Anew { how, pointer, iteration, by, reason } = anew;
        let (kept, redo) = match how {
            Restart::Retry => history::before_failure(&events).map(|(kept, step)| (kept, Some(step))),
            Restart::Reset | Restart::Fork if pointer.is_empty() => {
                Err(Reject::Invalid("the step is missing: name one by its pointer, such as /do/0/pay".to_owned()))
            }
            Restart::Reset | Restart::Fork => {
                history::before_step(&events, &pointer, iteration).map(|kept| (kept, None))
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
            origin: Some(Origin { task: id, seq: kept as u64, by: how }),
            ..(**first).clone()
        };
        let state = State::replay(events.iter().cloned()).ok_or_else(corrupted)?;
        let definition = self.definitions.pinned(tenant.as_str(), &state.run.definition.to_string()).await?;
        let has_parent = state.run.parent.is_some();
        Ok(NewRun { run, definition, beginning: Beginning { events, redo, by, reason }, has_parent })
    }

    /// Ends the run whose place another takes, if it is under way.
    pub async fn replace(&self, tenant: &TenantId, row: &RunRow, new: &NewRun) -> Result<(), Error> {
        if row.finished_ms > 0 {
            return Ok(());
        }
        if new.has_parent {
            let reason = "another task waits for this one: reset that one, or fork this one".to_owned();
            return Err(ActError::Rejected(Reject::Refused(vec![reason])).into());
        }
        let id = TaskId::new(&row.id).map_err(|error| Error::new(ErrorCode::InvalidRequest, error.to_string()))?;
        let (by, reason) = (new.beginning.by.clone(), new.beginning.reason.clone());
        let command = Command::Terminate { by, reason, replaced_by: Some(new.run.id.clone()) };
        match self.act(tenant, &id, command).await {
            Ok(_) | Err(ActError::Rejected(Reject::Over) | ActError::Unknown) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
