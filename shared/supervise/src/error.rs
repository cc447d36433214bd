//! What callers of a handle and of the root are told.

use std::sync::Arc;
use std::time::Duration;

use crate::exit::ExitStatus;

/// Why a message got no answer. Only `Lost` and `Deadline` leave open whether the message was handled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The mailbox is at its bound; the message was not accepted.
    #[error("mailbox of {child} is full, retry after {} ms", retry_after.as_millis())]
    Full { child: Arc<str>, retry_after: Duration },
    /// The child is starting or between two instances; the message was not handled.
    #[error("{child} is restarting, retry after {} ms", retry_after.as_millis())]
    Restarting { child: Arc<str>, retry_after: Duration },
    /// The child finishes what it has and takes nothing new; the message was not handled.
    #[error("{child} is draining and takes no new work, use another replica")]
    Draining { child: Arc<str> },
    /// The child has ended and will not be started again; the message was not handled.
    #[error("{child} has stopped, start the service again")]
    Stopped { child: Arc<str> },
    /// The child ended while it handled the message: the outcome is unknown.
    #[error("{child} ended before it answered, check the outcome before sending again")]
    Lost { child: Arc<str> },
    /// No answer in time: the outcome is unknown.
    #[error("{child} gave no answer within {} ms, check the outcome before sending again", after.as_millis())]
    Deadline { child: Arc<str>, after: Duration },
}

impl SendError {
    /// When the same message may be sent again without risk of doing it twice; `None` where that is not known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { retry_after, .. } | Self::Restarting { retry_after, .. } => Some(*retry_after),
            Self::Draining { .. } | Self::Stopped { .. } | Self::Lost { .. } | Self::Deadline { .. } => None,
        }
    }

    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::Restarting { .. } => "restarting",
            Self::Draining { .. } => "draining",
            Self::Stopped { .. } => "stopped",
            Self::Lost { .. } => "lost",
            Self::Deadline { .. } => "deadline",
        }
    }
}

/// Why a tree could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `Root::start` was called outside an actix system.
    #[error("no actix system on this thread, call Root::start under #[actix::main]")]
    NoSystem,
    /// The supervision thread or the first shared thread could not be created.
    #[error("cannot create a thread for the tree, check the process limits: {0}")]
    Thread(#[from] std::io::Error),
    /// The tree failed before all of it was up.
    #[error(transparent)]
    Failed(#[from] RootFailure),
}

/// The root's restart budget is used up: the service is not alive, and its process must exit non-zero.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("supervision tree {tree} ended, restart the process: {status}")]
pub struct RootFailure {
    /// Name of the root.
    pub tree: Arc<str>,
    /// What ended it; names the child at fault.
    pub status: ExitStatus,
}
