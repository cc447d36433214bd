//! Reviews as rows: what people find their work by. Written by `store/changes/reviews.rs`, in the moves' transactions.

mod queries;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rows::signed;
use super::schema::{review_comments, review_people, review_votes, reviews};
use crate::domain::review::{Delegation, Quorum, Review, USER};
use crate::domain::state::{Frame, State};

pub use queries::{ReviewFilter, ReviewOrder, ReviewPage, ReviewView, Work};

/// The words in which a review's status is stored.
pub mod review_status {
    /// Anyone named may claim it.
    pub const OPEN: &str = "open";
    /// Someone works on it.
    pub const CLAIMED: &str = "claimed";
    /// Over.
    pub const DECIDED: &str = "decided";
    /// No longer wanted.
    pub const WITHDRAWN: &str = "withdrawn";
    /// Nobody decided in time, and no decision stands instead.
    pub const EXPIRED: &str = "expired";
}

/// The words in which the part that someone has in a review is stored.
pub(super) mod part {
    pub const CANDIDATE: &str = "candidate";
    pub const EXCLUDED: &str = "excluded";
    pub const SUPERVISOR: &str = "supervisor";
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = reviews)]
#[allow(missing_docs)]
pub struct ReviewRow {
    pub id: String,
    pub tenant: String,
    pub run_id: String,
    pub pointer: String,
    pub title: String,
    pub instructions: String,
    pub roles: String,
    pub form: String,
    pub subject: String,
    pub status: String,
    pub claimed_by: String,
    pub decision: String,
    pub reason: String,
    pub edits: String,
    pub decided_by: String,
    pub submitted_by: String,
    pub created_ms: i64,
    pub claimed_ms: i64,
    pub decided_ms: i64,
    pub due_ms: i64,
    pub workflow: String,
    pub details: String,
    pub delegated_by: String,
    pub expires_ms: i64,
    pub sort_ms: i64,
    pub level: i32,
    pub round: i32,
    pub result: String,
    pub signature: String,
    pub previous: String,
}

/// What of a review is only ever shown, as JSON in one column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // as in the review
pub struct ReviewDetails {
    pub decisions: Vec<String>,
    pub changes: Option<String>,
    pub quorum: Quorum,
    pub delegation: Delegation,
    pub excluded: Vec<String>,
    pub supervisors: Vec<String>,
}

/// The part that someone has in a review.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = review_people)]
#[allow(missing_docs)]
pub struct PersonRow {
    pub review_id: String,
    pub part: String,
    pub who: String,
    pub tenant: String,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = review_comments)]
#[allow(missing_docs)]
pub struct CommentRow {
    pub review_id: String,
    pub id: String,
    pub author: String,
    pub text: String,
    pub at_ms: i64,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = review_votes)]
#[allow(missing_docs)]
pub struct VoteRow {
    pub review_id: String,
    pub voter: String,
    pub decision: String,
    pub reason: String,
    pub edits: String,
    pub at_ms: i64,
}

impl ReviewRow {
    pub(super) fn requested(state: &State, frame: &Frame, review: &Review) -> Self {
        let details = ReviewDetails {
            decisions: review.decisions.clone(),
            changes: review.changes.clone(),
            quorum: review.quorum.clone(),
            delegation: review.delegation,
            excluded: review.excluded.clone(),
            supervisors: review.supervisors.clone(),
        };
        let run = &state.run;
        Self {
            id: review.id.to_string(),
            tenant: run.tenant.to_string(),
            run_id: run.id.to_string(),
            pointer: frame.pointer.to_string(),
            title: review.title.clone(),
            instructions: review.instructions.clone(),
            roles: json!(review.roles).to_string(),
            form: review.form.as_ref().map(Value::to_string).unwrap_or_default(),
            subject: review.subject.to_string(),
            status: review_status::OPEN.to_owned(),
            claimed_by: String::new(),
            decision: String::new(),
            reason: String::new(),
            edits: String::new(),
            decided_by: String::new(),
            submitted_by: run.submitted_by.clone(),
            created_ms: signed(review.created_at.0),
            claimed_ms: 0,
            decided_ms: 0,
            due_ms: review.due_at.map_or(0, |at| signed(at.0)),
            workflow: run.workflow.1.clone(),
            details: json!(details).to_string(),
            delegated_by: String::new(),
            expires_ms: review.ends_at().map_or(0, |at| signed(at.0)),
            sort_ms: review.due_at.or(review.expires_at).map_or(i64::MAX, |at| signed(at.0)),
            level: 0,
            round: i32::try_from(review.round).unwrap_or(i32::MAX),
            result: String::new(),
            signature: String::new(),
            previous: match review.previous.is_empty() {
                true => String::new(),
                false => json!(review.previous).to_string(),
            },
        }
    }

    /// Who may decide it.
    pub fn roles(&self) -> Vec<String> {
        serde_json::from_str(&self.roles).unwrap_or_default()
    }

    /// What is only shown.
    pub fn details(&self) -> ReviewDetails {
        serde_json::from_str(&self.details).unwrap_or_default()
    }
}

impl PersonRow {
    /// Everyone who has a part in a review as it is asked for.
    pub(super) fn all(tenant: &str, review: &Review) -> Vec<Self> {
        let excluded: Vec<String> = review.excluded.iter().map(|principal| format!("{USER}{principal}")).collect();
        let parts =
            [(part::CANDIDATE, &review.roles), (part::EXCLUDED, &excluded), (part::SUPERVISOR, &review.supervisors)];
        let rows = parts.iter().flat_map(|(part, people)| people.iter().map(move |who| (*part, who)));
        let mut rows: Vec<Self> = rows.map(|(part, who)| Self::new(tenant, review.id.as_str(), part, who)).collect();
        // A name given twice has its part once.
        rows.sort_by(|a, b| (&a.part, &a.who).cmp(&(&b.part, &b.who)));
        rows.dedup();
        rows
    }

    pub(super) fn new(tenant: &str, review: &str, part: &str, who: &str) -> Self {
        Self { review_id: review.to_owned(), part: part.to_owned(), who: who.to_owned(), tenant: tenant.to_owned() }
    }
}
