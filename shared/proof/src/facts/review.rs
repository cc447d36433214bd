//! Facts about human tasks, emitted by the kernel.

use serde::{Deserialize, Serialize};

/// `review.requested`: a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRequested {
    pub review_id: String,
    /// Pointer of the workflow step that asks.
    pub pointer: String,
    /// Who may decide.
    pub roles: Vec<String>,
    /// Digest of what they are shown.
    pub subject_digest: String,
}

/// `review.claimed`: a person took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewClaimed {
    pub review_id: String,
    /// The principal.
    pub by: String,
}

/// `review.decided`: a person decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewDecided {
    pub review_id: String,
    /// The principal.
    pub by: String,
    /// One of the decisions the review offered.
    pub decision: String,
    /// Digest of the reason given.
    pub reason_digest: String,
    /// Whether fields were changed.
    pub edited: bool,
}
