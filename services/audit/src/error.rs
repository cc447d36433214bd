//! What can go wrong in the log, and what a caller is told of it.

use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proof::canonical::CanonicalError;
use orrery_proof::checkpoint::CheckpointError;
use orrery_proof::outcome::OutcomeError;
use orrery_proof::tile::MissingTile;
use orrery_proof::{Hash, RecordError};
use orrery_store::StoreError;

/// A fault of the log, or a question that it cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("another process has appended to the log; this one steps down and reads it again")]
    Fenced,
    #[error("the log was begun with the key {stored} but the key file holds {found}; restore the original key file")]
    OtherKey { stored: String, found: String },
    #[error("a stored tile is damaged: {0}")]
    MissingTile(#[from] MissingTile),
    #[error("the stored tree has the root {found} but its checkpoint says {signed}")]
    RootMismatch { found: Hash, signed: Hash },
    #[error("the stored checkpoint is damaged: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("a stored record is damaged: {0}")]
    Record(#[from] RecordError),
    #[error("the log is starting")]
    Starting,
    #[error("nothing is logged about the task {0}; check the id, and that it belongs to this tenant")]
    UnknownTask(String),
    #[error("the task {0} is not finished; ask for its proof once it is")]
    NotFinished(String),
    #[error("records of the task {task} are still on their way: {source}")]
    Incomplete { task: String, source: OutcomeError },
    #[error("the records of the task {task} contradict each other: {source}")]
    Contradiction { task: String, source: OutcomeError },
    #[error("the task {task} has more than {limit} records")]
    TooManyRecords { task: String, limit: usize },
    #[error("the proof cannot be written: {0}")]
    Canonical(#[from] CanonicalError),
    #[error("the proof has {size} bytes; at most {limit} fit into an answer")]
    ProofTooLarge { size: usize, limit: usize },
    #[error("the request names no {0}")]
    Unnamed(&'static str),
}

impl From<diesel::result::Error> for AuditError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<AuditError> for Error {
    fn from(error: AuditError) -> Self {
        let soon = Duration::from_secs(1);
        let message = error.to_string();
        match error {
            AuditError::Store(error) => error.into(),
            AuditError::Fenced | AuditError::Starting => Error::new(ErrorCode::Unavailable, message).retry_after(soon),
            AuditError::Incomplete { .. } => Error::new(ErrorCode::Unavailable, message).retry_after(soon),
            AuditError::UnknownTask(_) => Error::new(ErrorCode::NotFound, message),
            AuditError::NotFinished(_) => Error::new(ErrorCode::FailedPrecondition, message),
            AuditError::TooManyRecords { .. } | AuditError::ProofTooLarge { .. } => {
                Error::new(ErrorCode::PayloadTooLarge, message)
            }
            AuditError::Unnamed(_) => Error::new(ErrorCode::InvalidRequest, message),
            AuditError::OtherKey { .. }
            | AuditError::MissingTile(_)
            | AuditError::RootMismatch { .. }
            | AuditError::Checkpoint(_)
            | AuditError::Record(_)
            | AuditError::Contradiction { .. }
            | AuditError::Canonical(_) => Error::new(ErrorCode::DataCorrupted, message),
        }
    }
}
