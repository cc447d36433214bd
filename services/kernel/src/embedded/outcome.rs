//! What came of an embedded run.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::waiting::Waiting;
use crate::domain::definition::Pointer;
use crate::domain::fault::Fault;

/// How a run stands when nothing more happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is over with an output.
    Completed,
    /// It is over with an error.
    Faulted,
    /// It was cancelled.
    Cancelled,
    /// It waits for what does not come in this process.
    Waiting,
}

/// A call that was made, or a step that was given to workers; each attempt is one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Made {
    /// The pointer of its task.
    pub task: Pointer,
    /// The name of its workflow.
    pub workflow: String,
    /// Which function.
    pub function: String,
    /// Its arguments.
    pub with: Value,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it stands.
    pub status: RunStatus,
    /// Its output, if it completed.
    pub output: Option<Value>,
    /// Its error, if it faulted.
    pub error: Option<Fault>,
    /// The tasks in the order in which they ran.
    pub tasks: Vec<Pointer>,
    /// What it waits for.
    pub waiting: Vec<Waiting>,
    /// The events that it and the runs under it emitted, in order.
    pub emitted: Vec<Value>,
    /// The calls that it and the runs under it made, in the order in which they began.
    pub calls: Vec<Made>,
    /// What was sent to the runs and refused, with the reasons.
    pub refusals: Vec<String>,
    /// Time from its start to its last event, on its own clock.
    pub elapsed: Duration,
}

impl Outcome {
    /// As `orrery workflow run` prints it: `waiting` and `emitted` only where there are some.
    pub fn to_value(&self) -> Value {
        let mut value = json!({
            "status": self.status, "output": self.output, "error": self.error, "tasks": self.tasks,
        });
        if let Some(fields) = value.as_object_mut() {
            if self.status == RunStatus::Waiting {
                fields.insert("waiting".to_owned(), json!(self.waiting));
            }
            if !self.emitted.is_empty() {
                fields.insert("emitted".to_owned(), json!(self.emitted));
            }
        }
        value
    }
}
