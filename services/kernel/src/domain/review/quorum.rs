//! How many people a decision takes. The first decision to reach its number stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Review, Vote};

/// How many distinct people must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// For any decision.
    #[serde(default = "one")]
    pub approvals: u32,
    /// For some decisions, another number: for example one voice to decline.
    #[serde(default)]
    pub per_decision: BTreeMap<String, u32>,
}

fn one() -> u32 {
    1
}

impl Default for Quorum {
    fn default() -> Self {
        Self { approvals: one(), per_decision: BTreeMap::new() }
    }
}

impl Quorum {
    /// People that a decision takes.
    pub fn needed(&self, decision: &str) -> usize {
        let needed = self.per_decision.get(decision).copied().unwrap_or(self.approvals);
        usize::try_from(needed).unwrap_or(usize::MAX)
    }

    /// Whether one person's answer is a vote, not yet the decision.
    pub fn takes_votes(&self) -> bool {
        self.approvals > 1 || self.per_decision.values().any(|needed| *needed > 1)
    }
}

impl Review {
    /// The people who say the same as a vote, once they are enough. Edits belong to what is said: two people who approve
    /// different versions do not agree.
    pub fn agreed(&self, vote: &Vote) -> Option<Vec<String>> {
        let same = |other: &&Vote| other.decision == vote.decision && other.edits == vote.edits;
        let voters: Vec<String> = self.votes.iter().filter(same).map(|vote| vote.by.clone()).collect();
        (voters.len() >= self.quorum.needed(&vote.decision)).then_some(voters)
    }

    /// Whether a person has said exactly this already.
    pub fn has_vote(&self, vote: &Vote) -> bool {
        self.votes.iter().any(|other| {
            other.by == vote.by
                && other.decision == vote.decision
                && other.edits == vote.edits
                && other.reason == vote.reason
        })
    }
}
