//! What the shell does after a transition is committed, and never before.
//!
//! K-4: every effect carries a key, and doing it twice with the same key does it once.

use orrery_types::{TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::{Parent, Run};
use super::definition::{Pointer, Target};
use super::expression::Sealed;
use super::fault::Fault;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", content = "of", rename_all = "snake_case")]
pub enum Effect {
    /// Call a function of the platform, or something outside.
    Call(Call),
    /// Give a call up: its result is no longer wanted.
    CancelCall {
        /// Its key.
        key: String,
    },
    /// Tell workers that a step waits in a task queue. May be lost: the step's row remembers.
    AnnounceWork {
        /// Which queue.
        queue: String,
    },
    /// Start another workflow.
    StartChild(Box<StartChild>),
    /// Cancel another run that this one started.
    CancelChild {
        /// Its id.
        task: TaskId,
        /// Why.
        reason: String,
        /// Whether it ends at once, without undoing anything.
        terminate: bool,
    },
    /// Tell the run that started this one how it ended.
    NotifyParent {
        /// Whom.
        parent: Parent,
        /// What came of it.
        outcome: Result<Value, Fault>,
    },
    /// Publish an event, a CloudEvent in JSON. Written to the outbox with the transition.
    Publish(Value),
    /// Send the run `Continue`: it stopped so that others can run.
    Continue,
}

impl Effect {
    /// Whether another run is told something. Kept until that is done, whoever owns either run by then.
    pub fn is_errand(&self) -> bool {
        matches!(self, Self::StartChild(_) | Self::CancelChild { .. } | Self::NotifyParent { .. })
    }
}

/// A call to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// `<run>/<pointer>/<iteration>/<attempt>`.
    pub key: String,
    /// Which function.
    pub function: Target,
    /// Its arguments.
    pub arguments: Value,
    /// What of them rests on secrets.
    pub sealed: Sealed,
    /// The step's pointer.
    pub pointer: Pointer,
    /// When the step gives up.
    pub deadline_at: UnixMillis,
}

/// A sub-workflow to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartChild {
    /// The key of the step.
    pub key: String,
    /// The id that the run will have.
    pub task: TaskId,
    /// Namespace, name and version, which may be `latest`.
    pub workflow: (String, String, String),
    /// Its input.
    pub input: Value,
    /// Whether the step waits for its end.
    pub wait: bool,
    /// The run that starts it.
    pub starter: Run,
}
