//! Errors that the command itself tells apart; everything else travels as `anyhow::Error` with its context.

/// The command was given something that cannot be: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A usage error.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage(message.into()).into()
}

/// The result has been printed, and it is not a success: nothing more is said, and the process exits with this code.
#[derive(Debug, thiserror::Error)]
#[error("exit code {0}")]
pub struct Exit(pub u8);

/// The gateway's answer when it refuses.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ApiError {
    /// One of the documented codes.
    pub code: String,
    /// What was wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// For example each fault of a definition.
    pub detail: Option<serde_json::Value>,
    /// Finds the call in logs and traces.
    pub trace_id: Option<String>,
    /// When trying again may help.
    pub retry_after_ms: Option<u64>,
}
