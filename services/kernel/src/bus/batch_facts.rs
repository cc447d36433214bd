//! What a batch tells others: audit records with digests, and events with counts. Pure; the rows are written in the
//! transaction that makes them true.

use orrery_bus::{CloudEvent, subjects};
use orrery_proof::facts::{self, kind};
use orrery_proto::v1::AuditRecord;
use orrery_store::outbox::Message;
use orrery_types::{Sha256Digest, UnixMillis};
use prost::Message as _;
use serde_json::json;

use crate::domain::batch::{BatchState, Tally};
use crate::store::BatchRow;

const SERVICE: &str = "kernel";

/// That a batch was created.
pub fn created(row: &BatchRow, at: UnixMillis) -> Vec<Message> {
    let tally = row.tally();
    let facts = facts::BatchCreated {
        batch_id: row.id.clone(),
        operation: row.operation().map(|it| it.word().to_owned()).unwrap_or_default(),
        arguments_digest: Sha256Digest::of(row.operation.as_bytes()).to_string(),
        filter_digest: Sha256Digest::of(row.filter.as_bytes()).to_string(),
        total: tally.total,
        rate_per_1000_s: u64::try_from(row.rate).unwrap_or(0),
        by: row.created_by.clone(),
    };
    told(row, "created", kind::BATCH_CREATED, facts::to_json(&facts), &row.created_by, tally, at)
}

/// That a batch came to stand otherwise.
pub fn changed(row: &BatchRow, to: BatchState, by: &str, tally: Tally, at: UnixMillis) -> Vec<Message> {
    let (what, kind) = match to {
        BatchState::Running => ("resumed", kind::BATCH_RESUMED),
        BatchState::Paused => ("paused", kind::BATCH_PAUSED),
        BatchState::Cancelled => ("cancelled", kind::BATCH_CANCELLED),
        BatchState::Finished => ("finished", kind::BATCH_FINISHED),
    };
    let Tally { total, done, failed, skipped } = tally;
    let facts = facts::BatchChanged { batch_id: row.id.clone(), by: by.to_owned(), total, done, failed, skipped };
    told(row, what, kind, facts::to_json(&facts), by, tally, at)
}

fn told(
    row: &BatchRow,
    what: &str,
    kind: &str,
    facts_json: String,
    by: &str,
    tally: Tally,
    at: UnixMillis,
) -> Vec<Message> {
    // A batch may be paused more than once; it is created and over once.
    let id = match what {
        "paused" | "resumed" => format!("{}/{what}/{}", row.id, at.0),
        _ => format!("{}/{what}", row.id),
    };
    let record = AuditRecord {
        id: format!("kernel/{id}"),
        tenant: row.tenant.clone(),
        task_id: String::new(),
        service: SERVICE.to_owned(),
        kind: kind.to_owned(),
        at_ms: at.0,
        facts_json,
    };
    let data = json!({
        "batch_id": row.id, "operation": row.operation().map(|it| it.word()), "by": by, "at_ms": at.0,
        "total": tally.total, "done": tally.done, "failed": tally.failed, "skipped": tally.skipped,
    });
    let event_id = format!("event/{id}");
    let event = CloudEvent::new(SERVICE, &row.tenant, kind, &row.id, &event_id, at).data(data);
    let created_ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let message = |subject, message_id, payload| Message { subject, message_id, payload, created_ms };
    let audit = message(subjects::audit_record(SERVICE), record.id.clone(), record.encode_to_vec());
    let event = serde_json::to_vec(&event).ok();
    let event = event.map(|payload| message(subjects::event(&row.tenant, "batch", what), event_id, payload));
    [audit].into_iter().chain(event).collect()
}
