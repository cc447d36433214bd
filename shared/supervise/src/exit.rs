//! Why an instance of a child ended.

use std::any::Any;
use std::fmt::Display;
use std::sync::Arc;

/// The typed end of one instance. `Display` gives the text shown as the tree's `last_error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExitStatus {
    /// It finished its work, or drained in time.
    #[error("finished")]
    Success,
    /// The supervisor ended it: the drain deadline passed, or the tree was torn down.
    #[error("killed")]
    Killed,
    /// It, its factory, or (for a supervisor) its restart budget reported a failure.
    #[error("failed: {0}")]
    Failed(Arc<str>),
    /// A handler or the task panicked with this message.
    #[error("panicked: {0}")]
    Panicked(Arc<str>),
    /// It showed no progress for longer than its heartbeat allows.
    #[error("hung: no progress within the heartbeat limit")]
    Hung,
    /// It was not started, or not ready, within its start timeout.
    #[error("not started within the start timeout")]
    StartTimedOut,
    /// The thread that it shared was given up because a sibling blocked it. No fault of its own.
    #[error("evicted: its thread was blocked by a sibling")]
    Evicted,
}

impl ExitStatus {
    /// A failure with its reason.
    pub fn failed(reason: impl Display) -> Self {
        Self::Failed(reason.to_string().into())
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("panic without a text message");
        Self::Panicked(text.into())
    }

    /// The label under which metrics count this exit.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Killed => "killed",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::Hung => "hung",
            Self::StartTimedOut => "start_timed_out",
            Self::Evicted => "evicted",
        }
    }
}
