//! Reviews as clients see them.

use orrery_proto::v1::{self, ReviewStatus};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::Failure;
use crate::http::answer::{json, present, time};

/// A question put to people.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewView {
    id: String,
    task_id: String,
    /// Name of the task's workflow.
    workflow: String,
    pointer: String,
    title: String,
    instructions: String,
    /// Who may decide: roles, or `user:<principal>`.
    roles: Vec<String>,
    /// Principals who may not, whatever their roles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    excluded: Vec<String>,
    /// Who may reassign it beside administrators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    supervisors: Vec<String>,
    /// The possible decisions.
    decisions: Vec<String>,
    /// The decision that asks for changes, and so brings the question back.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<String>,
    /// How many people a decision takes.
    approvals: u32,
    /// By decision, where it takes another number.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_decision: Option<Value>,
    /// JSON Schema of the edits.
    #[serde(skip_serializing_if = "Option::is_none")]
    form_schema: Option<Value>,
    /// What is to be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Value>,
    /// `open`, `claimed`, `decided`, `withdrawn` or `expired`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_by: Option<String>,
    /// Who handed it to its holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    delegated_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edits: Option<Value>,
    /// The subject with the edits in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    /// A signed note over the decision, for a key of `/v1/reviews/keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    /// When it ends undecided.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// How often it was escalated.
    level: u32,
    /// From 1; one more after each request for changes.
    round: u32,
    /// The rounds before, with what was said in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Value>,
    /// Not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    comments: Vec<CommentView>,
    /// Not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    votes: Vec<VoteView>,
    /// Who submitted the task, and so may not decide.
    submitted_by: String,
}

/// What someone said about a review.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommentView {
    id: String,
    by: String,
    text: String,
    at: Option<String>,
}

/// One person's voice of several.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoteView {
    by: String,
    decision: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    edits: Option<Value>,
    at: Option<String>,
}

impl From<v1::Review> for ReviewView {
    fn from(review: v1::Review) -> Self {
        let comment = |it: v1::ReviewComment| CommentView { id: it.id, by: it.by, text: it.text, at: time(it.at_ms) };
        let vote = |it: v1::ReviewVote| {
            let (edits, at) = (json(it.edits_json), time(it.at_ms));
            VoteView { by: it.by, decision: it.decision, reason: it.reason, edits, at }
        };
        Self {
            status: status_name(review.status()),
            id: review.id,
            task_id: review.task_id,
            workflow: review.workflow,
            pointer: review.pointer,
            title: review.title,
            instructions: review.instructions,
            roles: review.roles,
            excluded: review.excluded,
            supervisors: review.supervisors,
            decisions: review.decisions,
            changes: present(review.changes),
            approvals: review.approvals.max(1),
            per_decision: json(review.per_decision_json),
            form_schema: json(review.form_schema_json),
            subject: json(review.subject_json),
            claimed_by: present(review.claimed_by),
            delegated_by: present(review.delegated_by),
            decision: present(review.decision),
            reason: present(review.reason),
            edits: json(review.edits_json),
            result: json(review.result_json),
            decided_by: present(review.decided_by),
            signature: present(review.signature),
            created_at: time(review.created_at_ms),
            claimed_at: time(review.claimed_at_ms),
            decided_at: time(review.decided_at_ms),
            due_at: time(review.due_at_ms),
            expires_at: time(review.expires_at_ms),
            level: review.level,
            round: review.round.max(1),
            previous: json(review.previous_json),
            comments: review.comments.into_iter().map(comment).collect(),
            votes: review.votes.into_iter().map(vote).collect(),
            submitted_by: review.submitted_by,
        }
    }
}

fn status_name(status: ReviewStatus) -> &'static str {
    match status {
        ReviewStatus::Unspecified => "unknown",
        ReviewStatus::Open => "open",
        ReviewStatus::Claimed => "claimed",
        ReviewStatus::Decided => "decided",
        ReviewStatus::Withdrawn => "withdrawn",
        ReviewStatus::Expired => "expired",
    }
}

/// The statuses that a text names, separated by commas.
pub fn statuses(text: &str) -> Result<Vec<i32>, Failure> {
    let all = [
        ReviewStatus::Open,
        ReviewStatus::Claimed,
        ReviewStatus::Decided,
        ReviewStatus::Withdrawn,
        ReviewStatus::Expired,
    ];
    let read = |name: &str| {
        let found = all.into_iter().find(|status| status_name(*status) == name);
        found.map(i32::from).ok_or_else(|| {
            let message = format!("there is no status {name:?}; use open, claimed, decided, withdrawn or expired");
            Failure::param("status", message)
        })
    };
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(read).collect()
}
