//! Audit records. A call of a task has a record of its own, which the task's proof holds; direct calls of a tenant
//! that are recorded together stand in one. A change of secrets is on record with who made it and never with a value.

use std::collections::BTreeMap;

use orrery_bus::subjects;
use orrery_proof::facts::{self, kind};
use orrery_proto::v1::{AuditRecord, CallRecord};
use orrery_store::outbox;
use orrery_types::{Sha256Digest, UnixMillis};
use prost::Message as _;
use serde_json::Value;
use uuid::Uuid;

const SERVICE: &str = "router";
/// Calls of one record. It is one leaf of the log and one message.
const CALLS_MAX: usize = 128;

/// The records of calls that have just been taken into the ledger.
pub fn audit(calls: &[&CallRecord]) -> Vec<outbox::Message> {
    let mut messages = Vec::new();
    let mut direct: BTreeMap<&str, Vec<&CallRecord>> = BTreeMap::new();
    for call in calls.iter().copied().filter(|call| !call.facts_json.is_empty()) {
        let tenant = call.caller.as_ref().map_or("", |caller| caller.tenant.as_str());
        if call.task_id.is_empty() {
            direct.entry(tenant).or_default().push(call);
        } else {
            let id = format!("{SERVICE}-{}", call.id);
            messages.push(message(id, tenant, &call.task_id, kind::MODEL_CALLED, call.at_ms, call.facts_json.clone()));
        }
    }
    for (tenant, calls) in direct {
        messages.extend(calls.chunks(CALLS_MAX).map(|calls| together(tenant, calls)));
    }
    messages
}

fn together(tenant: &str, calls: &[&CallRecord]) -> outbox::Message {
    if let [call] = calls {
        let id = format!("{SERVICE}-{}", call.id);
        return message(id, tenant, "", kind::MODEL_CALLED, call.at_ms, call.facts_json.clone());
    }
    let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    let facts: Vec<&str> = calls.iter().map(|call| call.facts_json.as_str()).collect();
    let at_ms = calls.iter().map(|call| call.at_ms).max().unwrap_or(0);
    let digest = Sha256Digest::of(ids.join(",").as_bytes()).to_string();
    let digest = digest.rsplit(':').next().unwrap_or_default();
    let id = format!("{SERVICE}-calls-{digest}");
    message(id, tenant, "", kind::MODELS_CALLED, at_ms, facts::calls_json(&facts))
}

/// What was done to secrets: `secret.set`, `secret.removed`, `secrets.resealed`. In the log of the tenant whose operator did it.
pub fn secrets(kind: &str, tenant: &str, at: UnixMillis, facts: &Value) -> outbox::Message {
    let id = format!("{SERVICE}-{}", Uuid::now_v7().simple());
    message(id, tenant, "", kind, at.0, facts.to_string())
}

fn message(id: String, tenant: &str, task_id: &str, kind: &str, at_ms: u64, facts_json: String) -> outbox::Message {
    let record = AuditRecord {
        id: id.clone(),
        tenant: tenant.to_owned(),
        task_id: task_id.to_owned(),
        service: SERVICE.to_owned(),
        kind: kind.to_owned(),
        at_ms,
        facts_json,
    };
    outbox::Message {
        subject: subjects::audit_record(SERVICE),
        message_id: id,
        payload: record.encode_to_vec(),
        created_ms: i64::try_from(at_ms).unwrap_or(i64::MAX),
    }
}
