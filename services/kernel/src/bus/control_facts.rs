//! What becomes known of who controls a run, a workflow or a tenant: facts for the log, and what events say. Ids, names and
//! digests only: neither payloads nor reasons.

use orrery_bus::{CloudEvent, subjects};
use orrery_proof::facts::{self, kind};
use orrery_proto::v1::AuditRecord;
use orrery_store::outbox::Message;
use orrery_types::{Sha256Digest, UnixMillis};
use prost::Message as _;
use serde_json::{Value, json};

use super::outbound::SERVICE;
use crate::domain::command::{Restart, Run};
use crate::domain::definition::digest;
use crate::domain::event::Fact;
use crate::store::{PauseRow, scope_word};

fn digest_of(text: &str) -> String {
    Sha256Digest::of(text.as_bytes()).to_string()
}

/// The facts of an act that belongs in the log.
pub fn of(fact: &Fact) -> Option<(&'static str, String)> {
    Some(match fact {
        Fact::SignalReceived { signal, update, audited: true, .. } => {
            let (name, by, update) = (signal.name.clone(), signal.by.clone(), *update);
            let payload_digest = digest(&signal.payload).to_string();
            let received = facts::SignalReceived { name, by, payload_digest, update };
            (kind::SIGNAL_RECEIVED, facts::to_json(&received))
        }
        Fact::Suspended { scope, by, reason, audited: true } => {
            let (scope, by, reason_digest) = (scope_word(*scope).to_owned(), by.clone(), digest_of(reason));
            (kind::TASK_PAUSED, facts::to_json(&facts::TaskPaused { scope, by, reason_digest }))
        }
        Fact::Resumed { scope, by, audited: true } => {
            let (scope, by) = (scope_word(*scope).to_owned(), by.clone());
            (kind::TASK_RESUMED, facts::to_json(&facts::TaskResumed { scope, by }))
        }
        Fact::Migrated { workflow: (_, name, version), definition, by, audited: true } => {
            let migrated = facts::TaskMigrated {
                workflow: format!("{name}:{version}"),
                definition_hash: definition.to_string(),
                by: by.clone(),
            };
            (kind::TASK_MIGRATED, facts::to_json(&migrated))
        }
        _ => return None,
    })
}

/// From which run a run was begun anew, and by whom.
pub fn restarted(run: &Run, fact: &Fact) -> Option<facts::Restarted> {
    let (by, reason) = match fact {
        Fact::Restarted { by, reason, .. } => (by, reason),
        Fact::Accepted { beginning: Some(beginning), .. } => (&beginning.by, &beginning.reason),
        _ => return None,
    };
    let origin = run.origin.as_ref()?;
    let how = match origin.by {
        Restart::Reset => "reset",
        Restart::Fork => "fork",
        Restart::Retry => "retry",
    };
    Some(facts::Restarted {
        how: how.to_owned(),
        task: origin.task.to_string(),
        seq: origin.seq,
        by: by.clone(),
        reason_digest: digest_of(reason),
    })
}

/// Who ended a run, why, and which takes its place.
pub fn ended_by(fact: &Fact) -> (Option<String>, Option<String>, Option<String>) {
    match fact {
        Fact::Cancelled { by, reason, replaced_by, .. } => {
            (Some(by.clone()), Some(digest_of(reason)), replaced_by.as_ref().map(ToString::to_string))
        }
        _ => (None, None, None),
    }
}

/// What the event of an act says beside its place and time.
pub fn notice(fact: &Fact) -> Value {
    match fact {
        Fact::SignalReceived { signal, update, .. } => {
            json!({ "by": signal.by, "name": signal.name, "update": update })
        }
        Fact::Suspended { scope, by, .. } | Fact::Resumed { scope, by, .. } => {
            json!({ "by": by, "scope": scope_word(*scope) })
        }
        Fact::Migrated { workflow: (_, name, version), by, .. } => {
            json!({ "by": by, "workflow": format!("{name}:{version}") })
        }
        Fact::Restarted { by, .. } => json!({ "by": by }),
        Fact::Cancelled { by, replaced_by: Some(task), .. } => json!({ "by": by, "replaced_by": task }),
        Fact::Cancelled { by, .. } => json!({ "by": by }),
        _ => json!({}),
    }
}

/// The record and the event of a pause of many runs, or of its end; `id` is its own.
pub fn many(row: &PauseRow, begins: bool, by: &str, at: UnixMillis, id: &str) -> Vec<Message> {
    let kind = match (row.workflow.is_empty(), begins) {
        (true, true) => kind::TENANT_PAUSED,
        (true, false) => kind::TENANT_RESUMED,
        (false, true) => kind::WORKFLOW_PAUSED,
        (false, false) => kind::WORKFLOW_RESUMED,
    };
    let reason_digest = if begins { digest_of(&row.reason) } else { String::new() };
    let held = facts::ManyHeld { workflow: row.workflow.clone(), by: by.to_owned(), reason_digest };
    let record = AuditRecord {
        id: format!("kernel/{kind}/{id}"),
        tenant: row.tenant.clone(),
        task_id: String::new(),
        service: SERVICE.to_owned(),
        kind: kind.to_owned(),
        at_ms: at.0,
        facts_json: facts::to_json(&held),
    };
    let created_ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let record = Message {
        subject: subjects::audit_record(SERVICE),
        message_id: record.id.clone(),
        payload: record.encode_to_vec(),
        created_ms,
    };
    let message_id = format!("event/{kind}/{id}");
    let about = if row.workflow.is_empty() { &row.tenant } else { &row.workflow };
    let data = json!({ "kind": kind, "workflow": row.workflow, "by": by, "at_ms": at.0 });
    let event = CloudEvent::new(SERVICE, &row.tenant, kind, about, &message_id, at).data(data);
    let event = serde_json::to_vec(&event).ok().zip(kind.split_once('.')).map(|(payload, (entity, what))| Message {
        subject: subjects::event(&row.tenant, entity, what),
        message_id,
        payload,
        created_ms,
    });
    [Some(record), event].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::domain::command::{Scope, Signal};

    #[test]
    fn records_agree_with_the_domain_and_hold_no_content() {
        let content = "the claimant's name";
        let payload = Arc::new(json!({ "name": content }));
        let signal = Signal { key: String::new(), name: "go".to_owned(), payload, by: "bob".to_owned() };
        let (by, reason, audited) = ("bob".to_owned(), content.to_owned(), true);
        let said = Sha256Digest::of(b"x");
        let workflow = ("n".to_owned(), "w".to_owned(), "2.0.0".to_owned());
        let acts = [
            Fact::SignalReceived { signal: Box::new(signal), digest: said, update: true, audited },
            Fact::Suspended { scope: Scope::Tenant, by: by.clone(), reason: reason.clone(), audited },
            Fact::Resumed { scope: Scope::Run, by: by.clone(), audited },
            Fact::Migrated { workflow, definition: said, by: by.clone(), audited },
            Fact::Cancelled { by, reason, terminated: true, replaced_by: None },
        ];
        for act in acts {
            assert!(act.is_audited());
            assert_eq!(notice(&act)["by"], json!("bob"));
            assert!(!notice(&act).to_string().contains(content));
            if let Some((kind, facts)) = of(&act) {
                assert_eq!(kind, act.kind());
                assert!(facts.contains("bob") && !facts.contains(content), "{facts}");
            }
            // What an earlier version journalled has left no record, and is not counted as one.
            let mut earlier = serde_json::to_value(&act).unwrap();
            if earlier.as_object_mut().unwrap().remove("audited").is_some() {
                let earlier: Fact = serde_json::from_value(earlier).unwrap();
                assert!(!earlier.is_audited() && of(&earlier).is_none());
            }
        }
    }

    #[test]
    fn a_pause_of_many_is_a_record_and_an_event() {
        let row = PauseRow {
            tenant: "acme".to_owned(),
            workflow: "intake".to_owned(),
            paused_by: "bob".to_owned(),
            reason: "a secret reason".to_owned(),
            paused_ms: 5,
        };
        let [record, event]: [Message; 2] = many(&row, true, "bob", UnixMillis(5), "1").try_into().unwrap();
        let record = AuditRecord::decode(record.payload.as_slice()).unwrap();
        assert_eq!((record.kind.as_str(), record.task_id.as_str()), ("workflow.paused", ""));
        assert!(record.facts_json.contains("reason_digest") && !record.facts_json.contains("secret"));
        assert_eq!(event.subject, subjects::event("acme", "workflow", "paused"));
        let whole = PauseRow { workflow: String::new(), ..row };
        let [_, event]: [Message; 2] = many(&whole, false, "eve", UnixMillis(6), "2").try_into().unwrap();
        assert_eq!(event.subject, subjects::event("acme", "tenant", "resumed"));
    }
}
