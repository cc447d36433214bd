//! Compensation: a run that is cancelled, or ends with an error, undoes the steps that say how, the last completed first.
//!
//! Each step is undone by a list of tasks like any other, so its effects have their own keys, are retried and recorded. One
//! that cannot be undone does not keep the others from it; the history says which.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::block::ListOptions;
use super::{Machine, Next};
use crate::domain::command::Reject;
use crate::domain::definition::{Compensation, Pointer, STEP, Task};
use crate::domain::event::Fact;
use crate::domain::fault::Fault;
use crate::domain::state::{Activity, Ending, Frame, FrameId, Phase, Undo};

/// Retries of a compensation that names no policy.
const RETRIES_MAX: u32 = 8;
/// Before the first of them; doubled each time.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl Machine<'_> {
    /// Remembers what undoing a step will need, if it says how it is undone.
    pub(super) fn register_compensation(
        &mut self,
        list: FrameId,
        task: &Task,
        iteration: u32,
        input: &Arc<Value>,
        output: &Arc<Value>,
    ) {
        if task.compensation.is_none() || self.state.ending.is_some() {
            return;
        }
        let mut variables = std::collections::BTreeMap::new();
        let mut at = Some(list);
        while let Some(frame) = at.and_then(|id| self.state.frames.get(&id)) {
            for (name, value) in &frame.variables {
                variables.entry(name.clone()).or_insert_with(|| value.clone());
            }
            at = frame.parent;
        }
        let pointer = task.pointer.clone();
        let undo = Undo { pointer, iteration, input: input.clone(), output: output.clone(), variables };
        self.record(Fact::CompensationRegistered { undo: Box::new(undo) });
    }

    /// Ends the run, after undoing what is to be undone.
    pub(super) fn wind_up(&mut self, ending: Ending) {
        self.abandon_all();
        if self.next_undo(&ending).is_none() {
            return self.end_as(ending);
        }
        self.record(Fact::Compensating { ending });
        self.undo_next();
    }

    /// The place of the last step that is undone when the run ends like this.
    fn next_undo(&self, ending: &Ending) -> Option<usize> {
        let applies = |compensation: &Compensation| match ending {
            Ending::Cancelled { .. } => compensation.after_cancel,
            Ending::Faulted(_) => compensation.after_fault,
        };
        self.state.undo.iter().rposition(|undo| self.compensation(&undo.pointer).is_some_and(|(_, it)| applies(it)))
    }

    fn compensation(&self, pointer: &str) -> Option<(Pointer, &Compensation)> {
        let compensation = self.definition.task(pointer)?.compensation.as_ref()?;
        Some((compensation.list.clone(), compensation))
    }

    fn end_as(&mut self, ending: Ending) {
        match ending {
            Ending::Cancelled { by, reason } => self.end_cancelled(by, reason),
            Ending::Faulted(error) => {
                self.notify_parent(Err(error.clone()));
                self.record(Fact::Faulted { error });
            }
        }
    }

    /// Undoes the next step, or ends the run.
    fn undo_next(&mut self) {
        let Some(ending) = self.state.ending.clone() else { return };
        let next = self.next_undo(&ending);
        let found = next.and_then(|index| self.state.undo.get(index).cloned().zip(u32::try_from(index).ok()));
        let Some((undo, remaining)) = found else { return self.end_as(ending) };
        let Some((list, _)) = self.compensation(&undo.pointer) else { return self.end_as(ending) };
        let mut variables = undo.variables;
        let step = json!({ "reference": &*undo.pointer, "input": &*undo.input, "output": &*undo.output });
        variables.insert(STEP.to_owned(), Arc::new(step));
        let frame = Frame {
            id: self.state.next_frame,
            parent: None,
            pointer: undo.pointer,
            iteration: undo.iteration,
            attempt: 1,
            raw_input: undo.output.clone(),
            input: undo.output.clone(),
            variables,
            started_at: self.now,
            timeout_at: None,
            activity: Activity::Compensation { phase: Phase::Body, retries: 0 },
        };
        let id = frame.id;
        self.record(Fact::CompensationStarted { remaining, frame: Box::new(frame) });
        self.open_list(id, false, &list, undo.output, 1, ListOptions::default());
    }

    /// A step is undone.
    pub(super) fn compensated(&mut self, step: FrameId) -> Result<(), Reject> {
        let pointer = self.frame(step)?.pointer.clone();
        self.record(Fact::CompensationCompleted { step, pointer });
        self.undo_next();
        Ok(())
    }

    /// Undoing a step failed: it is tried again, until its policy says that it cannot be done.
    pub(super) fn compensation_erred(&mut self, frame: &Frame, retries: u32, error: Fault) -> Result<(), Reject> {
        let task = self.task(&frame.pointer)?;
        let policy = task.compensation.as_ref().and_then(|it| it.retry.clone());
        let at = match policy {
            Some(policy) => {
                let own = [("error", error.to_value())];
                self.retry_at(&policy, frame, retries, &self.try_sight(frame, &task, &own)).unwrap_or(None)
            }
            None if retries < RETRIES_MAX => {
                Some(self.now.saturating_add(RETRY_DELAY.saturating_mul(2_u32.saturating_pow(retries))))
            }
            None => None,
        };
        let (step, pointer) = (frame.id, frame.pointer.clone());
        match at {
            Some(at) => self.record(Fact::RetryScheduled { step, pointer, error, retry: retries + 1, at }),
            None => {
                self.record(Fact::CompensationFailed { step, pointer, error });
                self.undo_next();
            }
        }
        Ok(())
    }

    /// Tries again to undo a step.
    pub(super) fn compensate_again(&mut self, frame: &Frame, retries: u32) -> Result<(), Reject> {
        let (list, _) = self
            .compensation(&frame.pointer)
            .ok_or_else(|| Reject::Corrupted(format!("compensation of {}", frame.pointer)))?;
        self.open_list(frame.id, false, &list, frame.input.clone(), retries + 1, ListOptions::default());
        Ok(())
    }

    /// Ends the compensation under way as done.
    pub(super) fn end_compensation(&mut self) {
        if let Some((step, pointer)) = self.current_compensation() {
            self.abandon(step, true);
            self.agenda.retain(|next| !matches!(next, Next::Step(_) | Next::ListDone(_)));
            self.record(Fact::CompensationCompleted { step, pointer });
            self.undo_next();
        }
    }

    /// Ends the compensation under way as failed, without trying again.
    pub(super) fn give_compensation_up(&mut self, error: Fault) {
        if let Some((step, pointer)) = self.current_compensation() {
            self.abandon(step, true);
            self.record(Fact::CompensationFailed { step, pointer, error });
            self.undo_next();
        }
    }

    fn current_compensation(&self) -> Option<(FrameId, Pointer)> {
        let current = |frame: &&Frame| matches!(frame.activity, Activity::Compensation { .. });
        self.state.frames.values().find(current).map(|frame| (frame.id, frame.pointer.clone()))
    }
}
