//! What happens to a review between its request and its decision. Journalled inside the run's facts.

use orrery_types::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{Claim, Comment, Review, USER, Vote};

/// One thing that happened to a review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It was given back, so that any candidate may claim it.
    Released {
        /// By its holder or an admin.
        by: String,
    },
    /// Its holder handed it to someone else.
    Delegated {
        /// The holder until then.
        by: String,
        /// The holder from then on.
        to: String,
        /// Whether that person becomes a candidate by it.
        admits: bool,
    },
    /// It got other candidates; nobody holds it any more.
    Reassigned {
        /// By whom.
        by: String,
        /// The candidates from then on.
        to: Vec<String>,
    },
    /// Someone said something.
    Commented {
        /// What.
        comment: Comment,
    },
    /// One of several people decided, or decided otherwise than before.
    Voted {
        /// How.
        vote: Vote,
    },
    /// It will be due soon.
    Reminded,
    /// It is past its due time.
    Overdue,
    /// Nobody decided in time: others are asked.
    Escalated {
        /// From 1.
        level: u32,
        /// Candidates that this level brings.
        roles: Vec<String>,
        /// Whether they replace those before.
        replace: bool,
        /// Whom to tell beside them.
        notify: Vec<String>,
    },
    /// Its time is over.
    Expired,
}

impl Change {
    /// The name under which people and other systems see it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Released { .. } => "review.released",
            Self::Delegated { .. } => "review.delegated",
            Self::Reassigned { .. } => "review.reassigned",
            Self::Commented { .. } => "review.commented",
            Self::Voted { .. } => "review.voted",
            Self::Reminded => "review.due_soon",
            Self::Overdue => "review.overdue",
            Self::Escalated { .. } => "review.escalated",
            Self::Expired => "review.expired",
        }
    }

    /// Whether it becomes a record of the transparency log: who was responsible and what they said, not reminders.
    pub fn is_audited(&self) -> bool {
        !matches!(self, Self::Reminded | Self::Overdue)
    }
}

impl Review {
    /// Takes a change in.
    pub fn apply(&mut self, change: &Change, at: UnixMillis) {
        match change {
            Change::Released { .. } => self.claim = None,
            Change::Delegated { by, to, admits } => {
                self.claim = Some(Claim { by: to.clone(), at, delegated_by: Some(by.clone()) });
                if *admits {
                    self.roles.push(format!("{USER}{to}"));
                }
            }
            Change::Reassigned { to, .. } => {
                self.claim = None;
                self.roles.clone_from(to);
            }
            Change::Commented { comment } => self.comments.push(comment.clone()),
            Change::Voted { vote } => {
                self.votes.retain(|earlier| earlier.by != vote.by);
                self.votes.push(vote.clone());
            }
            Change::Reminded => drop(self.reminders.drain(..self.reminders.len().min(1))),
            Change::Overdue => self.overdue = true,
            Change::Escalated { level, roles, replace, .. } => {
                self.level = *level;
                drop(self.escalation.drain(..self.escalation.len().min(1)));
                if *replace {
                    self.roles.clone_from(roles);
                    self.claim = None;
                } else {
                    let fresh = roles.iter().filter(|role| !self.roles.contains(role)).cloned().collect::<Vec<_>>();
                    self.roles.extend(fresh);
                }
            }
            Change::Expired => {
                self.reminders.clear();
                self.escalation.clear();
            }
        }
    }
}
