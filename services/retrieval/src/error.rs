//! What can go wrong with knowledge, and what a caller is told of it.

use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_store::StoreError;
use orrery_supervise::SendError;

/// A document that cannot be taken, a question that cannot be answered, or a fault underneath.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// From the bus, the object store or inference.
    #[error(transparent)]
    Call(#[from] Error),
    #[error(transparent)]
    Librarian(#[from] SendError),
    #[error("the request names no {0}")]
    Unnamed(&'static str),
    #[error("invalid {field}: {reason}")]
    Invalid { field: &'static str, reason: String },
    #[error("there is no collection {0:?}; add a document to it first")]
    UnknownCollection(String),
    #[error("there is no document {0:?} in the collection; check the name")]
    UnknownDocument(String),
    #[error("a document {0:?} is there already that your roles may not see; choose another name")]
    Hidden(String),
    #[error("{document:?} is not UTF-8: byte {offset} does not fit; convert it to UTF-8")]
    NotUtf8 { document: String, offset: usize },
    #[error("{0:?} holds no text that could be found; check the file")]
    Empty(String),
    #[error("{document:?} falls into {chunks} pieces; at most {limit} are kept, divide it")]
    TooManyChunks { document: String, chunks: usize, limit: usize },
    #[error("there is no room: at most {limit} {what}")]
    Full { what: &'static str, limit: i64 },
    #[error("{document:?} was embedded by {old}, queries are by {new}; delete the document and add it again")]
    OtherModel { document: String, old: String, new: String },
    #[error("inference answered an embedding call with {0}")]
    Embedding(String),
    #[error("inference answered a read call with {0}")]
    Reading(String),
    #[error("the collection {0:?} changes too often to be read; try again")]
    Restless(String),
    #[error("stored knowledge is damaged: {0}")]
    Damaged(String),
    #[error("the work was abandoned: {0}")]
    Abandoned(#[from] tokio::task::JoinError),
}

impl From<diesel::result::Error> for RetrievalError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<RetrievalError> for Error {
    fn from(error: RetrievalError) -> Self {
        let soon = Duration::from_millis(500);
        let message = error.to_string();
        let code = match error {
            RetrievalError::Store(error) => return error.into(),
            RetrievalError::Call(error) => return error,
            RetrievalError::Librarian(error) => return unanswered(&error),
            RetrievalError::Restless(_) => return Error::new(ErrorCode::Unavailable, message).retry_after(soon),
            RetrievalError::Unnamed(_) | RetrievalError::Invalid { .. } => ErrorCode::InvalidRequest,
            RetrievalError::UnknownCollection(_) | RetrievalError::UnknownDocument(_) => ErrorCode::NotFound,
            RetrievalError::Hidden(_) => ErrorCode::Forbidden,
            RetrievalError::NotUtf8 { .. } | RetrievalError::Empty(_) => ErrorCode::InvalidMedia,
            RetrievalError::TooManyChunks { .. } | RetrievalError::Full { .. } => ErrorCode::PayloadTooLarge,
            RetrievalError::OtherModel { .. } => ErrorCode::FailedPrecondition,
            RetrievalError::Embedding(_) | RetrievalError::Reading(_) => ErrorCode::ModelFailed,
            RetrievalError::Damaged(_) => ErrorCode::DataCorrupted,
            RetrievalError::Abandoned(_) => ErrorCode::Internal,
        };
        Error::new(code, message)
    }
}

fn unanswered(error: &SendError) -> Error {
    let code = match error {
        SendError::Full { .. } => ErrorCode::Overloaded,
        SendError::Deadline { .. } => ErrorCode::DeadlineExceeded,
        SendError::Restarting { .. }
        | SendError::Draining { .. }
        | SendError::Stopped { .. }
        | SendError::Lost { .. } => ErrorCode::Unavailable,
    };
    let answer = Error::new(code, error.to_string());
    match error.retry_after() {
        Some(after) => answer.retry_after(after),
        None => answer,
    }
}
