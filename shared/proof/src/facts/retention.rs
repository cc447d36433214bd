//! Facts about how long tasks are kept, emitted by the kernel. Their records name no task: those of a task are the ones that
//! its proof counts, and they stay when the task itself is removed.

use serde::{Deserialize, Serialize};

/// `task.removed`: a task whose time was over is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRemoved {
    /// Which.
    pub task_id: String,
    /// `name:version`.
    pub workflow: String,
    /// How it ended.
    pub status: String,
    /// When.
    pub finished_at_ms: u64,
    /// Digest of its archive, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_digest: Option<String>,
}

/// `retention.changed`: a rule was set, or taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionChanged {
    /// Empty: of the tenant.
    pub workflow: String,
    /// How long after their end; left out: the rule was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_ms: Option<u64>,
    /// Whether they are archived first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<bool>,
    /// By whom.
    pub by: String,
}
