//! `call` of a platform function or of something outside, and what comes back; and of functions that the definition holds.

use std::sync::Arc;
use std::time::Duration;

use orrery_types::Sha256Digest;
use serde_json::Value;

use super::block::ListOptions;
use super::{Entered, Machine};
use crate::domain::command::{Reject, Reply};
use crate::domain::definition::{Call, Function, FunctionCall, Target, digest};
use crate::domain::effect::{self, Effect};
use crate::domain::event::Receipt;
use crate::domain::expression::{Sealed, seal};
use crate::domain::fault::Fault;
use crate::domain::state::{Activity, Frame};

/// How long a call may take, retries by the platform included, unless its task says otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(600);

impl Machine<'_> {
    pub(super) fn call(&mut self, entered: &Entered, call: &Call) -> Result<(), Fault> {
        let (arguments, expressions) = seal(&call.arguments, &entered.input, &self.sight(entered))?;
        match call.function {
            Target::Platform(Function::Human) => return self.ask(entered, &arguments),
            Target::Platform(Function::Signal) => return self.await_signal(entered, &arguments),
            Target::Platform(Function::Map) => return self.map(entered, arguments),
            Target::Platform(Function::Work) => return self.queue_work(entered, &arguments),
            _ => {}
        }
        let timeout = match &entered.task.timeout {
            Some(timeout) => timeout.evaluate(&entered.input, &self.sight(entered))?,
            None => CALL_TIMEOUT,
        };
        let activity = Activity::Call {
            key: self.key(entered),
            function: call.function,
            arguments: Arc::new(arguments),
            sealed: Sealed { secrets: call.secrets.clone(), expressions },
            deadline_at: self.now.saturating_add(timeout),
        };
        let step = self.open(entered, activity)?;
        self.effects.extend(self.state.frames.get(&step).and_then(effect));
        Ok(())
    }

    /// Runs a function of the definition: its task in a list of its own, with the arguments as input.
    pub(super) fn call_function(&mut self, entered: &Entered, call: &FunctionCall) -> Result<(), Fault> {
        let input = match &call.input {
            Some(input) => Arc::new(input.evaluate(&entered.input, &self.sight(entered))?),
            None => entered.input.clone(),
        };
        let step = self.open(entered, Activity::Do)?;
        self.open_list(step, false, &call.body, input, entered.attempt, ListOptions::default());
        Ok(())
    }

    /// The idempotency key of a step's effect: `<run>/<pointer>/<iteration>/<attempt>`.
    pub(super) fn key(&self, entered: &Entered) -> String {
        format!("{}{}/{}/{}", self.state.run.id, entered.pointer(), entered.iteration, entered.attempt)
    }

    /// An id that follows from a key and the time, shaped like a UUIDv7: ids sort by time, and one key gives one id.
    pub(super) fn id_from(&self, key: &str) -> String {
        let hex = Sha256Digest::of(key.as_bytes()).to_hex();
        format!("{:012x}{}", self.now.0 & 0xffff_ffff_ffff, hex.chars().take(20).collect::<String>())
    }

    pub(super) fn finish_call(&mut self, key: &str, outcome: Result<Reply, Fault>) -> Result<(), Reject> {
        let waits = |frame: &&Frame| matches!(&frame.activity, Activity::Call { key: it, .. } if it == key);
        let frame = self.state.frames.values().find(waits).cloned().ok_or(Reject::Stale)?;
        let Activity::Call { function, arguments, .. } = &frame.activity else { return Err(Reject::Stale) };
        match outcome {
            Err(fault) => self.finish(&frame, Err(fault)),
            Ok(Reply { output, decisions }) => {
                let receipt = Receipt {
                    function: *function,
                    input_digest: digest(arguments),
                    output_digest: digest(&output),
                    attempt: frame.attempt,
                    decisions,
                };
                self.complete_call(frame.id, Arc::new(output), Some(Box::new(receipt)))
            }
        }
    }

    /// Ends a step that waited for something outside.
    pub(super) fn finish(&mut self, frame: &Frame, outcome: Result<Value, Fault>) -> Result<(), Reject> {
        match outcome {
            Ok(output) => self.complete_step(frame.id, Arc::new(output)),
            Err(fault) => {
                let list = self.list_of(frame)?;
                self.fail(list, &frame.pointer, fault)
            }
        }
    }
}

/// The effect of a call under way.
pub(super) fn effect(frame: &Frame) -> Option<Effect> {
    let Activity::Call { key, function, arguments, sealed, deadline_at } = &frame.activity else { return None };
    Some(Effect::Call(effect::Call {
        key: key.clone(),
        function: *function,
        arguments: (**arguments).clone(),
        sealed: sealed.clone(),
        pointer: frame.pointer.clone(),
        deadline_at: *deadline_at,
    }))
}
