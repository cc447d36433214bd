//! One command to one run: decided, encoded and committed.

use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;

use super::committer::Commit;
use crate::bus::outbound;
use crate::domain::command::Command;
use crate::domain::definition::Definition;
use crate::domain::state::State;
use crate::domain::transition::{Transition, transition};
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::{Committed, Entry, Move, StartKey, partition_of};

/// The command and what it is decided on.
pub struct Work {
    /// The shared parts.
    pub kernel: Arc<Kernel>,
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

impl Work {
    /// The move, and whether the run's row was left as it was. None: the command changed nothing.
    pub async fn run(self) -> Result<Option<Box<(Transition, bool)>>, ActError> {
        let Self { kernel, state, definition, epoch, command, key } = self;
        let internal = |error: &dyn std::fmt::Display| Error::new(ErrorCode::Internal, error.to_string());
        let decide = move || -> Result<_, ActError> {
            let moved = transition(&state, &definition, command, UnixMillis::now())?;
            if moved.events.is_empty() {
                return Ok(None);
            }
            let messages = outbound::messages(&moved);
            let rows = Move::new(&state, &moved, epoch, messages, key).map_err(|error| internal(&error))?;
            Ok(Some((moved, rows)))
        };
        let decided = tokio::task::spawn_blocking(decide).await.map_err(|error| internal(&error))??;
        let Some((moved, mut rows)) = decided else { return Ok(None) };
        for text in rows.texts_mut() {
            kernel.payloads.offload(&moved.state.run.tenant, text).await?;
        }
        let left_row = rows.leaves_row();
        let committed = kernel.wiring()?.committer.ask(Commit(Entry::Move(Box::new(rows)))).await??;
        match committed {
            Committed::Done => Ok(Some(Box::new((moved, left_row)))),
            Committed::Duplicate { run, request_digest } => Err(ActError::Duplicate { run, request_digest }),
            Committed::Fenced => {
                let partition = partition_of(&moved.state.run.tenant, &moved.state.run.id);
                if kernel.ownership.drop_stale(partition, epoch) {
                    tracing::warn!(partition.id = partition, partition.epoch = epoch, "another kernel has taken over");
                }
                Err(ActError::Moved)
            }
            Committed::Stale => {
                let message = "the task's journal is ahead of this kernel; it is read again";
                Err(Error::new(ErrorCode::Unavailable, message).into())
            }
        }
    }
}
