//! `try`: catches errors by filter and condition, tries again by a policy, hands over to a handler when none is left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orrery_types::{Sha256Digest, UnixMillis};
use serde_json::Value;

use super::block::{ListOptions, holds};
use super::sight::Sight;
use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::definition::{Backoff, Catch, ErrorFilter, Kind, Pointer, RetryPolicy, Task};
use crate::domain::event::Fact;
use crate::domain::expression::{EvaluationError, Program};
use crate::domain::fault::Fault;
use crate::domain::state::{Activity, Frame, FrameId, Phase};

impl Machine<'_> {
    pub(super) fn attempt(&mut self, entered: &Entered, body: &Pointer, catch: &Catch) -> Result<(), Fault> {
        let timeout_at = self.attempt_timeout(catch.retry.as_deref(), &entered.input, &self.sight(entered))?;
        let step = self.open(entered, Activity::Try { phase: Phase::Body, retries: 0 })?;
        let options = ListOptions { timeout_at, ..ListOptions::default() };
        self.open_list(step, false, body, entered.input.clone(), entered.attempt, options);
        Ok(())
    }

    fn attempt_timeout(
        &self,
        retry: Option<&RetryPolicy>,
        input: &Value,
        sight: &Sight<'_>,
    ) -> Result<Option<UnixMillis>, Fault> {
        let Some(duration) = retry.and_then(|policy| policy.attempt_duration.as_ref()) else { return Ok(None) };
        Ok(Some(self.now.saturating_add(duration.evaluate(input, sight)?)))
    }

    /// Begins the next attempt, when its time has come.
    pub(super) fn try_again(&mut self, step: FrameId) -> Result<(), Reject> {
        let frame = self.frame(step)?.clone();
        let task = self.task(&frame.pointer)?;
        let Kind::Try { body, catch } = &task.kind else {
            return Err(Reject::Corrupted(format!("try {}", frame.pointer)));
        };
        let Activity::Try { retries, .. } = frame.activity else { return Ok(()) };
        let sight = self.try_sight(&frame, &task, &[]);
        match self.attempt_timeout(catch.retry.as_deref(), &frame.input, &sight) {
            Err(fault) => {
                let list = self.list_of(&frame)?;
                self.fail(list, &frame.pointer, fault)
            }
            Ok(timeout_at) => {
                let options = ListOptions { timeout_at, ..ListOptions::default() };
                self.open_list(step, true, body, frame.input.clone(), retries + 1, options);
                Ok(())
            }
        }
    }

    pub(super) fn try_sight<'a>(&'a self, frame: &'a Frame, task: &'a Task, own: &'a [(&'a str, Value)]) -> Sight<'a> {
        Sight {
            frame: Some(frame.id),
            task: Some(task),
            raw_input: &frame.raw_input,
            own,
            ..Sight::of(self, &frame.input)
        }
    }

    /// Offers an error to a step; gives it back if the step does not catch it.
    pub(super) fn caught(&mut self, step: FrameId, error: Fault) -> Result<Option<Fault>, Reject> {
        let frame = self.frame(step)?.clone();
        if let Activity::Compensation { retries, .. } = frame.activity {
            self.compensation_erred(&frame, retries, error)?;
            return Ok(None);
        }
        let Activity::Try { phase: Phase::Body, retries } = frame.activity else { return Ok(Some(error)) };
        let task = self.task(&frame.pointer)?;
        let Kind::Try { catch, .. } = &task.kind else { return Ok(Some(error)) };
        // A policy of `use.retries` stands apart from the `try` and knows the error by its default name.
        let own = [(catch.variable.as_str(), error.to_value()), ("error", error.to_value())];
        let known = if catch.retry.as_ref().is_some_and(|policy| policy.shared) { 2 } else { 1 };
        let sight = self.try_sight(&frame, &task, own.get(..known).unwrap_or_default());
        if !matches(&catch.filter, &error) {
            return Ok(Some(error));
        }
        match allowed(&catch.when, &catch.except_when, &frame, &sight) {
            Ok(true) => {}
            Ok(false) => return Ok(Some(error)),
            Err(error) => return Ok(Some(Fault::from(error).at(&frame.pointer))),
        }
        let retry_at = match &catch.retry {
            Some(policy) => match self.retry_at(policy, &frame, retries, &sight) {
                Ok(at) => at,
                Err(fault) => return Ok(Some(fault.at(&frame.pointer))),
            },
            None => None,
        };
        let pointer = frame.pointer.clone();
        if let Some(at) = retry_at {
            self.record(Fact::RetryScheduled { step, pointer, error, retry: retries + 1, at });
            return Ok(None);
        }
        if catch.handler.is_none() && catch.retry.is_some() {
            return Ok(Some(error));
        }
        self.record(Fact::ErrorCaught { step, pointer, error: error.clone() });
        match &catch.handler {
            Some(handler) => {
                let variables = BTreeMap::from([(catch.variable.clone(), Arc::new(error.to_value()))]);
                let options = ListOptions { variables, ..ListOptions::default() };
                self.open_list(step, false, handler, frame.input.clone(), frame.attempt, options);
            }
            None => self.complete_step(step, frame.input.clone())?,
        }
        Ok(None)
    }

    /// When to try again; none: not any more.
    pub(super) fn retry_at(
        &self,
        policy: &RetryPolicy,
        frame: &Frame,
        retries: u32,
        sight: &Sight<'_>,
    ) -> Result<Option<UnixMillis>, Fault> {
        let spent = policy.attempts_max.is_some_and(|most| retries >= most);
        if spent || !allowed(&policy.when, &policy.except_when, frame, sight)? {
            return Ok(None);
        }
        let delay = match &policy.delay {
            Some(delay) => delay.evaluate(&frame.input, sight)?,
            None => Duration::ZERO,
        };
        let jitter = match &policy.jitter {
            Some((from, to)) => {
                let (from, to) = (from.evaluate(&frame.input, sight)?, to.evaluate(&frame.input, sight)?);
                from + to.saturating_sub(from).mul_f64(self.chance(frame, retries))
            }
            None => Duration::ZERO,
        };
        let at = self.now.saturating_add(backoff(policy.backoff, delay, retries)).saturating_add(jitter);
        if let Some(total) = &policy.total_duration {
            let total = total.evaluate(&frame.input, sight)?;
            if at > frame.started_at.saturating_add(total) {
                return Ok(None);
            }
        }
        Ok(Some(at))
    }

    /// A number in [0, 1) that depends on the run's seed and the place only.
    fn chance(&self, frame: &Frame, retries: u32) -> f64 {
        let text = format!("{}{}/{}/{retries}", self.state.run.seed, frame.pointer, frame.iteration);
        let digest = Sha256Digest::of(text.as_bytes());
        let mut bytes = [0; 4];
        bytes.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

fn backoff(kind: Backoff, delay: Duration, retries: u32) -> Duration {
    match kind {
        Backoff::Constant => delay,
        Backoff::Linear => delay.saturating_mul(retries + 1),
        Backoff::Exponential => delay.saturating_mul(2_u32.saturating_pow(retries)),
    }
}

fn matches(filter: &ErrorFilter, error: &Fault) -> bool {
    let same = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|it| found == Some(it));
    filter.kind.as_deref().is_none_or(|kind| error.is_of(kind))
        && filter.status.is_none_or(|status| status == error.status)
        && same(&filter.instance, error.instance.as_deref())
        && same(&filter.title, error.title.as_deref())
        && same(&filter.detail, error.detail.as_deref())
}

/// Conditions of a catch or a policy. "When the evaluation of an expression fails, runtimes must raise an error".
fn allowed(
    when: &Option<Program>,
    except: &Option<Program>,
    frame: &Frame,
    sight: &Sight<'_>,
) -> Result<bool, EvaluationError> {
    let holds = |program: &Program| program.evaluate(&frame.input, sight).map(|value| holds(&value));
    Ok(when.as_ref().map_or(Ok(true), holds)? && !except.as_ref().map_or(Ok(false), holds)?)
}
