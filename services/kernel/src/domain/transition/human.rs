//! `orrery.human`: asks people. Waiting holds nothing but the frame.

use std::sync::Arc;

use orrery_types::ReviewId;
use serde_json::Value;

use super::{Entered, Machine};
use crate::domain::command::{Person, Reject};
use crate::domain::event::Fact;
use crate::domain::fault::{Fault, Standard};
use crate::domain::review::{Change, Comment, Decision, Review, Vote};
use crate::domain::state::{Activity, Frame, FrameId};

/// Who decides when a review expires.
const EXPIRY: &str = "system:expiry";
/// Where a definition describes the calendars that it names.
const CALENDARS: &str = "/document/metadata/calendars";

impl Machine<'_> {
    pub(super) fn ask(&mut self, entered: &Entered, arguments: &Value) -> Result<(), Fault> {
        let id = format!("rev_{}", self.id_from(&self.key(entered)));
        let id = ReviewId::new(&id).map_err(|error| Fault::new(Standard::Runtime, error.to_string()))?;
        let calendars = self.definition.source.pointer(CALENDARS).unwrap_or(&Value::Null);
        let mut review = Review::from_arguments(id, arguments, calendars, self.now)?;
        review.place = self.place(entered);
        if let Some(previous) = self.state.rounds.get(&review.place) {
            review.previous = previous.clone();
            review.round = previous.last().map_or(1, |last| last.round + 1);
        }
        self.open(entered, Activity::Human { review: Box::new(review) })?;
        Ok(())
    }

    /// The task and the rounds of the loops around it: two items of a `for` are two places, coming back by `then` or by a
    /// retry is the same one.
    fn place(&self, entered: &Entered) -> String {
        let mut rounds = Vec::new();
        let mut at = Some(entered.list);
        while let Some(frame) = at.and_then(|id| self.state.frames.get(&id)) {
            if let Activity::For { index, .. } = &frame.activity {
                rounds.push(index.to_string());
            }
            at = frame.parent;
        }
        rounds.reverse();
        match rounds.is_empty() {
            true => entered.pointer().to_string(),
            false => format!("{}#{}", entered.pointer(), rounds.join(".")),
        }
    }

    fn review(&self, id: &ReviewId) -> Result<(FrameId, &Review), Reject> {
        let found = self.state.frames.values().find_map(|frame| match &frame.activity {
            Activity::Human { review } if review.id == *id => Some((frame.id, &**review)),
            _ => None,
        });
        found.ok_or(Reject::ReviewClosed)
    }

    /// A review whose time is not over. Its end may have passed before the timer has said so.
    fn open_review(&self, id: &ReviewId) -> Result<(FrameId, Review), Reject> {
        let (step, review) = self.review(id)?;
        match review.ends_at() {
            Some(end) if end <= self.now => Err(Reject::ReviewExpired(end.to_string())),
            _ => Ok((step, review.clone())),
        }
    }

    fn changed(&mut self, id: &ReviewId, change: Change) {
        self.record(Fact::ReviewChanged { review: id.clone(), change: Box::new(change) });
    }

    pub(super) fn claim(&mut self, id: &ReviewId, by: &Person) -> Result<(), Reject> {
        let (_, review) = self.open_review(id)?;
        review.admit(by, &self.state.run.submitted_by)?;
        review.admit_beside_holder(by)?;
        review.refuse_crowd("claimed")?;
        if review.claim.is_none() {
            self.record(Fact::ReviewClaimed { review: id.clone(), by: by.principal.clone() });
        }
        Ok(())
    }

    pub(super) fn release(&mut self, id: &ReviewId, by: &Person) -> Result<(), Reject> {
        let (_, review) = self.open_review(id)?;
        review.admit_release(by, &self.state.run.submitted_by)?;
        if review.claim.is_some() {
            self.changed(id, Change::Released { by: by.principal.clone() });
        }
        Ok(())
    }

    pub(super) fn delegate(&mut self, id: &ReviewId, by: &Person, to: &Person) -> Result<(), Reject> {
        let (_, review) = self.open_review(id)?;
        let done = review
            .claim
            .as_ref()
            .is_some_and(|claim| claim.by == to.principal && claim.delegated_by.as_ref() == Some(&by.principal));
        if done {
            return Ok(());
        }
        review.admit_delegation(by, to, &self.state.run.submitted_by)?;
        let admits = !crate::domain::review::names(&review.roles, to);
        self.changed(id, Change::Delegated { by: by.principal.clone(), to: to.principal.clone(), admits });
        Ok(())
    }

    pub(super) fn reassign(&mut self, id: &ReviewId, by: &Person, to: Vec<String>) -> Result<(), Reject> {
        let (_, review) = self.open_review(id)?;
        review.admit_reassignment(by, &to, &self.state.run.submitted_by)?;
        if review.roles != to || review.claim.is_some() {
            self.changed(id, Change::Reassigned { by: by.principal.clone(), to });
        }
        Ok(())
    }

    pub(super) fn comment(&mut self, id: &ReviewId, by: &Person, key: String, text: String) -> Result<(), Reject> {
        let (_, review) = self.open_review(id)?;
        review.admit_reader(by, &self.state.run.submitted_by)?;
        if review.comments.iter().any(|comment| comment.id == key) {
            return Ok(());
        }
        review.check_comment(&text)?;
        let comment = Comment { id: key, by: by.principal.clone(), text, at: self.now };
        self.changed(id, Change::Commented { comment });
        Ok(())
    }

    pub(super) fn decide(
        &mut self,
        id: &ReviewId,
        by: &Person,
        decision: String,
        reason: String,
        edits: Value,
    ) -> Result<(), Reject> {
        let (step, review) = self.open_review(id)?;
        review.admit(by, &self.state.run.submitted_by)?;
        review.admit_beside_holder(by)?;
        review.check(&decision, &reason, &edits)?;
        let vote = Vote { by: by.principal.clone(), decision, reason, edits, at: self.now };
        if !review.quorum.takes_votes() {
            let decision = review.decide(vote, self.now, vec![by.principal.clone()]);
            return self.decided(step, id, decision);
        }
        if review.has_vote(&vote) {
            return Ok(());
        }
        self.changed(id, Change::Voted { vote: vote.clone() });
        let (_, review) = self.review(id)?;
        match review.agreed(&vote) {
            Some(voters) => {
                let decision = review.decide(vote, self.now, voters);
                self.decided(step, id, decision)
            }
            None => Ok(()),
        }
    }

    /// Completes the step of a decided review.
    fn decided(&mut self, step: FrameId, id: &ReviewId, decision: Decision) -> Result<(), Reject> {
        let (_, review) = self.review(id)?;
        let output = Arc::new(review.output(&decision));
        self.record(Fact::ReviewDecided { review: id.clone(), decision: Box::new(decision) });
        self.complete_step(step, output)
    }

    /// Reminds, escalates, or ends a review, whatever its time has come for.
    pub(super) fn review_due(&mut self, frame: &Frame, id: &ReviewId) -> Result<(), Reject> {
        loop {
            let (_, review) = self.review(id)?;
            match review.due(self.now) {
                None => return Ok(()),
                Some(Change::Expired) => return self.expire(frame, id),
                Some(change) => self.changed(id, change),
            }
        }
    }

    fn expire(&mut self, frame: &Frame, id: &ReviewId) -> Result<(), Reject> {
        self.changed(id, Change::Expired);
        let (_, review) = self.review(id)?;
        let Some(decision) = review.on_expiry.clone() else {
            let detail = format!("nobody decided the review {:?} before it ended", review.title);
            let list = self.list_of(frame)?;
            return self.fail(list, &frame.pointer, Fault::new(Standard::Timeout, detail));
        };
        let reason = "nobody decided before the review ended".to_owned();
        let vote = Vote { by: EXPIRY.to_owned(), decision, reason, edits: Value::Null, at: self.now };
        let decision = review.decide(vote, self.now, Vec::new());
        self.decided(frame.id, id, decision)
    }
}
