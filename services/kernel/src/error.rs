//! What can go wrong in the shell, and how callers see it.

use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_store::StoreError;
use orrery_supervise::SendError;
use serde_json::json;

use crate::domain::command::Reject;
use crate::domain::definition::Problems;

/// Why a command to a run had no effect, or none that is known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ActError {
    /// The run's state refuses it.
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// No run by that id is under way.
    #[error("no task by that id is under way")]
    Unknown,
    /// The idempotency key of a start has been used before.
    #[error("the idempotency key was used before, for task {run}")]
    Duplicate {
        /// The run that it started.
        run: String,
        /// The digest of the request that did.
        request_digest: String,
    },
    /// The process that was asked does not own the run's partition, or not any more.
    #[error("the task is being handed over to another kernel")]
    Moved,
    /// The kernel, its database or the bus could not do it now.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<ActError> for Error {
    fn from(error: ActError) -> Self {
        let message = error.to_string();
        match error {
            ActError::Rejected(Reject::Refused(reasons)) => {
                Error::new(ErrorCode::FailedPrecondition, message).detail(json!({ "reasons": reasons }))
            }
            ActError::Failed(error) => error,
            ActError::Unknown => Error::new(ErrorCode::NotFound, message),
            ActError::Moved => Error::new(ErrorCode::Unavailable, message).retry_after(Duration::from_millis(500)),
            ActError::Duplicate { .. } => Error::new(ErrorCode::Conflict, message),
            ActError::Rejected(reject) => match reject {
                Reject::Over | Reject::Stale | Reject::ReviewClosed | Reject::ReviewExpired(_) => {
                    Error::new(ErrorCode::FailedPrecondition, message)
                }
                Reject::Forbidden(_) => Error::new(ErrorCode::Forbidden, message),
                Reject::Conflict(_) => Error::new(ErrorCode::Conflict, message),
                Reject::UnknownAttempt => Error::new(ErrorCode::NotFound, message),
                Reject::Unfit(_) | Reject::Invalid(_) => Error::new(ErrorCode::InvalidRequest, message),
                Reject::Refused(_) => Error::new(ErrorCode::FailedPrecondition, message),
                Reject::TooLarge(_) => Error::new(ErrorCode::PayloadTooLarge, message),
                Reject::Full(_) => Error::new(ErrorCode::Overloaded, message),
                Reject::Corrupted(_) => Error::new(ErrorCode::DataCorrupted, message),
            },
        }
    }
}

impl From<StoreError> for ActError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<SendError> for ActError {
    fn from(error: SendError) -> Self {
        Self::Failed(busy(&error))
    }
}

/// An actor that takes no message now.
pub fn busy(error: &SendError) -> Error {
    let code = match error {
        SendError::Full { .. } => ErrorCode::Overloaded,
        SendError::Deadline { .. } => ErrorCode::DeadlineExceeded,
        _ => ErrorCode::Unavailable,
    };
    let failed = Error::new(code, format!("the kernel takes no work now: {error}"));
    match error.retry_after() {
        Some(after) => failed.retry_after(after),
        None => failed,
    }
}

/// The faults of a definition as an answer to its sender.
pub fn invalid_definition(problems: &Problems) -> Error {
    let first = problems.0.first().map(ToString::to_string).unwrap_or_default();
    let message = match problems.0.len() {
        0 | 1 => format!("the definition is not valid: {first}"),
        more => format!("the definition is not valid: {first} (and {} more)", more - 1),
    };
    Error::new(ErrorCode::InvalidDefinition, message).detail(json!({ "problems": problems.0 }))
}
