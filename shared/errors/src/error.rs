//! The error that crosses service boundaries: a code, a public message, a retry hint and public detail.

use std::time::Duration;

use crate::ErrorCode;

/// What a caller is told. Holds nothing secret; diagnostics go to the log where they are handled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Decides status and retryability.
    pub code: ErrorCode,
    /// What was wrong, with what, and what to do. Lower case, no full stop.
    pub message: String,
    /// When trying again may help.
    pub retry_after: Option<Duration>,
    /// Structured public detail, for example each violation of a schema.
    pub detail: Option<serde_json::Value>,
}

impl Error {
    /// An error with neither hint nor detail.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, detail: None }
    }

    /// With the time after which a retry may help.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// With structured public detail.
    #[must_use]
    pub fn detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = Some(detail);
        self
    }

    /// An internal fault that names its root cause, which must hold nothing secret.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(ErrorCode::Internal, format!("internal error: {}", root_cause(cause)))
    }
}

fn root_cause<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
