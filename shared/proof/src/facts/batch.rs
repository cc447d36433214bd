//! Facts about operations on many tasks at once, emitted by the kernel. They belong to no single task: what a batch does to
//! each stands in that task's own records.

use serde::{Deserialize, Serialize};

/// `batch.created`: somebody asked for one operation on every task that a filter meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCreated {
    pub batch_id: String,
    /// For example `retry`.
    pub operation: String,
    /// Digest of what the operation was given.
    pub arguments_digest: String,
    /// Digest of the filter.
    pub filter_digest: String,
    /// How many tasks it met then.
    pub total: u64,
    /// Tasks in a thousand seconds.
    pub rate_per_1000_s: u64,
    /// By whom.
    pub by: String,
}

/// `batch.paused`, `batch.resumed`, `batch.cancelled` or `batch.finished`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchChanged {
    pub batch_id: String,
    /// By whom; for one that finished, who had asked for it.
    pub by: String,
    /// Tasks so far.
    pub total: u64,
    pub done: u64,
    pub failed: u64,
    pub skipped: u64,
}
