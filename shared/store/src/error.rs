//! What can go wrong between a service and its database.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use orrery_errors::{Error, ErrorCode};
use std::time::Duration;

/// A database that cannot be reached, or refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names neither kind of database.
    #[error("unsupported database URL {0:?}: use sqlite:///path/file.db or postgres://user@host/database")]
    UnsupportedUrl(String),
    /// No connection could be made.
    #[error("cannot connect to the {dialect} database: {reason}")]
    Connect {
        /// Which kind.
        dialect: &'static str,
        /// Why; holds no password.
        reason: String,
    },
    /// The schema could not be brought up to date.
    #[error("cannot migrate the database: {0}")]
    Migrate(String),
    /// A statement failed.
    #[error("database error: {0}")]
    Query(#[from] DieselError),
    /// Too much is waiting for the database.
    #[error("the database is overloaded: {waiting} operations are waiting")]
    Overloaded {
        /// Operations in the queue.
        waiting: usize,
    },
    /// It was reached, and says nothing.
    #[error("the database does not answer; what it was sent last may have taken effect")]
    Silent,
    /// What a row holds does not read.
    #[error("the database holds what does not read: {0}")]
    Corrupted(String),
    /// The work was abandoned because the process is going down, or it panicked.
    #[error("the database operation did not finish: {0}")]
    Abandoned(String),
}

impl StoreError {
    /// Whether it may go another way when it is done again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Overloaded { .. } | Self::Connect { .. } | Self::Abandoned(_) | Self::Silent => true,
            Self::Query(cause) => is_passing(cause),
            Self::UnsupportedUrl(_) | Self::Migrate(_) | Self::Corrupted(_) => false,
        }
    }

    /// Whether the cause is a violated unique constraint.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Query(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let soon = Duration::from_millis(500);
        match &error {
            StoreError::Overloaded { .. } => Error::new(ErrorCode::Overloaded, error.to_string()).retry_after(soon),
            StoreError::Corrupted(_) => Error::new(ErrorCode::DataCorrupted, error.to_string()),
            StoreError::Connect { .. } | StoreError::Abandoned(_) | StoreError::Silent => {
                Error::new(ErrorCode::Unavailable, error.to_string()).retry_after(soon)
            }
            StoreError::Query(cause) if is_passing(cause) => {
                let remedy = remedy(&cause.to_string());
                Error::new(ErrorCode::Unavailable, format!("{error}{remedy}")).retry_after(soon)
            }
            StoreError::UnsupportedUrl(_) | StoreError::Migrate(_) | StoreError::Query(_) => {
                Error::new(ErrorCode::Internal, error.to_string())
            }
        }
    }
}

/// What the databases say while they have no room or cannot write.
const FULL: [&str; 3] = ["disk is full", "No space left on device", "Disk quota exceeded"];
const UNWRITABLE: [&str; 3] = ["disk I/O error", "File too large", "Input/output error"];
/// What they say while they are busy, go down or come up, and when they end a session or a statement that took too long.
const PASSING: [&str; 6] = [
    "database is locked",
    "the database system is",
    "terminating connection",
    "canceling statement",
    "too many clients",
    "out of memory",
];

fn says(text: &str, any_of: &[&str]) -> bool {
    any_of.iter().any(|it| text.contains(it))
}

/// A lost connection, a lost race or a full disk passes; a broken statement does not.
fn is_passing(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(kind, _) => {
            let text = error.to_string();
            matches!(
                kind,
                DatabaseErrorKind::ClosedConnection
                    // The connection had broken before it was used.
                    | DatabaseErrorKind::UnableToSendCommand
                    | DatabaseErrorKind::SerializationFailure
                    | DatabaseErrorKind::ReadOnlyTransaction
            ) || says(&text, &FULL)
                || says(&text, &UNWRITABLE)
                || says(&text, &PASSING)
        }
        // The connection broke in the middle of a transaction.
        DieselError::BrokenTransactionManager | DieselError::RollbackErrorOnCommit { .. } => true,
        _ => false,
    }
}

fn remedy(text: &str) -> &'static str {
    if says(text, &FULL) {
        "; make room on the disk of the database: nothing that was acknowledged is lost, and it goes on by itself"
    } else if says(text, &UNWRITABLE) {
        "; see to the disk of the database and to the limits of its process: nothing that was acknowledged is lost"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(kind: DatabaseErrorKind, text: &str) -> (ErrorCode, String) {
        let cause = DieselError::DatabaseError(kind, Box::new(text.to_owned()));
        let error = Error::from(StoreError::from(cause));
        assert_eq!(error.code.retryable(), error.retry_after.is_some(), "a hint comes with what may be repeated");
        (error.code, error.message)
    }

    #[test]
    fn what_passes_may_be_repeated_and_says_how_to_mend_it() {
        let (full, message) = code(DatabaseErrorKind::Unknown, "database or disk is full");
        assert_eq!(full, ErrorCode::Unavailable);
        assert!(message.contains("make room"), "{message}");
        let extend = "could not extend file \"base/5/16384\": No space left on device";
        assert_eq!(code(DatabaseErrorKind::Unknown, extend).0, ErrorCode::Unavailable);
        let gone = "terminating connection due to administrator command";
        assert_eq!(code(DatabaseErrorKind::Unknown, gone).0, ErrorCode::Unavailable);
        let unsent = "no connection to the server";
        assert_eq!(code(DatabaseErrorKind::UnableToSendCommand, unsent).0, ErrorCode::Unavailable);
        let broken = Error::from(StoreError::from(DieselError::BrokenTransactionManager));
        assert_eq!(broken.code, ErrorCode::Unavailable);
        assert_eq!(code(DatabaseErrorKind::Unknown, "syntax error at or near \"SELEC\"").0, ErrorCode::Internal);
    }
}
