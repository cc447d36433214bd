//! What a move tells others: audit records, task events, and the events that workflows emit. Pure; the rows are written
//! in the move's transaction. Records hold digests and ids only.

use orrery_bus::{CloudEvent, subjects};
use orrery_proof::facts::{self, kind};
use orrery_proto::v1::AuditRecord;
use orrery_store::outbox::Message;
use orrery_types::Sha256Digest;
use prost::Message as _;
use serde_json::{Value, json};

use super::{control_facts, review_facts};
use crate::domain::command::{Attachment, Run};
use crate::domain::definition::digest;
use crate::domain::effect::Effect;
use crate::domain::event::{Event, Fact, own};
use crate::domain::state::{Activity, State};
use crate::domain::transition::Transition;

pub(super) const SERVICE: &str = "kernel";
/// Task events that other systems see; the rest of the history is read by a call.
const PUBLIC: &[&str] = &[
    "task.accepted",
    "task.started",
    "task.restarted",
    "task.paused",
    "task.resumed",
    "task.compensating",
    "task.migrated",
    "signal.received",
    "compensation.completed",
    "compensation.failed",
    "step.scheduled",
    "step.failed",
    "review.requested",
    "review.claimed",
    "review.decided",
    "review.withdrawn",
    "review.released",
    "review.delegated",
    "review.reassigned",
    "review.commented",
    "review.voted",
    "review.due_soon",
    "review.overdue",
    "review.escalated",
    "review.expired",
    "task.completed",
    "task.faulted",
    "task.cancelled",
    "task.terminated",
];

/// All messages of a move.
pub fn messages(moved: &Transition) -> Vec<Message> {
    let state = &moved.state;
    let events = own(&moved.events);
    let first_seq = state.seq + 1 - events.len() as u64;
    let mut messages = Vec::new();
    for (event, seq) in events.iter().zip(first_seq..) {
        messages.extend(audit_record(state, event, seq));
        messages.extend(task_event(state, event, seq));
    }
    let emitted = moved.effects.iter().filter_map(|effect| match effect {
        Effect::Publish(event) => Some(event),
        _ => None,
    });
    messages.extend(emitted.map(|event| user_event(state, event)));
    messages
}

fn message(subject: String, message_id: String, payload: Vec<u8>, state: &State) -> Message {
    let created_ms = i64::try_from(state.updated_at.0).unwrap_or(i64::MAX);
    Message { subject, message_id, payload, created_ms }
}

fn audit_record(state: &State, event: &Event, seq: u64) -> Option<Message> {
    let (kind, facts_json) = facts_of(state, &event.fact)?;
    let record = AuditRecord {
        id: format!("kernel/{}/{seq}", state.run.id),
        tenant: state.run.tenant.to_string(),
        task_id: state.run.id.to_string(),
        service: SERVICE.to_owned(),
        kind: kind.to_owned(),
        at_ms: event.at.0,
        facts_json,
    };
    Some(message(subjects::audit_record(SERVICE), record.id.clone(), record.encode_to_vec(), state))
}

/// The facts of an event that belongs in the log. Must agree with [`Fact::is_audited`], by which the records are counted.
fn facts_of(state: &State, fact: &Fact) -> Option<(&'static str, String)> {
    let run = &state.run;
    Some(match fact {
        Fact::Accepted { audited: true, .. }
        | Fact::Started { audited: true, .. }
        | Fact::Restarted { records: 0, .. } => (kind::TASK_SUBMITTED, submitted(run, fact)),
        Fact::StepStarted { frame, .. } => {
            let Activity::Human { review } = &frame.activity else { return None };
            let requested = facts::ReviewRequested {
                review_id: review.id.to_string(),
                pointer: frame.pointer.to_string(),
                roles: review.roles.clone(),
                subject_digest: digest(&review.subject).to_string(),
            };
            (kind::REVIEW_REQUESTED, facts::to_json(&requested))
        }
        Fact::StepCompleted { pointer, call, .. } => {
            let call = call.as_ref().filter(|call| call.function.is_public())?;
            let completed = facts::StepCompleted {
                pointer: pointer.to_string(),
                function: call.function.name().to_owned(),
                input_digest: call.input_digest.to_string(),
                output_digest: call.output_digest.to_string(),
                attempt: call.attempt,
                decision_ids: call.decisions.clone(),
            };
            (kind::STEP_COMPLETED, facts::to_json(&completed))
        }
        Fact::ReviewClaimed { review, by } => {
            let claimed = facts::ReviewClaimed { review_id: review.to_string(), by: by.clone() };
            (kind::REVIEW_CLAIMED, facts::to_json(&claimed))
        }
        Fact::ReviewDecided { review, decision } => {
            let decided = facts::ReviewDecided {
                review_id: review.to_string(),
                by: decision.by.clone(),
                decision: decision.decision.clone(),
                reason_digest: Sha256Digest::of(decision.reason.as_bytes()).to_string(),
                edited: !decision.edits.is_null(),
                subject_digest: decision.subject_digest.clone(),
                edits_digest: decision.edits_digest.clone(),
                result_digest: match decision.result.is_null() {
                    true => String::new(),
                    false => digest(&decision.result).to_string(),
                },
                voters: decision.voters.clone(),
                signature: decision.signature.clone(),
            };
            (kind::REVIEW_DECIDED, facts::to_json(&decided))
        }
        Fact::ReviewChanged { review, change } => review_facts::of(review, change)?,
        Fact::Completed { output } => (kind::TASK_COMPLETED, closed(state, "completed", output, fact)),
        Fact::Faulted { error } => (kind::TASK_FAULTED, closed(state, "faulted", &error.to_value(), fact)),
        Fact::Cancelled { terminated: true, .. } => {
            (kind::TASK_TERMINATED, closed(state, "terminated", &Value::Null, fact))
        }
        Fact::Cancelled { .. } => (kind::TASK_CANCELLED, closed(state, "cancelled", &Value::Null, fact)),
        fact => return control_facts::of(fact),
    })
}

fn submitted(run: &Run, fact: &Fact) -> String {
    let attachment = |(name, it): (&String, &Attachment)| facts::AttachmentDigest {
        name: name.clone(),
        sha256: it.sha256.clone(),
        media_type: it.media_type.clone(),
        size: it.size_bytes,
    };
    facts::to_json(&facts::TaskSubmitted {
        workflow: format!("{}:{}", run.workflow.1, run.workflow.2),
        definition_hash: run.definition.to_string(),
        input_digest: digest(&run.input).to_string(),
        attachments: run.attachments.iter().map(attachment).collect(),
        submitted_by: run.submitted_by.clone(),
        restarted: control_facts::restarted(run, fact),
    })
}

fn closed(state: &State, status: &str, output: &Value, fact: &Fact) -> String {
    let error = match fact {
        Fact::Faulted { error } => Some(error),
        _ => None,
    };
    let (by, reason_digest, replaced_by) = control_facts::ended_by(fact);
    let text = |field: &str| output.get(field).and_then(Value::as_str).map(str::to_owned);
    facts::to_json(&facts::TaskClosed {
        status: status.to_owned(),
        output_digest: digest(output).to_string(),
        decision: text("decision"),
        clause: text("clause"),
        error: error.map(|error| error.code().to_owned()),
        error_at: error.and_then(|error| error.instance.clone()),
        by,
        reason_digest,
        replaced_by,
        // The closing event is the last one audited, so this counts its own record as well.
        kernel_records: state.audited,
    })
}

/// A task event without content: who wants that may read the history.
fn task_event(state: &State, event: &Event, seq: u64) -> Option<Message> {
    let kind = event.fact.kind();
    let known = match &event.fact {
        Fact::StepCompleted { call, .. } => call.as_ref().is_some_and(|call| call.function.is_public()),
        Fact::StepStarted { frame, .. } => match &frame.activity {
            Activity::Call { function, .. } => function.is_public(),
            _ => PUBLIC.contains(&kind),
        },
        _ => PUBLIC.contains(&kind),
    };
    let (entity, what) = kind.split_once('.').filter(|_| known)?;
    let (tenant, task) = (state.run.tenant.as_str(), state.run.id.as_str());
    let id = format!("event/{task}/{seq}");
    let mut data = json!({
        "task_id": task, "seq": seq, "kind": kind, "pointer": event.fact.pointer(), "at_ms": event.at.0,
    });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), control_facts::notice(&event.fact)) {
        data.extend(more);
    }
    let data = review_facts::notice(data, &event.fact);
    let event = CloudEvent::new(SERVICE, tenant, kind, task, &id, event.at).data(data);
    let payload = serde_json::to_vec(&event).ok()?;
    Some(message(subjects::event(tenant, entity, what), id, payload, state))
}

/// An event that a workflow emits, with the tenant beside what it says itself.
fn user_event(state: &State, event: &Value) -> Message {
    let mut event = event.clone();
    if let Some(event) = event.as_object_mut() {
        event.insert("tenant".to_owned(), json!(state.run.tenant));
        event.entry("subject").or_insert_with(|| json!(state.run.id));
    }
    let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
    let source = event.get("source").and_then(Value::as_str).unwrap_or_default();
    // CloudEvents are the same when source and id are.
    let id =
        format!("emitted/{}/{}", state.run.tenant, Sha256Digest::of(format!("{source}\n{id}").as_bytes()).to_hex());
    let subject = subjects::event(state.run.tenant.as_str(), "workflow", "emitted");
    message(subject, id, event.to_string().into_bytes(), state)
}
