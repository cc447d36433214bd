//! What retention tells others: a record and an event for each run that is removed, and a record for each change of a rule.
//! Records hold digests and ids only. They belong to no task, so that the records of a task stay those that its proof counts.

use orrery_bus::{CloudEvent, subjects};
use orrery_proof::facts::{self, kind};
use orrery_proto::v1::AuditRecord;
use orrery_store::outbox::Message;
use orrery_types::UnixMillis;
use prost::Message as _;
use serde_json::json;

use crate::store::{ArchiveRow, RetentionRow, RunRow};

const SERVICE: &str = "kernel";

fn record(id: String, tenant: &str, kind: &str, facts_json: String, at: UnixMillis) -> Message {
    let record = AuditRecord {
        id,
        tenant: tenant.to_owned(),
        task_id: String::new(),
        service: SERVICE.to_owned(),
        kind: kind.to_owned(),
        at_ms: at.0,
        facts_json,
    };
    message(subjects::audit_record(SERVICE), record.id.clone(), record.encode_to_vec(), at)
}

fn message(subject: String, message_id: String, payload: Vec<u8>, at: UnixMillis) -> Message {
    Message { subject, message_id, payload, created_ms: i64::try_from(at.0).unwrap_or(i64::MAX) }
}

/// That a run was removed, and where it is archived.
pub fn removed(row: &RunRow, archive: Option<&ArchiveRow>, at: UnixMillis) -> Vec<Message> {
    let facts = facts::TaskRemoved {
        task_id: row.id.clone(),
        workflow: format!("{}:{}", row.workflow, row.version),
        status: row.status.clone(),
        finished_at_ms: u64::try_from(row.finished_ms).unwrap_or(0),
        archive_digest: archive.map(|archive| format!("sha256:{}", archive.sha256)),
    };
    // Not under the run's own prefix: what waits there keeps the run.
    let id = format!("removed/{}", row.id);
    let record = record(format!("kernel/{id}"), &row.tenant, kind::TASK_REMOVED, facts::to_json(&facts), at);
    let data = json!({ "task_id": row.id, "archived": archive.is_some(), "at_ms": at.0 });
    let event_id = format!("event/{id}");
    let event = CloudEvent::new(SERVICE, &row.tenant, kind::TASK_REMOVED, &row.id, &event_id, at).data(data);
    let event = serde_json::to_vec(&event).ok();
    let event = event.map(|payload| message(subjects::event(&row.tenant, "task", "removed"), event_id, payload, at));
    [record].into_iter().chain(event).collect()
}

/// That a rule was set; none: that it was taken away.
pub fn changed(row: &RetentionRow, is_set: bool, by: &str, at: UnixMillis) -> Vec<Message> {
    let facts = facts::RetentionChanged {
        workflow: row.workflow.clone(),
        keep_ms: is_set.then(|| u64::try_from(row.keep_ms).unwrap_or(0)),
        archive: is_set.then_some(row.archive),
        by: by.to_owned(),
    };
    let id = format!("kernel/retention/{}/{}/{}", row.tenant, uuid::Uuid::now_v7().simple(), at.0);
    vec![record(id, &row.tenant, kind::RETENTION_CHANGED, facts::to_json(&facts), at)]
}
