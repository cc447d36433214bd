//! `orrery.work`: hands a step to workers outside and takes what they say. Every time limit is a point in time of the state,
//! so that a late timer or a kernel that was down changes nothing.

use std::sync::Arc;

use serde_json::Value;

use super::{Entered, Machine, check_schema};
use crate::domain::command::Reject;
use crate::domain::definition::{Function, Target, digest};
use crate::domain::effect::Effect;
use crate::domain::event::{Fact, Receipt};
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, Frame};
use crate::domain::work::{Due, Stage, Work};

/// Longest name that a worker may call itself by.
const WORKER_BYTES_MAX: usize = 256;

impl Machine<'_> {
    /// Queues a step for workers.
    pub(super) fn queue_work(&mut self, entered: &Entered, arguments: &Value) -> Result<(), Fault> {
        let work = Work::from_arguments(self.key(entered), arguments, self.now)?;
        let queue = work.queue.clone();
        self.open(entered, Activity::Work { work: Box::new(work) })?;
        self.effects.push(Effect::AnnounceWork { queue });
        Ok(())
    }

    fn work(&self, key: &str) -> Result<(Frame, Work), Reject> {
        let found = self.state.frames.values().find_map(|frame| match &frame.activity {
            Activity::Work { work } if work.key == key => Some((frame.clone(), (**work).clone())),
            _ => None,
        });
        found.ok_or(Reject::Stale)
    }

    pub(super) fn start_work(&mut self, key: &str, attempt: u32, worker: &str) -> Result<(), Reject> {
        let (frame, work) = self.work(key)?;
        if !matches!(work.stage, Stage::Queued { .. }) || work.attempt != attempt {
            return Err(Reject::Stale);
        }
        if worker.len() > WORKER_BYTES_MAX {
            return Err(Reject::Invalid(format!("the worker's name is longer than {WORKER_BYTES_MAX} bytes")));
        }
        let (key, pointer, worker) = (work.key, frame.pointer, worker.to_owned());
        self.record(Fact::WorkStarted { key, pointer, attempt, worker });
        Ok(())
    }

    pub(super) fn beat_work(&mut self, key: &str, token: &str) -> Result<(), Reject> {
        let (frame, work) = self.work(key)?;
        work.admit(self.state.run.seed, token)?;
        if work.keeps_beat(self.now) {
            self.record(Fact::WorkHeartbeat { key: work.key, pointer: frame.pointer });
        }
        Ok(())
    }

    /// A result that does not fit its schema is refused and the attempt goes on: the worker may send another or give up.
    pub(super) fn complete_work(&mut self, key: &str, token: &str, output: Value) -> Result<(), Reject> {
        let (frame, work) = self.work(key)?;
        work.admit(self.state.run.seed, token)?;
        check_schema(work.schema.as_ref(), &output, "the result")
            .map_err(|fault| Reject::Unfit(fault.detail.unwrap_or_default()))?;
        let receipt = Receipt {
            function: Target::Platform(Function::Work),
            input_digest: digest(&work.input),
            output_digest: digest(&output),
            attempt: frame.attempt,
            decisions: Vec::new(),
        };
        self.complete_call(frame.id, Arc::new(output), Some(Box::new(receipt)))
    }

    pub(super) fn fail_work(&mut self, key: &str, token: &str, error: Fault, retryable: bool) -> Result<(), Reject> {
        let (frame, work) = self.work(key)?;
        work.admit(self.state.run.seed, token)?;
        self.attempt_failed(&frame, &work, error, retryable)
    }

    /// An attempt is over without a result: another follows, or the step fails.
    fn attempt_failed(&mut self, frame: &Frame, work: &Work, error: Fault, retryable: bool) -> Result<(), Reject> {
        let error = error.at(&frame.pointer);
        let retry_at = retryable.then(|| work.retry_at(&error, self.now)).flatten();
        let (key, pointer, attempt) = (work.key.clone(), frame.pointer.clone(), work.attempt);
        self.record(Fact::WorkFailed { key, pointer, attempt, error: error.clone(), retry_at });
        match retry_at {
            Some(_) => Ok(()),
            None => self.finish(frame, Err(error)),
        }
    }

    /// Does what time asks of a step for workers.
    pub(super) fn work_due(&mut self, frame: &Frame, work: &Work) -> Result<(), Reject> {
        let Some((_, due)) = work.due().filter(|(at, _)| *at <= self.now) else { return Ok(()) };
        let late = |title: &str, detail: &str| Fault::new(Standard::Timeout, detail).titled(title);
        match due {
            Due::Attempt => {
                let (key, pointer, attempt) = (work.key.clone(), frame.pointer.clone(), work.attempt + 1);
                self.record(Fact::WorkQueued { key, pointer, attempt });
                self.effects.push(Effect::AnnounceWork { queue: work.queue.clone() });
                Ok(())
            }
            Due::ScheduleToClose => {
                let detail = "the step did not end within `schedule_to_close`, all attempts together";
                self.attempt_failed(frame, work, late("schedule_to_close", detail), false)
            }
            Due::ScheduleToStart => {
                let detail =
                    format!("no worker took the step from the queue {:?} within `schedule_to_start`", work.queue);
                self.attempt_failed(frame, work, late("schedule_to_start", &detail), false)
            }
            Due::StartToClose => {
                let detail = "the worker did not end the attempt within `start_to_close`";
                self.attempt_failed(frame, work, late("start_to_close", detail), true)
            }
            Due::Heartbeat => {
                let detail = "the worker gave no sign of life within `heartbeat`";
                self.attempt_failed(frame, work, late("heartbeat", detail), true)
            }
        }
    }
}
