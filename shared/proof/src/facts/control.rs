//! Facts about who controlled a task, a workflow or a tenant, emitted by the kernel.

use serde::{Deserialize, Serialize};

/// `signal.received`: somebody sent the task a signal, or an update that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalReceived {
    /// Its name.
    pub name: String,
    /// The principal.
    pub by: String,
    /// Digest of the payload.
    pub payload_digest: String,
    /// Whether it was checked as an update.
    pub update: bool,
}

/// `task.paused`: nothing new is scheduled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPaused {
    /// What was paused: `run`, `definition` or `tenant`.
    pub scope: String,
    /// The principal.
    pub by: String,
    /// Digest of the reason given.
    pub reason_digest: String,
}

/// `task.resumed`: it goes on, unless something else is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskResumed {
    /// What was resumed: `run`, `definition` or `tenant`.
    pub scope: String,
    /// The principal.
    pub by: String,
}

/// `task.migrated`: it goes on by another version of its workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMigrated {
    /// `name:version` from here on.
    pub workflow: String,
    /// Digest of its canonical definition.
    pub definition_hash: String,
    /// The principal.
    pub by: String,
}

/// The task from which another was begun anew, with who did it: part of `task.submitted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarted {
    /// `reset`, `fork` or `retry`.
    pub how: String,
    /// The task whose history it begins with.
    pub task: String,
    /// The last event of that history that both have.
    pub seq: u64,
    /// The principal.
    pub by: String,
    /// Digest of the reason given.
    pub reason_digest: String,
}

/// `workflow.paused`, `workflow.resumed`, `tenant.paused` or `tenant.resumed`. Belongs to no task; each that is held has its
/// own `task.paused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManyHeld {
    /// Name of the workflow; empty: all of the tenant.
    pub workflow: String,
    /// The principal.
    pub by: String,
    /// Digest of the reason given; empty for a resumption.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason_digest: String,
}
