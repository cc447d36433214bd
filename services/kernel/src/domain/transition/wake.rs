//! Time: waits, retries, review due times, timeouts and the run's deadline. All of it follows from the state and `now`, so
//! waking a run too early or twice does nothing.

use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::definition::duration::DurationSpec;
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, Frame, FrameId, Phase};

impl Machine<'_> {
    pub(super) fn wait(&mut self, entered: &Entered, duration: &DurationSpec) -> Result<(), Fault> {
        let duration = duration.evaluate(&entered.input, &self.sight(entered))?;
        self.open(entered, Activity::Wait { until: self.now.saturating_add(duration) })?;
        Ok(())
    }

    pub(super) fn wake(&mut self) -> Result<(), Reject> {
        if self.state.is_paused() {
            return Ok(());
        }
        let winding_up = self.state.ending.is_some();
        if !winding_up && self.state.run.deadline_at.is_some_and(|at| at <= self.now) {
            self.time_out("its deadline");
            return Ok(());
        }
        if !winding_up && self.state.timeout_at.is_some_and(|at| at <= self.now) {
            self.time_out("its timeout");
            return Ok(());
        }
        let ids: Vec<FrameId> = self.state.frames.keys().copied().collect();
        for id in ids {
            if self.state.is_over() {
                return Ok(());
            }
            // An earlier one may have removed it.
            if let Some(frame) = self.state.frames.get(&id).cloned() {
                self.look_at(&frame)?;
            }
        }
        Ok(())
    }

    fn look_at(&mut self, frame: &Frame) -> Result<(), Reject> {
        if frame.timeout_at.is_some_and(|at| at <= self.now) {
            return self.time_out_frame(frame);
        }
        match &frame.activity {
            Activity::Wait { until } if *until <= self.now => self.complete_step(frame.id, frame.input.clone()),
            Activity::Try { phase: Phase::Backoff { until }, .. } if *until <= self.now => self.try_again(frame.id),
            Activity::Compensation { phase: Phase::Backoff { until }, retries } if *until <= self.now => {
                self.compensate_again(frame, *retries)
            }
            Activity::Signal { until: Some(until), .. } if *until <= self.now => {
                let list = self.list_of(frame)?;
                let fault = Fault::new(Standard::Timeout, "no signal came within the timeout");
                self.fail(list, &frame.pointer, fault)
            }
            Activity::Human { review } if review.next_at().is_some_and(|at| at <= self.now) => {
                self.review_due(frame, &review.id)
            }
            Activity::Work { work } => self.work_due(frame, work),
            _ => Ok(()),
        }
    }

    fn time_out_frame(&mut self, frame: &Frame) -> Result<(), Reject> {
        let fault = Fault::new(Standard::Timeout, "the task did not end within its timeout");
        match frame.activity {
            // Only the list of a `try` has a timeout of its own: that of one attempt.
            Activity::List { .. } => self.fail(frame.id, &frame.pointer, fault),
            _ => {
                let list = self.list_of(frame)?;
                self.fail(list, &frame.pointer, fault)
            }
        }
    }
}
