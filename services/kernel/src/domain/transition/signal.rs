//! Signals: messages to a run. They wait in it until a step asks for them by `orrery.signal`. An update is a signal that the
//! definition declares, with a schema and a condition; it is refused, with reasons, before anything is recorded.

use std::sync::Arc;

use orrery_types::Sha256Digest;
use serde_json::{Value, json};

use super::{Entered, Machine};
use crate::domain::command::{Reject, Signal};
use crate::domain::definition::{digest, duration, violations};
use crate::domain::event::{Fact, json_bytes};
use crate::domain::fault::{Fault, Standard};
use crate::domain::live::Live;
use crate::domain::state::{Activity, Frame, FrameId};

/// Signals that wait in one run.
pub const SIGNALS_MAX: usize = 1_000;
/// Bytes of one payload.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// Bytes of all that wait in one run.
const WAITING_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest name.
const NAME_BYTES_MAX: usize = 128;
/// Longest key.
const KEY_BYTES_MAX: usize = 256;

impl Machine<'_> {
    /// `orrery.signal`: takes the oldest signal of a name, or waits for one.
    pub(super) fn await_signal(&mut self, entered: &Entered, arguments: &Value) -> Result<(), Fault> {
        let wrong = |what: &str| Fault::new(Standard::Validation, format!("orrery.signal: {what}"));
        let names = match arguments.get("name") {
            Some(Value::String(name)) => vec![name.clone()],
            Some(Value::Array(names)) if !names.is_empty() => {
                let name = |name: &Value| name.as_str().map(str::to_owned);
                names.iter().map(name).collect::<Option<Vec<_>>>().ok_or_else(|| wrong("`name` must hold texts"))?
            }
            _ => return Err(wrong("`name` must be a name or a list of names")),
        };
        let timeout = arguments.get("timeout").filter(|timeout| !timeout.is_null());
        let timeout =
            timeout.map(duration::parse).transpose().map_err(|error| wrong(&format!("`timeout`: {error}")))?;
        let until = timeout.map(|after| self.now.saturating_add(after));
        let step = self.open(entered, Activity::Signal { names, until })?;
        // The frame stands; completing it can fail only by the step's own output, which fails the step as it should.
        self.hand_over(step).map_err(|reject| Fault::new(Standard::Runtime, reject.to_string()))
    }

    /// Takes a signal in; a step that waits for it goes on.
    pub(super) fn signal(&mut self, signal: Signal, update: bool) -> Result<(), Reject> {
        let said = digest(&json!([signal.name, *signal.payload]));
        if let Some((_, before)) = self.state.signal_keys.iter().find(|(key, _)| *key == signal.key) {
            return match *before == said {
                true => Ok(()),
                false => Err(Reject::Conflict("the key was used before for another signal of this task".to_owned())),
            };
        }
        self.admit_signal(&signal)?;
        let waiting = self.state.frames.values().filter(|frame| wants(frame, &signal.name)).map(|frame| frame.id);
        let waiting: Vec<FrameId> = waiting.collect();
        self.record_signal(signal, said, update);
        for step in waiting {
            if self.state.frames.contains_key(&step) {
                self.hand_over(step)?;
            }
        }
        let listens = |frame: &&Frame| matches!(frame.activity, Activity::Listen { open: true, .. });
        let listening: Vec<FrameId> = self.state.frames.values().filter(listens).map(|frame| frame.id).collect();
        listening.into_iter().try_for_each(|step| self.hear_signals(step))
    }

    fn record_signal(&mut self, signal: Signal, digest: Sha256Digest, update: bool) {
        self.record(Fact::SignalReceived { signal: Box::new(signal), digest, update, audited: true });
    }

    fn admit_signal(&self, signal: &Signal) -> Result<(), Reject> {
        if self.state.ending.is_some() {
            return Err(Reject::Over);
        }
        if signal.name.is_empty() || signal.name.len() > NAME_BYTES_MAX {
            return Err(Reject::Invalid(format!("a signal's name has 1 to {NAME_BYTES_MAX} bytes")));
        }
        if signal.key.len() > KEY_BYTES_MAX {
            return Err(Reject::Invalid(format!("a signal's key has {KEY_BYTES_MAX} bytes at most")));
        }
        let bytes = json_bytes(&signal.payload);
        if bytes > PAYLOAD_BYTES_MAX as u64 {
            return Err(Reject::TooLarge(format!("the payload is longer than {PAYLOAD_BYTES_MAX} bytes")));
        }
        let waiting: u64 = self.state.signals.iter().map(|signal| json_bytes(&signal.payload)).sum();
        if self.state.signals.len() >= SIGNALS_MAX || waiting + bytes > WAITING_BYTES_MAX {
            let message = format!(
                "{} signals wait in this task already; its workflow has to take some first",
                self.state.signals.len()
            );
            return Err(Reject::Full(message));
        }
        Ok(())
    }

    /// Gives a waiting step the oldest signal that it wants, if there is one.
    fn hand_over(&mut self, step: FrameId) -> Result<(), Reject> {
        let frame = self.frame(step)?.clone();
        let Some(index) = self.state.signals.iter().position(|signal| wants(&frame, &signal.name)) else {
            return Ok(());
        };
        let Some(signal) = self.state.signals.get(index).cloned() else { return Ok(()) };
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.record(Fact::SignalTaken { index, pointer: frame.pointer.clone() });
        let output = json!({ "name": signal.name, "payload": &*signal.payload, "sent_by": signal.by });
        self.complete_step(step, Arc::new(output))
    }

    /// Checks an update, then takes it in as a signal.
    pub(super) fn update(&mut self, signal: Signal) -> Result<(), Reject> {
        let Some(update) = self.definition.updates.get(&signal.name) else {
            let known: Vec<&str> = self.definition.updates.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Reject::Invalid(format!("the workflow has no update {:?}; it has: {known}", signal.name)));
        };
        if let Some(schema) = &update.schema {
            match violations(schema, &signal.payload) {
                Ok(reasons) if reasons.is_empty() => {}
                Ok(reasons) => return Err(Reject::Refused(reasons)),
                Err(error) => return Err(Reject::Refused(vec![format!("its schema cannot be used: {error}")])),
            }
        }
        if let Some(accept) = &update.accept {
            let payload = &signal.payload;
            let live = Live { state: &self.state, definition: self.definition, payload, now: self.now };
            match accept.evaluate(&self.state.context, &live) {
                Ok(Value::Bool(true)) => {}
                Ok(Value::String(reason)) => return Err(Reject::Refused(vec![reason])),
                Ok(_) => return Err(Reject::Refused(vec![format!("`{}` does not hold", accept.source())])),
                Err(error) => return Err(Reject::Refused(vec![error.to_string()])),
            }
        }
        self.signal(signal, true)
    }
}

fn wants(frame: &Frame, name: &str) -> bool {
    matches!(&frame.activity, Activity::Signal { names, .. } if names.iter().any(|wanted| wanted == name))
}
