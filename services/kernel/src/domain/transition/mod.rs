//! The interpreter: a state, a command and a time in; events and effects out.
//!
//! A transition works on a copy of the state and changes it only by recording events, so live and replayed states cannot
//! differ (K-3). Each kind of task has its file; this one moves between them.

mod attributes;
mod block;
mod call;
mod cancel;
mod compensate;
mod emit;
mod extend;
mod fork;
mod human;
mod iterate;
mod listen;
mod map;
mod migrate;
mod pause;
mod raise;
mod restart;
mod run;
mod set;
mod sight;
mod signal;
mod start;
mod switch;
mod try_catch;
mod wake;
mod work;

pub use attributes::check as check_attributes;
pub use signal::{PAYLOAD_BYTES_MAX, SIGNALS_MAX};
use std::collections::VecDeque;

use orrery_types::UnixMillis;
use serde_json::Value;

use super::command::{Beginning, Command, Reject};
use super::definition::{Definition, Pointer, Task, violations};
use super::effect::Effect;
use super::event::{Event, Fact};
use super::expression::EvaluationError;
use super::fault::{Fault, Standard};
use super::state::{Frame, FrameId, State};

/// Steps that a run may take without waiting for anything outside; an endless loop ends here with a typed error (K-6).
pub const STEPS_MAX: u64 = 100_000;
/// Steps after which a transition stops, so that other runs of the partition get their turn.
const STEPS_PER_TRANSITION: u64 = 500;
/// Bytes after which it stops, so that one commit stays small.
const BYTES_PER_TRANSITION: u64 = 8 * 1024 * 1024;
/// Bytes that the values of those steps may take in its journal, all together (K-6).
pub const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a command did.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The state after it.
    pub state: State,
    /// What happened, to be journalled before anything else.
    pub events: Vec<Event>,
    /// What to do once that is committed.
    pub effects: Vec<Effect>,
}

/// Decides what a command does to a run. Pure: the same arguments give the same answer.
pub fn transition(
    state: &State,
    definition: &Definition,
    command: Command,
    now: UnixMillis,
) -> Result<Transition, Reject> {
    let mut machine = Machine {
        definition,
        state: state.clone(),
        now: now.max(state.updated_at),
        events: Vec::new(),
        effects: Vec::new(),
        agenda: VecDeque::new(),
        first_step: state.steps,
        first_byte: state.bytes,
    };
    if state.is_over() {
        return Err(Reject::Over);
    }
    match command {
        Command::Accept => machine.accept(None)?,
        Command::AcceptRestart(beginning) => machine.accept(Some(*beginning))?,
        Command::Start => machine.start()?,
        Command::Continue => machine.proceed(),
        Command::Wake => machine.wake()?,
        Command::FinishCall { key, outcome } => machine.finish_call(&key, outcome)?,
        Command::ChildStarted { key } => machine.child_started(&key)?,
        Command::ChildFinished { key, outcome } => machine.child_finished(&key, outcome)?,
        Command::Claim { review, by } => machine.claim(&review, &by)?,
        Command::Decide { review, by, decision, reason, edits } => {
            machine.decide(&review, &by, decision, reason, edits)?;
        }
        Command::StartWork { key, attempt, worker } => machine.start_work(&key, attempt, &worker)?,
        Command::BeatWork { key, token } => machine.beat_work(&key, &token)?,
        Command::CompleteWork { key, token, output } => machine.complete_work(&key, &token, output)?,
        Command::FailWork { key, token, error, retryable } => machine.fail_work(&key, &token, error, retryable)?,
        Command::Release { review, by } => machine.release(&review, &by)?,
        Command::Delegate { review, by, to } => machine.delegate(&review, &by, &to)?,
        Command::Reassign { review, by, to } => machine.reassign(&review, &by, to)?,
        Command::Comment { review, by, id, text } => machine.comment(&review, &by, id, text)?,
        Command::Event { event } => machine.hear(&event)?,
        Command::Cancel { by, reason } => machine.cancel(by, reason)?,
        Command::Terminate { by, reason, replaced_by } => machine.terminate(by, reason, replaced_by),
        Command::Signal(signal) => machine.signal(*signal, false)?,
        Command::Update(signal) => machine.update(*signal)?,
        Command::Pause { scope, by, reason } => machine.pause(scope, by, reason),
        Command::Resume { scope, by } => machine.resume(scope, by)?,
        Command::StartPaused { scopes } => machine.start_paused(scopes)?,
        Command::Restart { events, redo, by, reason } => machine.restart(Beginning { events, redo, by, reason })?,
        Command::Migrate { target, by } => machine.migrate(*target, by)?,
    }
    machine.drive()?;
    Ok(Transition { state: machine.state, events: machine.events, effects: machine.effects })
}

/// Effects that a recovered run may not have done, or not to the end, beside its errands. Doing them again is harmless (K-4).
pub fn unfinished(state: &State) -> Vec<Effect> {
    let calls = state.frames.values().filter_map(call::effect);
    let ready = !state.is_paused() && state.frames.values().any(|frame| state.is_ready(frame));
    calls.chain(ready.then_some(Effect::Continue)).collect()
}

/// What is left to do in a transition.
#[derive(Debug)]
enum Next {
    /// The next task of a list.
    Step(FrameId),
    /// A list is over; its step goes on.
    ListDone(FrameId),
}

struct Machine<'a> {
    definition: &'a Definition,
    state: State,
    now: UnixMillis,
    events: Vec<Event>,
    effects: Vec<Effect>,
    agenda: VecDeque<Next>,
    first_step: u64,
    first_byte: u64,
}

impl Machine<'_> {
    /// The only way in which the state changes.
    fn record(&mut self, fact: Fact) {
        let event = Event { at: self.now, fact };
        self.state.apply(&event);
        self.events.push(event);
    }

    /// Queues every list that stopped between two steps.
    fn proceed(&mut self) {
        let ready = self.state.frames.values().filter(|frame| self.state.is_ready(frame));
        self.agenda.extend(ready.map(|frame| Next::Step(frame.id)));
    }

    fn drive(&mut self) -> Result<(), Reject> {
        while let Some(next) = self.agenda.pop_front() {
            // While it is paused, lists stay where they are; resuming looks for them again.
            if self.state.is_over() || self.state.is_paused() {
                return Ok(());
            }
            match next {
                Next::Step(_) if self.has_had_its_turn() => {
                    self.record(Fact::Yielded);
                    self.effects.push(Effect::Continue);
                    return Ok(());
                }
                Next::Step(list) => self.step(list)?,
                Next::ListDone(list) => self.list_done(list)?,
            }
        }
        Ok(())
    }

    fn has_had_its_turn(&self) -> bool {
        self.state.steps - self.first_step >= STEPS_PER_TRANSITION
            || self.state.bytes - self.first_byte >= BYTES_PER_TRANSITION
    }

    fn frame(&self, id: FrameId) -> Result<&Frame, Reject> {
        self.state.frames.get(&id).ok_or_else(|| Reject::Corrupted(format!("frame {id}")))
    }

    fn task(&self, pointer: &str) -> Result<std::sync::Arc<Task>, Reject> {
        self.definition.task(pointer).cloned().ok_or_else(|| Reject::Corrupted(format!("task {pointer}")))
    }

    /// The list in which a step stands.
    fn list_of(&self, step: &Frame) -> Result<FrameId, Reject> {
        step.parent.ok_or_else(|| Reject::Corrupted(format!("list around {}", step.pointer)))
    }
}

fn check_schema(schema: Option<&Value>, value: &Value, what: &str) -> Result<(), Fault> {
    let Some(schema) = schema else { return Ok(()) };
    match violations(schema, value) {
        Ok(faults) if faults.is_empty() => Ok(()),
        Ok(faults) => {
            Err(Fault::new(Standard::Validation, format!("{what} does not fit its schema: {}", faults.join("; "))))
        }
        Err(error) => Err(Fault::new(Standard::Configuration, format!("the schema of {what} cannot be used: {error}"))),
    }
}

impl From<EvaluationError> for Fault {
    fn from(error: EvaluationError) -> Self {
        Self::new(Standard::Expression, error.to_string())
    }
}

/// A step that is about to be performed.
struct Entered {
    list: FrameId,
    task: std::sync::Arc<Task>,
    raw_input: std::sync::Arc<Value>,
    input: std::sync::Arc<Value>,
    iteration: u32,
    attempt: u32,
}

impl Entered {
    fn pointer(&self) -> &Pointer {
        &self.task.pointer
    }
}

#[cfg(test)]
mod tests;
