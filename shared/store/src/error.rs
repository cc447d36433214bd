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
    /// The work was abandoned because the process is going down, or it panicked.
    #[error("the database operation did not finish: {0}")]
    Abandoned(String),
}

impl StoreError {
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
            StoreError::Connect { .. } | StoreError::Abandoned(_) => {
                Error::new(ErrorCode::Unavailable, error.to_string()).retry_after(soon)
            }
            StoreError::Query(DieselError::DatabaseError(kind, _)) if is_passing(kind, &error) => {
                Error::new(ErrorCode::Unavailable, error.to_string()).retry_after(soon)
            }
            StoreError::UnsupportedUrl(_) | StoreError::Migrate(_) | StoreError::Query(_) => {
                Error::new(ErrorCode::Internal, error.to_string())
            }
        }
    }
}

/// A lost connection, a lost race or a full disk passes; a broken statement does not.
fn is_passing(kind: &DatabaseErrorKind, error: &StoreError) -> bool {
    let text = error.to_string();
    matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::SerializationFailure)
        || text.contains("disk is full")
        || text.contains("database is locked")
        || text.contains("disk I/O error")
}
