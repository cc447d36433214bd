//! The variables that an expression sees: `$context`, `$input`, `$output`, `$task`, `$workflow`, `$runtime` as the
//! specification names them, and those of the loops and catches around it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::Machine;
use crate::domain::definition::{POLICIES, Task};
use crate::domain::expression::{AUTHORIZATION, Variables};
use crate::domain::state::{Activity, FrameId};

/// What stands for a parameter that must not be known.
const HIDDEN: &str = "***";

/// What is in sight at one place.
pub(super) struct Sight<'a> {
    pub machine: &'a Machine<'a>,
    /// The innermost frame, from which the variables of the outer ones are found.
    pub frame: Option<FrameId>,
    pub task: Option<&'a Task>,
    pub raw_input: &'a Value,
    pub input: &'a Value,
    /// What the task gave, before `output.as`: `$task.output`.
    pub raw_output: Option<&'a Value>,
    /// After it: `$output`.
    pub output: Option<&'a Value>,
    /// Variables that no frame holds yet.
    pub own: &'a [(&'a str, Value)],
}

impl Variables for Sight<'_> {
    fn get(&self, name: &str) -> Value {
        let state = &self.machine.state;
        if let Some((_, value)) = self.own.iter().find(|(own, _)| *own == name) {
            return value.clone();
        }
        match name {
            "context" => (*state.context).clone(),
            "input" => self.input.clone(),
            "output" => self.output.cloned().unwrap_or(Value::Null),
            // To what an extension runs, the task is the one that is extended.
            "task" => match self.outer("task") {
                Value::Null => self.task_descriptor(),
                extended => extended,
            },
            "workflow" => self.workflow_descriptor(),
            AUTHORIZATION => self.authorization(),
            "runtime" => json!({
                "name": "orrery", "version": env!("CARGO_PKG_VERSION"), "metadata": {}
            }),
            _ => self.outer(name),
        }
    }

    fn now_seconds(&self) -> f64 {
        self.machine.now.0 as f64 / 1000.0
    }
}

impl<'a> Sight<'a> {
    /// What the workflow itself sees with an input.
    pub fn of(machine: &'a Machine<'a>, input: &'a Value) -> Self {
        Self { machine, frame: None, task: None, raw_input: input, input, raw_output: None, output: None, own: &[] }
    }

    fn outer(&self, name: &str) -> Value {
        let frames = &self.machine.state.frames;
        let mut at = self.frame;
        while let Some(frame) = at.and_then(|id| frames.get(&id)) {
            if let Some(value) = frame.variables.get(name) {
                return (**value).clone();
            }
            at = frame.parent;
        }
        Value::Null
    }

    /// What a call authenticated with, to what comes after it. The parameter is known here only where it stands in the call's
    /// own arguments: a secret or a token got for the call never comes into the journal (K-10).
    fn authorization(&self) -> Value {
        let frame = self.frame.and_then(|id| self.machine.state.frames.get(&id));
        let Some(Activity::Call { arguments, .. }) = frame.map(|frame| &frame.activity) else { return Value::Null };
        let policy = POLICIES.into_iter().find_map(|at| arguments.pointer(at));
        let Some((name, properties)) = policy.and_then(Value::as_object).and_then(|it| it.iter().next()) else {
            return Value::Null;
        };
        let text = |field: &str| properties.get(field).and_then(Value::as_str);
        let (scheme, parameter) = match name.as_str() {
            "basic" => {
                let pair = text("username").zip(text("password"));
                ("Basic", pair.map(|(name, password)| BASE64.encode(format!("{name}:{password}"))))
            }
            "digest" => ("Digest", None),
            _ => ("Bearer", text("token").map(str::to_owned)),
        };
        json!({ "scheme": scheme, "parameter": parameter.unwrap_or_else(|| HIDDEN.to_owned()) })
    }

    pub fn task_descriptor(&self) -> Value {
        let Some(task) = self.task else { return Value::Null };
        let frame = self.frame.and_then(|id| self.machine.state.frames.get(&id));
        let started = frame.filter(|frame| !matches!(frame.activity, Activity::List { .. }));
        let started_at = started.map_or(self.machine.now, |frame| frame.started_at);
        json!({
            "name": task.name, "reference": &*task.pointer, "definition": task.source, "input": self.raw_input,
            "output": self.raw_output, "startedAt": time(started_at),
        })
    }

    fn workflow_descriptor(&self) -> Value {
        let state = &self.machine.state;
        json!({
            "id": state.run.id, "definition": &*self.machine.definition.source, "input": &*state.run.input,
            "startedAt": time(state.started_at), "attachments": state.run.attachments,
            "submittedBy": state.run.submitted_by,
        })
    }
}

/// A point in time as the specification describes it.
fn time(at: orrery_types::UnixMillis) -> Value {
    json!({ "iso8601": at.to_string(), "epoch": { "seconds": at.0 / 1000, "milliseconds": at.0 } })
}
