//! The facts of each kind of audit record. The services that emit them and the readers that explain them share these
//! definitions, so that neither can drift. Digests are `sha256:<hex>`, times milliseconds since 1970, money nano-units;
//! principals are ids. No content, no personal data, no fractions.

mod access;
mod batch;
mod control;
mod model;
mod retention;
mod retrieval;
mod review;
mod task;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use access::{ApiKeyCreated, AuthDenied, KnowledgeIngested};
pub use batch::{BatchChanged, BatchCreated};
pub use control::{ManyHeld, Restarted, SignalReceived, TaskMigrated, TaskPaused, TaskResumed};
pub use model::{Candidate, ModelCalled, ModelIdentity, ModelsCalled, Usage, calls_json};
pub use retention::{RetentionChanged, TaskRemoved};
pub use retrieval::{RetrievalSearched, RetrievedChunk, millionths};
pub use review::{
    ReviewClaimed, ReviewCommented, ReviewDecided, ReviewEscalated, ReviewExpired, ReviewHandedOver, ReviewRequested,
    ReviewVoted,
};
pub use task::{AttachmentDigest, StepCompleted, TaskClosed, TaskSubmitted};

/// The kinds of records that the log knows how to read. Others are kept but not interpreted.
pub mod kind {
    pub const TASK_SUBMITTED: &str = "task.submitted";
    pub const STEP_COMPLETED: &str = "step.completed";
    pub const TASK_COMPLETED: &str = "task.completed";
    pub const TASK_FAULTED: &str = "task.faulted";
    pub const TASK_CANCELLED: &str = "task.cancelled";
    pub const TASK_TERMINATED: &str = "task.terminated";
    pub const TASK_PAUSED: &str = "task.paused";
    pub const TASK_RESUMED: &str = "task.resumed";
    pub const TASK_MIGRATED: &str = "task.migrated";
    pub const SIGNAL_RECEIVED: &str = "signal.received";
    pub const WORKFLOW_PAUSED: &str = "workflow.paused";
    pub const WORKFLOW_RESUMED: &str = "workflow.resumed";
    pub const TENANT_PAUSED: &str = "tenant.paused";
    pub const TENANT_RESUMED: &str = "tenant.resumed";
    pub const MODEL_CALLED: &str = "model.called";
    pub const MODELS_CALLED: &str = "models.called";
    pub const RETRIEVAL_SEARCHED: &str = "retrieval.searched";
    pub const REVIEW_REQUESTED: &str = "review.requested";
    pub const REVIEW_CLAIMED: &str = "review.claimed";
    pub const REVIEW_DECIDED: &str = "review.decided";
    pub const REVIEW_VOTED: &str = "review.voted";
    pub const REVIEW_RELEASED: &str = "review.released";
    pub const REVIEW_DELEGATED: &str = "review.delegated";
    pub const REVIEW_REASSIGNED: &str = "review.reassigned";
    pub const REVIEW_COMMENTED: &str = "review.commented";
    pub const REVIEW_ESCALATED: &str = "review.escalated";
    pub const REVIEW_EXPIRED: &str = "review.expired";
    pub const AUTH_DENIED: &str = "auth.denied";
    pub const APIKEY_CREATED: &str = "apikey.created";
    pub const KNOWLEDGE_INGESTED: &str = "knowledge.ingested";
    pub const BATCH_CREATED: &str = "batch.created";
    pub const BATCH_PAUSED: &str = "batch.paused";
    pub const BATCH_RESUMED: &str = "batch.resumed";
    pub const BATCH_CANCELLED: &str = "batch.cancelled";
    pub const BATCH_FINISHED: &str = "batch.finished";
    pub const TASK_REMOVED: &str = "task.removed";
    pub const RETENTION_CHANGED: &str = "retention.changed";
    /// The kinds that end a task.
    pub const CLOSING: [&str; 4] = [TASK_COMPLETED, TASK_FAULTED, TASK_CANCELLED, TASK_TERMINATED];
}

/// The service whose records frame a task: it submits, steps, reviews and closes.
pub const KERNEL_SERVICE: &str = "kernel";

/// Facts that do not have the shape of their kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the facts of record {id} are not those of {kind}: {reason}")]
pub struct FactsError {
    /// The record's id.
    pub id: String,
    /// The kind it claims.
    pub kind: String,
    /// What does not fit.
    pub reason: String,
}

/// The facts of a record, read by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facts {
    TaskSubmitted(TaskSubmitted),
    StepCompleted(StepCompleted),
    TaskClosed(TaskClosed),
    SignalReceived(SignalReceived),
    TaskPaused(TaskPaused),
    TaskResumed(TaskResumed),
    TaskMigrated(TaskMigrated),
    ManyHeld(ManyHeld),
    ModelCalled(ModelCalled),
    ModelsCalled(ModelsCalled),
    RetrievalSearched(RetrievalSearched),
    ReviewRequested(ReviewRequested),
    ReviewClaimed(ReviewClaimed),
    ReviewDecided(ReviewDecided),
    ReviewVoted(ReviewVoted),
    ReviewHandedOver(ReviewHandedOver),
    ReviewCommented(ReviewCommented),
    ReviewEscalated(ReviewEscalated),
    ReviewExpired(ReviewExpired),
    AuthDenied(AuthDenied),
    ApiKeyCreated(ApiKeyCreated),
    KnowledgeIngested(KnowledgeIngested),
    BatchCreated(BatchCreated),
    BatchChanged(BatchChanged),
    TaskRemoved(TaskRemoved),
    RetentionChanged(RetentionChanged),
    /// A kind that this version does not read; it is in the log all the same.
    Other,
}

impl Facts {
    /// Reads the facts of `record`.
    pub fn of(record: &crate::Record) -> Result<Self, FactsError> {
        match record.kind.as_str() {
            kind::TASK_SUBMITTED => read(record).map(Self::TaskSubmitted),
            kind::STEP_COMPLETED => read(record).map(Self::StepCompleted),
            kind::TASK_COMPLETED | kind::TASK_FAULTED | kind::TASK_CANCELLED | kind::TASK_TERMINATED => {
                read(record).map(Self::TaskClosed)
            }
            kind::SIGNAL_RECEIVED => read(record).map(Self::SignalReceived),
            kind::TASK_PAUSED => read(record).map(Self::TaskPaused),
            kind::TASK_RESUMED => read(record).map(Self::TaskResumed),
            kind::TASK_MIGRATED => read(record).map(Self::TaskMigrated),
            kind::WORKFLOW_PAUSED | kind::WORKFLOW_RESUMED | kind::TENANT_PAUSED | kind::TENANT_RESUMED => {
                read(record).map(Self::ManyHeld)
            }
            kind::MODEL_CALLED => read(record).map(Self::ModelCalled),
            kind::MODELS_CALLED => read(record).map(Self::ModelsCalled),
            kind::RETRIEVAL_SEARCHED => read(record).map(Self::RetrievalSearched),
            kind::REVIEW_REQUESTED => read(record).map(Self::ReviewRequested),
            kind::REVIEW_CLAIMED => read(record).map(Self::ReviewClaimed),
            kind::REVIEW_DECIDED => read(record).map(Self::ReviewDecided),
            kind::REVIEW_VOTED => read(record).map(Self::ReviewVoted),
            kind::REVIEW_RELEASED | kind::REVIEW_DELEGATED | kind::REVIEW_REASSIGNED => {
                read(record).map(Self::ReviewHandedOver)
            }
            kind::REVIEW_COMMENTED => read(record).map(Self::ReviewCommented),
            kind::REVIEW_ESCALATED => read(record).map(Self::ReviewEscalated),
            kind::REVIEW_EXPIRED => read(record).map(Self::ReviewExpired),
            kind::AUTH_DENIED => read(record).map(Self::AuthDenied),
            kind::APIKEY_CREATED => read(record).map(Self::ApiKeyCreated),
            kind::KNOWLEDGE_INGESTED => read(record).map(Self::KnowledgeIngested),
            kind::BATCH_CREATED => read(record).map(Self::BatchCreated),
            kind::BATCH_PAUSED | kind::BATCH_RESUMED | kind::BATCH_CANCELLED | kind::BATCH_FINISHED => {
                read(record).map(Self::BatchChanged)
            }
            kind::TASK_REMOVED => read(record).map(Self::TaskRemoved),
            kind::RETENTION_CHANGED => read(record).map(Self::RetentionChanged),
            _ => Ok(Self::Other),
        }
    }
}

fn read<T: DeserializeOwned>(record: &crate::Record) -> Result<T, FactsError> {
    T::deserialize(&record.facts).map_err(|error| FactsError {
        id: record.id.clone(),
        kind: record.kind.clone(),
        reason: error.to_string(),
    })
}

/// The `facts_json` of a record. Facts are plain data, so writing them cannot fail; should it ever, the text is an
/// empty object, which the reader of the record then names.
pub fn to_json<T: Serialize>(facts: &T) -> String {
    serde_json::to_string(facts).unwrap_or_else(|_| "{}".to_owned())
}
