//! Commands to runs, decided and committed together: what became ready while the last ones were decided is decided next,
//! in one go, so that a busy kernel changes threads once for many steps.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;

use super::committer::Commit;
use crate::bus::outbound;
use crate::domain::command::Command;
use crate::domain::definition::Definition;
use crate::domain::fairness::Place;
use crate::domain::state::State;
use crate::domain::transition::{Transition, transition};
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::signing::DecisionSigner;
use crate::store::{Committed, Entry, Move, StartKey, partition_of};

/// A command and what it is decided on.
pub struct Work {
    /// The state before it.
    pub state: Arc<State>,
    /// The run's definition.
    pub definition: Arc<Definition>,
    /// The epoch of the run's partition.
    pub epoch: i64,
    /// The command.
    pub command: Command,
    /// For a start: its key.
    pub key: Option<StartKey>,
}

/// A move that is decided and not yet committed.
pub struct Decided {
    moved: Transition,
    rows: Box<Move>,
    epoch: i64,
}

/// A move that is durable.
pub struct Moved {
    /// It.
    pub transition: Transition,
    /// The run's row was left as it was.
    pub left_row: bool,
}

/// What came of a command. None: it changed nothing.
pub type Outcome = Result<Option<Box<Moved>>, ActError>;

/// Decides commands, off the actor's thread. The texts that are too long for a row are put into the object store.
pub async fn decide(kernel: Arc<Kernel>, mut works: Vec<Work>) -> Vec<Result<Option<Decided>, ActError>> {
    let count = works.len();
    for work in works.iter_mut().filter(|work| work.has_moved_on()) {
        let run = &work.state.run;
        match kernel.definitions.pinned(run.tenant.as_str(), &run.definition.to_string()).await {
            Ok(definition) => work.definition = definition,
            Err(error) => tracing::warn!(task.id = %run.id, %error, "the definition of a task cannot be read"),
        }
    }
    let signing = kernel.clone();
    let decide = move || works.into_iter().map(|work| work.decide(signing.signer())).collect::<Vec<_>>();
    let deciding = tokio::task::spawn_blocking(decide);
    let mut decided = match deciding.await {
        Ok(decided) => decided,
        Err(error) => return (0..count).map(|_| Err(internal(&error).into())).collect(),
    };
    for slot in &mut decided {
        let Ok(Some(it)) = slot else { continue };
        if let Err(error) = it.offload(&kernel).await {
            *slot = Err(error.into());
        }
    }
    decided
}

/// Commits what was decided, in order, when it is its turn.
pub async fn commit(
    kernel: Arc<Kernel>,
    place: Place,
    decided: Vec<Result<Option<Decided>, ActError>>,
) -> Vec<Outcome> {
    let entries: Vec<Entry> =
        decided.iter().filter_map(|it| it.as_ref().ok()?.as_ref().map(|it| Entry::Move(it.rows.clone()))).collect();
    let committed = match entries.is_empty() {
        true => {
            kernel.steps.lock().advance(place);
            Ok(Vec::new())
        }
        false => match kernel.wiring() {
            Ok(wiring) => match wiring.committer.ask(Commit { place, entries }).await {
                Ok(committed) => committed,
                Err(error) => Err(crate::error::busy(&error)),
            },
            Err(error) => Err(error),
        },
    };
    let mut committed = committed.map(Vec::into_iter);
    let outcome = |it: Result<Option<Decided>, ActError>| match it {
        Ok(Some(it)) => match &mut committed {
            Ok(outcomes) => it.settle(&kernel, outcomes.next()),
            Err(error) => Err(error.clone().into()),
        },
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    decided.into_iter().map(outcome).collect()
}

fn internal(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::Internal, error.to_string())
}

impl Work {
    /// Whether a migration has given the run another definition than the one at hand.
    fn has_moved_on(&self) -> bool {
        self.state.run.definition != self.definition.hash
    }

    fn decide(self, signer: Option<&DecisionSigner>) -> Result<Option<Decided>, ActError> {
        if self.has_moved_on() {
            let message = "the definition to which the task was migrated cannot be read now";
            return Err(Error::new(ErrorCode::Unavailable, message).into());
        }
        let Self { state, definition, epoch, command, key } = self;
        let mut moved = transition(&state, &definition, command, UnixMillis::now())?;
        if moved.events.is_empty() {
            return Ok(None);
        }
        if let Some(signer) = signer {
            signer.sign(&mut moved);
        }
        let messages = outbound::messages(&moved);
        let rows = Move::new(&state, &moved, epoch, messages, key).map_err(|error| internal(&error))?;
        Ok(Some(Decided { moved, rows: Box::new(rows), epoch }))
    }
}

impl Decided {
    async fn offload(&mut self, kernel: &Kernel) -> Result<(), Error> {
        let run = &self.moved.state.run;
        for text in self.rows.texts_mut() {
            kernel.payloads.offload(&run.tenant, &run.id, text).await?;
        }
        Ok(())
    }

    fn settle(self, kernel: &Kernel, committed: Option<Committed>) -> Outcome {
        let Self { moved, rows, epoch } = self;
        match committed {
            Some(Committed::Done) => Ok(Some(Box::new(Moved { transition: moved, left_row: rows.leaves_row() }))),
            Some(Committed::Duplicate { run, request_digest }) => Err(ActError::Duplicate { run, request_digest }),
            Some(Committed::Fenced) => {
                let partition = partition_of(&moved.state.run.tenant, &moved.state.run.id);
                if kernel.ownership.drop_stale(partition, epoch) {
                    tracing::warn!(partition.id = partition, partition.epoch = epoch, "another kernel has taken over");
                }
                Err(ActError::Moved)
            }
            Some(Committed::Stale) | None => {
                let message = "the task's journal is ahead of this kernel; it is read again";
                Err(Error::new(ErrorCode::Unavailable, message).retry_after(Duration::from_millis(50)).into())
            }
        }
    }
}
