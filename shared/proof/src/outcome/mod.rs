//! How one outcome came about, computed from its audit records alone. The same pure function feeds explanations and
//! proofs, and checking a proof runs it again: a statement can say nothing that the records do not.

mod complete;
mod plain;
mod statement;

use serde::{Deserialize, Serialize};

use crate::facts::{
    AttachmentDigest, Facts, FactsError, KERNEL_SERVICE, ModelCalled, ModelIdentity, Restarted, RetrievalSearched,
    SignalReceived, StepCompleted, TaskClosed, TaskMigrated, TaskPaused, TaskResumed, TaskSubmitted, kind,
};
use crate::record::Record;

pub use statement::{PREDICATE_TYPE, STATEMENT_TYPE, statement};

/// A record at its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRecord {
    /// Index of the leaf.
    pub index: u64,
    /// The record.
    pub record: Record,
}

/// Facts with the moment they were reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At<T> {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// What was reported.
    #[serde(flatten)]
    pub facts: T,
}

/// A human task from question to decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub review_id: String,
    pub pointer: String,
    pub roles: Vec<String>,
    pub subject_digest: String,
    pub requested_at_ms: u64,
    /// Everyone who claimed it, in order.
    pub claims: Vec<Claim>,
    /// Each time that it passed to others, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// Absent while nobody has decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
}

/// Who took a review and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub by: String,
    pub at_ms: u64,
}

/// How a review passed to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// `released`, `delegated`, `reassigned` or `escalated`.
    pub how: String,
    /// The principal; empty: its time had come.
    pub by: String,
    /// To whom: roles or `user:<principal>`; empty: to whoever could decide it before.
    pub to: Vec<String>,
    pub at_ms: u64,
}

/// Who decided a review, how and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    pub by: String,
    pub at_ms: u64,
    pub decision: String,
    pub reason_digest: String,
    pub edited: bool,
    /// Everyone whose decision it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voters: Vec<String>,
    /// The kernel's signed note over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What somebody did to the task while it ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Control {
    Signalled(SignalReceived),
    Paused(TaskPaused),
    Resumed(TaskResumed),
    Migrated(TaskMigrated),
}

/// Everything the records of one task say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub task_id: String,
    pub tenant: String,
    /// `name:version`.
    pub workflow: String,
    /// Digest of the definition the run was pinned to.
    pub definition_hash: String,
    pub input_digest: String,
    pub attachments: Vec<AttachmentDigest>,
    pub submitted_by: String,
    pub submitted_at_ms: u64,
    /// The task from which it was begun anew, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Restarted>,
    /// `running`, `completed`, `faulted`, `cancelled` or `terminated`.
    pub status: String,
    /// Absent while the task runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<At<TaskClosed>>,
    /// Each model that took part, once.
    pub models: Vec<ModelIdentity>,
    pub calls: Vec<At<ModelCalled>>,
    pub retrievals: Vec<At<RetrievalSearched>>,
    pub reviews: Vec<Review>,
    /// What people did to it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<At<Control>>,
    pub steps: Vec<At<StepCompleted>>,
    /// Digests of the policy sets that decided.
    pub policy_digests: Vec<String>,
    /// Digests of the catalogues that were chosen from.
    pub catalogue_digests: Vec<String>,
    /// What all calls cost together.
    pub cost_nanos: u64,
    /// How many records this rests on.
    pub records: u64,
}

/// Records that are not those of one task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    #[error(transparent)]
    Facts(#[from] FactsError),
    #[error("record {id} belongs to another task or tenant")]
    OtherTask { id: String },
    #[error("record {id} says {kind}, which only the kernel may say, but comes from {service}")]
    NotKernel { id: String, kind: String, service: String },
    #[error("record {id} is there twice")]
    Duplicate { id: String },
    #[error("record {id} speaks of review {review_id}, which was never requested")]
    UnknownReview { id: String, review_id: String },
    #[error("there is no task.submitted record")]
    NotSubmitted,
    #[error("there is more than one {kind} record")]
    Repeated { kind: &'static str },
    #[error("the task is not closed yet")]
    NotClosed,
    #[error("the kernel reported {expected} records of the task, {found} are here")]
    KernelRecords { expected: u64, found: u64 },
    #[error("step {pointer} rests on decision {decision_id}, whose model.called record is not here")]
    DecisionMissing { pointer: String, decision_id: String },
    #[error("the outcome cannot be written canonically: {0}")]
    Canonical(#[from] crate::canonical::CanonicalError),
}

/// The records of one task, read and sorted out.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    submitted: Option<(At<TaskSubmitted>, String, String)>,
    closed: Option<(At<TaskClosed>, Record)>,
    steps: Vec<At<StepCompleted>>,
    calls: Vec<At<ModelCalled>>,
    retrievals: Vec<At<RetrievalSearched>>,
    reviews: Vec<Review>,
    controls: Vec<At<Control>>,
    ids: std::collections::BTreeSet<String>,
    kernel_records: u64,
}

impl Trace {
    /// Reads records in the order of the log. Kinds of later versions count, but are not interpreted.
    pub fn read<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, OutcomeError> {
        let mut trace = Self::default();
        let mut owner = None;
        let mut decided = Vec::new();
        for record in records {
            let (tenant, task_id) = *owner.get_or_insert((&record.tenant, &record.task_id));
            if (tenant, task_id) != (&record.tenant, &record.task_id) || task_id.is_empty() {
                return Err(OutcomeError::OtherTask { id: record.id.clone() });
            }
            if !trace.ids.insert(record.id.clone()) {
                return Err(OutcomeError::Duplicate { id: record.id.clone() });
            }
            match Facts::of(record)? {
                // Claims and decisions may be logged before the request they answer; they are matched at the end.
                facts @ (Facts::ReviewClaimed(_)
                | Facts::ReviewHandedOver(_)
                | Facts::ReviewEscalated(_)
                | Facts::ReviewDecided(_)) => decided.push((record, facts)),
                facts => trace.take(record, facts)?,
            }
            trace.count_kernel(record)?;
        }
        for (record, facts) in decided {
            trace.take_review(record, facts)?;
        }
        Ok(trace)
    }

    fn count_kernel(&mut self, record: &Record) -> Result<(), OutcomeError> {
        let kernel_kind = ["task.", "step.", "review.", "signal."].iter().any(|prefix| record.kind.starts_with(prefix));
        if record.service == KERNEL_SERVICE {
            self.kernel_records += 1;
        } else if kernel_kind {
            let (id, kind, service) = (record.id.clone(), record.kind.clone(), record.service.clone());
            return Err(OutcomeError::NotKernel { id, kind, service });
        }
        Ok(())
    }

    fn take(&mut self, record: &Record, facts: Facts) -> Result<(), OutcomeError> {
        let at_ms = record.at_ms;
        match facts {
            Facts::TaskSubmitted(facts) => {
                let submitted = (At { at_ms, facts }, record.tenant.clone(), record.task_id.clone());
                if self.submitted.replace(submitted).is_some() {
                    return Err(OutcomeError::Repeated { kind: kind::TASK_SUBMITTED });
                }
            }
            Facts::TaskClosed(facts) => {
                if self.closed.replace((At { at_ms, facts }, record.clone())).is_some() {
                    return Err(OutcomeError::Repeated { kind: "closing" });
                }
            }
            Facts::StepCompleted(facts) => self.steps.push(At { at_ms, facts }),
            Facts::ModelCalled(facts) => self.calls.push(At { at_ms, facts }),
            Facts::RetrievalSearched(facts) => self.retrievals.push(At { at_ms, facts }),
            Facts::ReviewRequested(facts) => self.reviews.push(Review {
                review_id: facts.review_id,
                pointer: facts.pointer,
                roles: facts.roles,
                subject_digest: facts.subject_digest,
                requested_at_ms: at_ms,
                claims: Vec::new(),
                handovers: Vec::new(),
                decided: None,
            }),
            Facts::ReviewClaimed(_)
            | Facts::ReviewHandedOver(_)
            | Facts::ReviewEscalated(_)
            | Facts::ReviewDecided(_) => self.take_review(record, facts)?,
            Facts::SignalReceived(facts) => self.controls.push(At { at_ms, facts: Control::Signalled(facts) }),
            Facts::TaskPaused(facts) => self.controls.push(At { at_ms, facts: Control::Paused(facts) }),
            Facts::TaskResumed(facts) => self.controls.push(At { at_ms, facts: Control::Resumed(facts) }),
            Facts::TaskMigrated(facts) => self.controls.push(At { at_ms, facts: Control::Migrated(facts) }),
            Facts::ManyHeld(_)
            | Facts::ReviewVoted(_)
            | Facts::ReviewCommented(_)
            | Facts::ReviewExpired(_)
            | Facts::AuthDenied(_)
            | Facts::ApiKeyCreated(_)
            | Facts::KnowledgeIngested(_)
            | Facts::BatchCreated(_)
            | Facts::BatchChanged(_)
            | Facts::TaskRemoved(_)
            | Facts::ModelsCalled(_)
            | Facts::RetentionChanged(_)
            | Facts::Other => {}
        }
        Ok(())
    }

    fn take_review(&mut self, record: &Record, facts: Facts) -> Result<(), OutcomeError> {
        let review_id = match &facts {
            Facts::ReviewClaimed(facts) => facts.review_id.clone(),
            Facts::ReviewHandedOver(facts) => facts.review_id.clone(),
            Facts::ReviewEscalated(facts) => facts.review_id.clone(),
            Facts::ReviewDecided(facts) => facts.review_id.clone(),
            _ => return Ok(()),
        };
        let at_ms = record.at_ms;
        let review = self.reviews.iter_mut().find(|review| review.review_id == review_id);
        let review = review.ok_or_else(|| OutcomeError::UnknownReview { id: record.id.clone(), review_id })?;
        match facts {
            Facts::ReviewClaimed(facts) => review.claims.push(Claim { by: facts.by, at_ms }),
            Facts::ReviewHandedOver(facts) => {
                let how = record.kind.trim_start_matches("review.").to_owned();
                review.handovers.push(Handover { how, by: facts.by, to: facts.to, at_ms });
            }
            Facts::ReviewEscalated(facts) => {
                let how = "escalated".to_owned();
                review.handovers.push(Handover { how, by: String::new(), to: facts.roles, at_ms });
            }
            Facts::ReviewDecided(facts) => {
                let decided = Decided {
                    by: facts.by,
                    at_ms,
                    decision: facts.decision,
                    reason_digest: facts.reason_digest,
                    edited: facts.edited,
                    voters: facts.voters,
                    signature: facts.signature,
                };
                if review.decided.replace(decided).is_some() {
                    return Err(OutcomeError::Repeated { kind: kind::REVIEW_DECIDED });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the records say so far; also of a task that still runs.
    pub fn outcome(&self) -> Result<Outcome, OutcomeError> {
        let (submitted, tenant, task_id) = self.submitted.as_ref().ok_or(OutcomeError::NotSubmitted)?;
        let facts = &submitted.facts;
        let closed = self.closed.as_ref().map(|(closed, _)| closed.clone());
        let embedders = self.retrievals.iter().filter_map(|search| search.facts.embedding_model.as_ref());
        let called = self.calls.iter().flat_map(|call| &call.facts.models);
        Ok(Outcome {
            task_id: task_id.clone(),
            tenant: tenant.clone(),
            workflow: facts.workflow.clone(),
            definition_hash: facts.definition_hash.clone(),
            input_digest: facts.input_digest.clone(),
            attachments: facts.attachments.clone(),
            submitted_by: facts.submitted_by.clone(),
            submitted_at_ms: submitted.at_ms,
            restarted: facts.restarted.clone(),
            status: closed.as_ref().map_or_else(|| "running".to_owned(), |closed| closed.facts.status.clone()),
            closed,
            models: distinct(called.chain(embedders).cloned()),
            policy_digests: distinct(self.calls.iter().map(|call| call.facts.policy_digest.clone())),
            catalogue_digests: distinct(self.calls.iter().map(|call| call.facts.catalogue_digest.clone())),
            cost_nanos: self.calls.iter().fold(0, |sum, call| sum.saturating_add(call.facts.cost_nanos)),
            calls: self.calls.clone(),
            retrievals: self.retrievals.clone(),
            reviews: self.reviews.clone(),
            controls: self.controls.clone(),
            steps: self.steps.clone(),
            records: self.ids.len() as u64,
        })
    }
}

fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
