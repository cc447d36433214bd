//! Who may take part in a review, hold it, hand it on, and see it.

use super::{Delegation, Review};
use crate::domain::command::{Person, Reject};

/// Prefix of a candidate that is one person.
pub const USER: &str = "user:";
/// The role that sees all reviews of its tenant, and may release and reassign them; it decides only where it is named.
pub const ADMIN: &str = "admin";
/// Candidates, excluded people or supervisors of one review.
pub const CANDIDATES_MAX: usize = 64;

/// Whether a list of roles and `user:<principal>` names a person.
pub fn names(candidates: &[String], person: &Person) -> bool {
    candidates.iter().any(|candidate| match candidate.strip_prefix(USER) {
        Some(principal) => principal == person.principal,
        None => person.roles.contains(candidate),
    })
}

fn is_admin(person: &Person) -> bool {
    person.roles.iter().any(|role| role == ADMIN)
}

fn forbidden(message: impl Into<String>) -> Reject {
    Reject::Forbidden(message.into())
}

impl Review {
    /// Whether a person may take part: named, not excluded, and not who submitted the task (K-5).
    pub fn admit(&self, person: &Person, submitted_by: &str) -> Result<(), Reject> {
        self.refuse_excluded(&person.principal, submitted_by)?;
        if !names(&self.roles, person) {
            return Err(forbidden(format!("this review needs one of: {}", self.roles.join(", "))));
        }
        Ok(())
    }

    fn refuse_excluded(&self, principal: &str, submitted_by: &str) -> Result<(), Reject> {
        if principal == submitted_by {
            return Err(forbidden("nobody reviews a task they submitted: ask someone else"));
        }
        if self.excluded.iter().any(|excluded| excluded == principal) {
            return Err(forbidden(format!("{principal} may not take part in this review: its workflow excludes them")));
        }
        Ok(())
    }

    /// Whether nobody else holds it.
    pub fn admit_beside_holder(&self, person: &Person) -> Result<(), Reject> {
        match &self.claim {
            Some(claim) if claim.by != person.principal => {
                Err(Reject::Conflict(format!("{} has claimed this review", claim.by)))
            }
            _ => Ok(()),
        }
    }

    /// Whether a person may give it back for its holder.
    pub fn admit_release(&self, person: &Person, submitted_by: &str) -> Result<(), Reject> {
        match &self.claim {
            _ if is_admin(person) && person.principal != submitted_by => Ok(()),
            None => self.admit(person, submitted_by),
            Some(claim) if claim.by == person.principal => Ok(()),
            Some(claim) => Err(forbidden(format!("{} holds this review: they or an admin release it", claim.by))),
        }
    }

    /// Whether its holder may hand it to a person.
    pub fn admit_delegation(&self, by: &Person, to: &Person, submitted_by: &str) -> Result<(), Reject> {
        self.admit(by, submitted_by)?;
        self.refuse_crowd("delegated")?;
        match &self.claim {
            None => return Err(Reject::Conflict("nobody holds this review: claim it before you delegate it".into())),
            Some(claim) if claim.by != by.principal => {
                return Err(forbidden(format!("{} holds this review: only the holder delegates it", claim.by)));
            }
            Some(_) if to.principal == by.principal => {
                return Err(Reject::Invalid("the review is yours already: delegate it to someone else".to_owned()));
            }
            Some(_) => {}
        }
        self.refuse_excluded(&to.principal, submitted_by)?;
        if self.delegation == Delegation::Candidates && !names(&self.roles, to) {
            let needed = self.roles.join(", ");
            return Err(forbidden(format!(
                "{} is no candidate of this review, which needs one of: {needed}",
                to.principal
            )));
        }
        Ok(())
    }

    /// Whether a person may choose other candidates, and these.
    pub fn admit_reassignment(&self, by: &Person, to: &[String], submitted_by: &str) -> Result<(), Reject> {
        if by.principal == submitted_by {
            return Err(forbidden("who submitted the task does not choose who reviews it"));
        }
        if !is_admin(by) && !names(&self.supervisors, by) {
            let who = if self.supervisors.is_empty() {
                String::new()
            } else {
                format!(" or {}", self.supervisors.join(", "))
            };
            return Err(forbidden(format!("only an admin{who} reassigns this review")));
        }
        check_candidates(to).map_err(Reject::Invalid)?;
        for principal in to.iter().filter_map(|candidate| candidate.strip_prefix(USER)) {
            self.refuse_excluded(principal, submitted_by)?;
        }
        Ok(())
    }

    /// Who takes several voices has no holder.
    pub fn refuse_crowd(&self, what: &str) -> Result<(), Reject> {
        match self.quorum.approvals {
            0 | 1 => Ok(()),
            many => Err(Reject::Invalid(format!(
                "this review takes {many} people and is not {what}: each of them decides for themselves"
            ))),
        }
    }

    /// Whether a person may see it, and so comment on it.
    pub fn admit_reader(&self, person: &Person, submitted_by: &str) -> Result<(), Reject> {
        let holds = self.claim.as_ref().is_some_and(|claim| claim.by == person.principal);
        let concerned = holds || person.principal == submitted_by || is_admin(person);
        if concerned || names(&self.roles, person) || names(&self.supervisors, person) {
            return Ok(());
        }
        Err(forbidden(format!("this review needs one of: {}", self.roles.join(", "))))
    }
}

/// Whether a list can name candidates.
pub fn check_candidates(candidates: &[String]) -> Result<(), String> {
    if candidates.is_empty() || candidates.len() > CANDIDATES_MAX {
        return Err(format!("name 1 to {CANDIDATES_MAX} roles or user:<principal>"));
    }
    match candidates.iter().find(|candidate| candidate.trim().is_empty() || *candidate == USER) {
        Some(empty) => Err(format!("{empty:?} names nobody: write a role or user:<principal>")),
        None => Ok(()),
    }
}
