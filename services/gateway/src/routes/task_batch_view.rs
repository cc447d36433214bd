//! Batches as clients see them.

use orrery_proto::v1::{self, BatchOperation, BatchState};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::Failure;
use crate::http::answer::{json, present, time};

/// One operation on many tasks.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchView {
    /// Left out: a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// `retry`, `cancel`, `terminate`, `signal`, `reset` or `migrate`.
    operation: &'static str,
    /// What the operation was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Value>,
    /// What it meets, times in milliseconds since 1970; its creation is the bound.
    filter: Option<Value>,
    /// Tasks a second.
    rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    created_by: String,
    /// `running`, `paused`, `cancelled` or `finished`.
    state: &'static str,
    /// Tasks that met the filter when it was created.
    total: u64,
    done: u64,
    failed: u64,
    /// Tasks that were no longer as the operation needs them when their turn came.
    skipped: u64,
    created_at: Option<String>,
    updated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    /// The first 100; not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<BatchFailureView>,
    /// Whether the idempotency key had made it already.
    duplicate: bool,
}

/// A task that a batch could not do.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchFailureView {
    task_id: String,
    code: String,
    reason: String,
    at: Option<String>,
}

impl From<v1::Batch> for BatchView {
    fn from(batch: v1::Batch) -> Self {
        Self {
            operation: operation_name(batch.operation()),
            state: state_name(batch.state()),
            id: present(batch.id),
            arguments: json(batch.arguments_json).filter(|it| it.as_object().is_none_or(|fields| !fields.is_empty())),
            filter: json(batch.filter_json),
            rate: batch.rate,
            reason: present(batch.reason),
            created_by: batch.created_by,
            total: batch.total,
            done: batch.done,
            failed: batch.failed,
            skipped: batch.skipped,
            created_at: time(batch.created_at_ms),
            updated_at: time(batch.updated_at_ms),
            finished_at: time(batch.finished_at_ms),
            failures: batch.failures.into_iter().map(BatchFailureView::from).collect(),
            duplicate: batch.duplicate,
        }
    }
}

impl From<v1::BatchFailure> for BatchFailureView {
    fn from(failure: v1::BatchFailure) -> Self {
        Self { task_id: failure.task_id, code: failure.code, reason: failure.reason, at: time(failure.at_ms) }
    }
}

fn operation_name(operation: BatchOperation) -> &'static str {
    match operation {
        BatchOperation::Unspecified => "unknown",
        BatchOperation::Retry => "retry",
        BatchOperation::Cancel => "cancel",
        BatchOperation::Terminate => "terminate",
        BatchOperation::Signal => "signal",
        BatchOperation::Reset => "reset",
        BatchOperation::Migrate => "migrate",
    }
}

fn state_name(state: BatchState) -> &'static str {
    match state {
        BatchState::Unspecified => "unknown",
        BatchState::Running => "running",
        BatchState::Paused => "paused",
        BatchState::Cancelled => "cancelled",
        BatchState::Finished => "finished",
    }
}

/// Reads an operation.
pub fn operation(name: &str) -> Result<BatchOperation, Failure> {
    let all = [
        BatchOperation::Retry,
        BatchOperation::Cancel,
        BatchOperation::Terminate,
        BatchOperation::Signal,
        BatchOperation::Reset,
        BatchOperation::Migrate,
    ];
    all.into_iter().find(|operation| operation_name(*operation) == name).ok_or_else(|| {
        let known = all.map(operation_name).join(", ");
        Failure::param("operation", format!("there is no operation {name:?}; use one of {known}"))
    })
}

/// Reads a list of states separated by commas.
pub fn states(text: &str) -> Result<Vec<i32>, Failure> {
    let all = [BatchState::Running, BatchState::Paused, BatchState::Cancelled, BatchState::Finished];
    let read = |name: &str| {
        let found = all.into_iter().find(|state| state_name(*state) == name);
        found.map(i32::from).ok_or_else(|| {
            let known = all.map(state_name).join(", ");
            Failure::param("state", format!("there is no state {name:?}; use any of {known}"))
        })
    };
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(read).collect()
}
