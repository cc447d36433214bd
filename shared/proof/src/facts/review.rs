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
    /// Digest of what was shown. Records of earlier versions have none, like what follows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject_digest: String,
    /// Digest of the changed fields; empty when none were.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub edits_digest: String,
    /// Digest of what was shown with the changes in it; empty when nothing was changed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub result_digest: String,
    /// Everyone whose decision it is, where it took several people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voters: Vec<String>,
    /// The kernel's signed note over review, digests, decision, principal and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `review.voted`: one of several people decided, or decided otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewVoted {
    pub review_id: String,
    /// The principal.
    pub by: String,
    /// One of the decisions the review offered.
    pub decision: String,
    /// Digest of the reason given.
    pub reason_digest: String,
    /// Digest of the changed fields; empty when none were.
    pub edits_digest: String,
}

/// `review.released`, `review.delegated` or `review.reassigned`: a person passed the responsibility on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewHandedOver {
    pub review_id: String,
    /// The principal who did it.
    pub by: String,
    /// Whose it is now: `user:<principal>` or roles; empty: whoever could decide it before.
    pub to: Vec<String>,
}

/// `review.commented`: a person said something beside their decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewCommented {
    pub review_id: String,
    /// The principal.
    pub by: String,
    /// Digest of what they said.
    pub text_digest: String,
}

/// `review.escalated`: nobody decided in time, and others were asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewEscalated {
    pub review_id: String,
    /// From 1.
    pub level: u32,
    /// Who may decide by it.
    pub roles: Vec<String>,
    /// Whether they replace those before.
    pub replaces: bool,
}

/// `review.expired`: its time was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewExpired {
    pub review_id: String,
}
