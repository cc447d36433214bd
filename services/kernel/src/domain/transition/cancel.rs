//! Giving up: the whole run, or whatever is under way inside a step.

use orrery_types::TaskId;

use super::Machine;
use crate::domain::command::Reject;
use crate::domain::definition::ParentClose;
use crate::domain::effect::Effect;
use crate::domain::event::Fact;
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, Ending, FrameId};
use crate::domain::work::Stage;

/// Why a sub-workflow is cancelled.
const NOT_WANTED: &str = "the step that started it is over";

impl Machine<'_> {
    /// Graceful: what is under way is given up, then what was done is undone, then the run is over.
    pub(super) fn cancel(&mut self, by: String, reason: String) -> Result<(), Reject> {
        // Cancelling again while it undoes its steps changes nothing; `terminate` ends even that.
        if self.state.ending.is_none() {
            self.wind_up(Ending::Cancelled { by, reason });
        }
        Ok(())
    }

    /// At once: nothing is undone.
    pub(super) fn terminate(&mut self, by: String, reason: String, replaced_by: Option<TaskId>) {
        self.abandon_all();
        self.tell_parent_that("terminated", &by);
        self.record(Fact::Cancelled { by, reason, terminated: true, replaced_by });
    }

    pub(super) fn end_cancelled(&mut self, by: String, reason: String) {
        self.tell_parent_that("cancelled", &by);
        self.record(Fact::Cancelled { by, reason, terminated: false, replaced_by: None });
    }

    fn tell_parent_that(&mut self, how: &str, by: &str) {
        let detail = format!("the task was {how} by {by}");
        self.notify_parent(Err(Fault::new(Standard::Runtime, detail).titled(how)));
    }

    pub(super) fn abandon_all(&mut self) {
        let roots: Vec<FrameId> =
            self.state.frames.values().filter(|frame| frame.parent.is_none()).map(|frame| frame.id).collect();
        roots.into_iter().for_each(|root| self.abandon(root, false));
    }

    /// Withdraws and cancels what goes on inside a frame; `finished`: the frame itself is not given up, it is over.
    pub(super) fn abandon(&mut self, id: FrameId, finished: bool) {
        for inside in self.state.subtree(id) {
            if finished && inside == id {
                continue;
            }
            let Some(frame) = self.state.frames.get(&inside) else { continue };
            match &frame.activity {
                Activity::Call { key, .. } => {
                    let key = key.clone();
                    self.effects.push(Effect::CancelCall { key });
                }
                Activity::Child { task, parent_close, .. } => {
                    let (task, policy) = (task.clone(), *parent_close);
                    self.close_child(task, policy);
                }
                Activity::Map { progress } => {
                    let (running, policy) = (progress.running.clone(), progress.parent_close);
                    running.into_values().for_each(|task| self.close_child(task, policy));
                }
                Activity::Work { work } if work.stage != Stage::Over => {
                    let (key, pointer) = (work.key.clone(), frame.pointer.clone());
                    self.record(Fact::WorkWithdrawn { key, pointer });
                }
                Activity::Listen { open: true, .. } => {
                    let (step, pointer) = (frame.id, frame.pointer.clone());
                    self.record(Fact::ListeningEnded { step, pointer });
                }
                Activity::Human { review } => {
                    let (review, pointer) = (review.id.clone(), frame.pointer.clone());
                    self.record(Fact::ReviewWithdrawn { review, pointer });
                }
                _ => {}
            }
        }
    }

    fn close_child(&mut self, task: TaskId, policy: ParentClose) {
        let terminate = match policy {
            ParentClose::Cancel => false,
            ParentClose::Terminate => true,
            ParentClose::Abandon => return,
        };
        self.effects.push(Effect::CancelChild { task, reason: NOT_WANTED.to_owned(), terminate });
    }
}
