//! `orrery.human`: asks a person. Waiting holds nothing but the frame.

use std::sync::Arc;

use orrery_types::ReviewId;
use serde_json::Value;

use super::{Entered, Machine};
use crate::domain::command::{Person, Reject};
use crate::domain::event::Fact;
use crate::domain::fault::{Fault, Standard};
use crate::domain::review::{Decision, Review};
use crate::domain::state::{Activity, Frame, FrameId};

/// Who decides when a review expires.
const EXPIRY: &str = "system:expiry";

impl Machine<'_> {
    pub(super) fn ask(&mut self, entered: &Entered, arguments: &Value) -> Result<(), Fault> {
        let id = format!("rev_{}", self.id_from(&self.key(entered)));
        let id = ReviewId::new(&id).map_err(|error| Fault::new(Standard::Runtime, error.to_string()))?;
        let review = Review::from_arguments(id, arguments, self.now)?;
        self.open(entered, Activity::Human { review: Box::new(review) })?;
        Ok(())
    }

    fn review(&self, id: &ReviewId) -> Result<(FrameId, Review), Reject> {
        let found = self.state.frames.values().find_map(|frame| match &frame.activity {
            Activity::Human { review } if review.id == *id => Some((frame.id, (**review).clone())),
            _ => None,
        });
        found.ok_or(Reject::ReviewClosed)
    }

    pub(super) fn claim(&mut self, id: &ReviewId, by: &Person) -> Result<(), Reject> {
        let (_, review) = self.review(id)?;
        review.admit(by, &self.state.run.submitted_by)?;
        if review.claim.is_none() {
            self.record(Fact::ReviewClaimed { review: id.clone(), by: by.principal.clone() });
        }
        Ok(())
    }

    pub(super) fn decide(
        &mut self,
        id: &ReviewId,
        by: &Person,
        decision: &str,
        reason: &str,
        edits: Value,
    ) -> Result<(), Reject> {
        let (step, review) = self.review(id)?;
        review.admit(by, &self.state.run.submitted_by)?;
        review.check(decision, reason, &edits)?;
        let decision = Decision {
            decision: decision.to_owned(),
            reason: reason.to_owned(),
            edits,
            by: by.principal.clone(),
            at: self.now,
        };
        self.decided(step, id, decision)
    }

    fn decided(&mut self, step: FrameId, id: &ReviewId, decision: Decision) -> Result<(), Reject> {
        let output = Arc::new(decision.to_output());
        self.record(Fact::ReviewDecided { review: id.clone(), decision: Box::new(decision) });
        self.close(step, output)
    }

    /// Completes the step of a decided review, which is then not withdrawn.
    fn close(&mut self, step: FrameId, output: Arc<Value>) -> Result<(), Reject> {
        self.complete_step(step, output)
    }

    pub(super) fn expire(&mut self, frame: &Frame, review: &Review) -> Result<(), Reject> {
        if let Some(decision) = &review.on_expiry {
            let decision = Decision {
                decision: decision.clone(),
                reason: "nobody decided before the review was due".to_owned(),
                edits: Value::Null,
                by: EXPIRY.to_owned(),
                at: self.now,
            };
            return self.decided(frame.id, &review.id, decision);
        }
        let list = self.list_of(frame)?;
        let detail = format!("nobody decided the review {:?} before it was due", review.title);
        self.fail(list, &frame.pointer, Fault::new(Standard::Timeout, detail))
    }
}
