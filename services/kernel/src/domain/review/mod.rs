//! A human task: what people are asked, who may take part, and how their answers become one decision. Pure: time and people
//! are handed in, and a review changes only by [`Review::apply`].
//!
//! K-5: a review is decided once, by someone whom it names, never by the one who submitted the task.

mod answer;
mod arguments;
mod calendar;
mod candidates;
mod change;
mod quorum;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use orrery_types::{ReviewId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use answer::merge_patch;
pub use arguments::check_constants;
pub use candidates::{ADMIN, CANDIDATES_MAX, USER, names};
pub use change::Change;
pub use quorum::Quorum;
pub use schedule::Escalation;

/// Longest reason of a decision, and longest comment.
pub const TEXT_BYTES_MAX: usize = 4_000;
/// Comments of one review.
pub const COMMENTS_MAX: usize = 100;
/// Earlier rounds that a review shows; older ones are in the history only.
pub const ROUNDS_MAX: usize = 10;

/// A question to people, open until it is decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// What is asked, in a line.
    pub title: String,
    /// How to decide.
    pub instructions: String,
    /// The candidates, who may decide: roles, or `user:<principal>`.
    pub roles: Vec<String>,
    /// JSON Schema of the edits.
    pub form: Option<Value>,
    /// The possible decisions.
    pub decisions: Vec<String>,
    /// What it is about.
    pub subject: Value,
    /// When it is asked.
    pub created_at: UnixMillis,
    /// When it should be decided; without [`Self::expires_at`] also when it ends.
    pub due_at: Option<UnixMillis>,
    /// The decision that stands when it expires; none: the task times out.
    pub on_expiry: Option<String>,
    /// Who holds it.
    pub claim: Option<Claim>,
    /// Principals who may not take part, whatever their roles.
    #[serde(default)]
    pub excluded: Vec<String>,
    /// Who may reassign it beside administrators: roles, or `user:<principal>`.
    #[serde(default)]
    pub supervisors: Vec<String>,
    /// To whom its holder may delegate it.
    #[serde(default)]
    pub delegation: Delegation,
    /// The decision by which a reviewer asks for changes.
    #[serde(default)]
    pub changes: Option<String>,
    /// How many people it takes.
    #[serde(default)]
    pub quorum: Quorum,
    /// When it ends undecided, where that is later than when it is due.
    #[serde(default)]
    pub expires_at: Option<UnixMillis>,
    /// Whether it is past its due time.
    #[serde(default)]
    pub overdue: bool,
    /// Reminders to come, the next first.
    #[serde(default)]
    pub reminders: Vec<UnixMillis>,
    /// Levels of escalation to come, the next first.
    #[serde(default)]
    pub escalation: Vec<Escalation>,
    /// How often it has been escalated.
    #[serde(default)]
    pub level: u32,
    /// What people said beside their decision.
    #[serde(default)]
    pub comments: Vec<Comment>,
    /// Voices so far, where it takes more than one.
    #[serde(default)]
    pub votes: Vec<Vote>,
    /// Where it stands in the run: its task, and the rounds of the loops around it.
    #[serde(default)]
    pub place: String,
    /// From 1; one more each time that changes were asked for at the same place.
    #[serde(default = "first_round")]
    pub round: u32,
    /// The rounds before.
    #[serde(default)]
    pub previous: Arc<Vec<Round>>,
}

fn first_round() -> u32 {
    1
}

/// Who holds a review, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The holder.
    pub by: String,
    /// Since when.
    pub at: UnixMillis,
    /// Who handed it to them.
    #[serde(default)]
    pub delegated_by: Option<String>,
}

/// To whom the holder of a review may delegate it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delegation {
    /// To another candidate.
    #[default]
    Candidates,
    /// To anyone but who is excluded.
    Anyone,
}

/// What someone said about a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Follows from the request, so that the same request twice is one comment.
    pub id: String,
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
    /// When.
    pub at: UnixMillis,
}

/// One voice of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: String,
    /// One of the review's decisions.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// Changed fields, or null.
    pub edits: Value,
    /// When.
    pub at: UnixMillis,
}

/// A round that ended with a request for changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// From 1.
    pub round: u32,
    /// The review that it was.
    pub review: ReviewId,
    /// Its decision.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// Changed fields, or null.
    pub edits: Value,
    /// What people said.
    pub comments: Vec<Comment>,
    /// Who decided.
    pub decided_by: String,
    /// When.
    pub decided_at: UnixMillis,
}

/// The answer that stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// One of the review's decisions.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// Changed fields, or null.
    pub edits: Value,
    /// Who gave it; with a quorum, whose voice completed it.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// The subject with the edits in it; null without edits.
    #[serde(default)]
    pub result: Value,
    /// Everyone whose voice it is.
    #[serde(default)]
    pub voters: Vec<String>,
    /// Of the subject.
    #[serde(default)]
    pub subject_digest: String,
    /// Of the edits; empty: there are none.
    #[serde(default)]
    pub edits_digest: String,
    /// A signed note of the kernel over the decision. Added to the fact when it is journalled; no state depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Review {
    /// The output of the human task: the subject as it was, the edits, and the subject with the edits in it.
    pub fn output(&self, decision: &Decision) -> Value {
        let comments: Vec<Value> = self.comments.iter().map(Comment::to_value).collect();
        let votes = self.votes.iter().map(|vote| {
            json!({
                "by": vote.by, "decision": vote.decision, "reason": vote.reason, "edits": vote.edits,
                "at": vote.at.to_string(),
            })
        });
        json!({
            "decision": decision.decision, "reason": decision.reason, "edits": decision.edits,
            "decided_by": decision.by, "decided_at": decision.at.to_string(),
            "subject": self.subject,
            "result": if decision.edits.is_null() { &self.subject } else { &decision.result },
            "comments": comments, "votes": votes.collect::<Vec<_>>(), "voters": decision.voters,
            "review": self.id, "round": self.round,
        })
    }

    /// What the next review at the same place shows of this one.
    pub fn to_round(&self, decision: &Decision) -> Round {
        Round {
            round: self.round,
            review: self.id.clone(),
            decision: decision.decision.clone(),
            reason: decision.reason.clone(),
            edits: decision.edits.clone(),
            comments: self.comments.clone(),
            decided_by: decision.by.clone(),
            decided_at: decision.at,
        }
    }
}

impl Comment {
    fn to_value(&self) -> Value {
        json!({ "by": self.by, "text": self.text, "at": self.at.to_string() })
    }
}
