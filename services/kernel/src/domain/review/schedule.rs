//! When something happens to a review by itself: reminders, the due time, escalation, expiry. All of it is worked out when
//! the review is asked for, so that waiting is one point in time in a row.

use orrery_types::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{Change, Review};

/// A level of the escalation chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// When.
    pub at: UnixMillis,
    /// Candidates that it brings.
    pub roles: Vec<String>,
    /// Whether they replace those before.
    pub replace: bool,
    /// Whom to tell beside them.
    pub notify: Vec<String>,
}

impl Review {
    /// When it ends undecided.
    pub fn ends_at(&self) -> Option<UnixMillis> {
        self.expires_at.or(self.due_at)
    }

    /// When it becomes overdue, if that is before its end.
    fn overdue_at(&self) -> Option<UnixMillis> {
        self.due_at.filter(|due| !self.overdue && self.expires_at.is_some_and(|end| *due < end))
    }

    /// When something is next due.
    pub fn next_at(&self) -> Option<UnixMillis> {
        let reminder = self.reminders.first().copied();
        let escalation = self.escalation.first().map(|level| level.at);
        [reminder, escalation, self.overdue_at(), self.ends_at()].into_iter().flatten().min()
    }

    /// What is due now. Its end comes before what else was missed.
    pub fn due(&self, now: UnixMillis) -> Option<Change> {
        if self.ends_at().is_some_and(|at| at <= now) {
            return Some(Change::Expired);
        }
        if self.reminders.first().is_some_and(|at| *at <= now) {
            return Some(Change::Reminded);
        }
        if let Some(level) = self.escalation.first().filter(|level| level.at <= now) {
            return Some(Change::Escalated {
                level: self.level + 1,
                roles: level.roles.clone(),
                replace: level.replace,
                notify: level.notify.clone(),
            });
        }
        self.overdue_at().filter(|at| *at <= now).map(|_| Change::Overdue)
    }
}
