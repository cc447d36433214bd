//! A call that failed: the error that its workflow sees, and whether making it again may help.

use std::time::Duration;

use orrery_errors::{Error, ErrorCode};

use crate::domain::fault::{Fault, Standard};

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What the workflow is told, should this attempt be the last.
    pub fault: Fault,
    /// Whether the platform makes the call again by itself.
    pub again: Again,
}

/// Whether a failure is one in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It is the call's, and the workflow's `try` decides.
    Never,
    /// It is of the way there; a few attempts tell whether it lasts.
    Briefly,
    /// A service of the platform is away; it comes back. The time it asked for, if it did.
    UntilDeadline(Option<Duration>),
}

impl Failure {
    /// A failure that only the workflow can do something about.
    pub fn last(fault: Fault) -> Self {
        Self { fault, again: Again::Never }
    }

    /// Wrong arguments of a call.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::last(Fault::new(Standard::Validation, detail).titled(ErrorCode::InvalidRequest.as_str()))
    }

    /// Something that the other side sent, or did not send.
    pub fn communication(detail: impl Into<String>) -> Self {
        Self::last(Fault::new(Standard::Communication, detail))
    }

    /// The call may be made again, if that does no harm.
    #[must_use]
    pub fn briefly_if(self, harmless: bool) -> Self {
        Self { again: if harmless { Again::Briefly } else { self.again }, ..self }
    }
}

/// A service of the platform failed.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let again = match error.code {
            ErrorCode::Unavailable | ErrorCode::Overloaded | ErrorCode::RateLimited | ErrorCode::DeadlineExceeded => {
                Again::UntilDeadline(error.retry_after)
            }
            _ => Again::Never,
        };
        Self { fault: Fault::from(&error), again }
    }
}
