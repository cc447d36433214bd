//! Tasks and their events as clients see them.

use orrery_proto::v1::{self, TaskStatus};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::Failure;
use crate::http::answer::{json, time};

/// One run of a workflow.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskView {
    id: String,
    /// `name:version`.
    workflow: String,
    definition_hash: String,
    /// `pending`, `running`, `waiting`, `completed`, `faulted`, `cancelled` or `terminated`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    /// Of a completed task.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    /// Of a faulted task.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    submitted_by: String,
    created_at: Option<String>,
    updated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    /// Pointers of the steps under way.
    active: Vec<String>,
    attachments: Vec<AttachmentView>,
    /// Whether the idempotency key had started it already.
    duplicate: bool,
    /// The task was removed, and this is where it is archived: its input, output, error and history are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    archived: Option<ArchiveView>,
}

/// Where a task that was removed is archived.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArchiveView {
    /// Path of this gateway.
    path: String,
    /// In the object store.
    key: String,
    sha256: String,
    size_bytes: u64,
    at: Option<String>,
}

/// A file that came with a task.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentView {
    name: String,
    file_name: String,
    media_type: String,
    size_bytes: u64,
    sha256: String,
}

/// One line of a task's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskEventView {
    task_id: String,
    /// From 1, without gaps.
    seq: u64,
    /// For example `step.completed`.
    kind: String,
    pointer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    at: Option<String>,
}

impl ArchiveView {
    fn of(task: &str, archive: v1::Archive) -> Self {
        let blob = archive.blob.unwrap_or_default();
        Self {
            path: format!("/v1/tasks/{task}/archive"),
            key: blob.key,
            sha256: blob.sha256,
            size_bytes: blob.size_bytes,
            at: time(archive.archived_at_ms),
        }
    }
}

impl From<v1::Task> for TaskView {
    fn from(task: v1::Task) -> Self {
        Self {
            status: status_name(task.status()),
            archived: task.archive.map(|archive| ArchiveView::of(&task.id, archive)),
            id: task.id,
            workflow: task.workflow,
            definition_hash: task.definition_hash,
            input: json(task.input_json),
            output: json(task.output_json),
            error: json(task.error_json),
            submitted_by: task.submitted_by,
            created_at: time(task.created_at_ms),
            updated_at: time(task.updated_at_ms),
            finished_at: time(task.finished_at_ms),
            active: task.active,
            attachments: task.attachments.into_iter().map(AttachmentView::from).collect(),
            duplicate: task.duplicate,
        }
    }
}

impl From<v1::Attachment> for AttachmentView {
    fn from(attachment: v1::Attachment) -> Self {
        let blob = attachment.blob.unwrap_or_default();
        Self {
            name: attachment.name,
            file_name: blob.name,
            media_type: blob.media_type,
            size_bytes: blob.size_bytes,
            sha256: blob.sha256,
        }
    }
}

impl From<v1::TaskEvent> for TaskEventView {
    fn from(event: v1::TaskEvent) -> Self {
        Self {
            task_id: event.task_id,
            seq: event.seq,
            kind: event.kind,
            pointer: event.pointer,
            data: json(event.data_json),
            at: time(event.at_ms),
        }
    }
}

fn status_name(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Unspecified => "unknown",
        TaskStatus::Pending => "pending",
        TaskStatus::Running => "running",
        TaskStatus::Waiting => "waiting",
        TaskStatus::Completed => "completed",
        TaskStatus::Faulted => "faulted",
        TaskStatus::Cancelled => "cancelled",
        TaskStatus::Terminated => "terminated",
    }
}

/// Reads a list of statuses separated by commas.
pub fn statuses(text: &str) -> Result<Vec<i32>, Failure> {
    let all = [
        TaskStatus::Pending,
        TaskStatus::Running,
        TaskStatus::Waiting,
        TaskStatus::Completed,
        TaskStatus::Faulted,
        TaskStatus::Cancelled,
        TaskStatus::Terminated,
    ];
    let read = |name: &str| {
        let found = all.into_iter().find(|status| status_name(*status) == name);
        found.map(i32::from).ok_or_else(|| {
            let known = all.map(status_name).join(", ");
            let message = format!("there is no status {name:?}; use any of {known}");
            Failure::param("status", message)
        })
    };
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(read).collect()
}
