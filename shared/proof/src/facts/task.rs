//! Facts about a task and its steps, emitted by the kernel.

use serde::{Deserialize, Serialize};

use super::Restarted;

/// A file that came with a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentDigest {
    /// Field name within the task, for example `form`.
    pub name: String,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// As declared by the sender.
    pub media_type: String,
    /// Size in bytes.
    pub size: u64,
}

/// `task.submitted`: the first fact of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSubmitted {
    /// `name:version`.
    pub workflow: String,
    /// Digest of the canonical definition the run is pinned to.
    pub definition_hash: String,
    /// Digest of the input.
    pub input_digest: String,
    /// The files.
    pub attachments: Vec<AttachmentDigest>,
    /// The principal.
    pub submitted_by: String,
    /// The task from which it was begun anew, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Restarted>,
}

/// `step.completed`: one step of the workflow is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCompleted {
    /// JSON pointer of the step in the definition.
    pub pointer: String,
    /// The platform function it called; empty for a step that the kernel did itself.
    pub function: String,
    /// Digest of what went in.
    pub input_digest: String,
    /// Digest of what came out.
    pub output_digest: String,
    /// Which attempt succeeded, from 1.
    pub attempt: u32,
    /// Decisions of the router that the output rests on. A proof is incomplete without the `model.called` of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decision_ids: Vec<String>,
}

/// `task.completed`, `task.faulted`, `task.cancelled` or `task.terminated`: the last fact of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskClosed {
    /// `completed`, `faulted`, `cancelled` or `terminated`.
    pub status: String,
    /// Digest of the output, or of the error.
    pub output_digest: String,
    /// What was decided, where the output says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The clause it rests on, where the output says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// The code of the error that ended it: the platform's, or the kind of error that the workflow raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// JSON pointer of the step that the error came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_at: Option<String>,
    /// Who cancelled or terminated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Digest of the reason that they gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_digest: Option<String>,
    /// The task that takes its place, if it was reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// How many records the kernel has emitted for the task, this one included. A proof with fewer is incomplete.
    pub kernel_records: u64,
}
