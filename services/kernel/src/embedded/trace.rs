//! The tasks of a run in the order in which they ran, read from its events.

use std::collections::HashSet;

use crate::domain::definition::{Definition, Kind, Pointer};
use crate::domain::event::{Event, Fact};
use crate::domain::state::FrameId;

/// Follows the events of one run.
#[derive(Debug, Default)]
pub struct Trace {
    tasks: Vec<Pointer>,
    /// Lists whose step under way is in `tasks` already: it has a frame, and appeared when it began.
    begun: HashSet<FrameId>,
}

impl Trace {
    /// Takes events in, in their order.
    pub fn follow(&mut self, definition: &Definition, events: &[Event]) {
        for event in events {
            match &event.fact {
                Fact::StepStarted { list, frame } => {
                    self.begun.insert(*list);
                    if is_written(definition, &frame.pointer) {
                        self.tasks.push(frame.pointer.clone());
                    }
                }
                // A step without a frame appears when it is over; the attempt of a `try` that times out fails as a list.
                Fact::StepCompleted { list, pointer, .. } | Fact::StepFailed { list, pointer, .. }
                    if !self.begun.remove(list) && is_written(definition, pointer) =>
                {
                    self.tasks.push(pointer.clone());
                }
                _ => {}
            }
        }
    }

    /// The tasks so far.
    pub fn tasks(&self) -> &[Pointer] {
        &self.tasks
    }
}

/// Whether it is a task of the definition's author, not the wrapper around one that is extended.
fn is_written(definition: &Definition, pointer: &str) -> bool {
    definition.task(pointer).is_some_and(|task| !matches!(task.kind, Kind::Extended(_)))
}
