//! What each event changes. The state changes in no other way (K-3).

use super::event::{Event, Fact};
use super::frame::Activity;
use super::review::Claim;
use super::state::{State, Status};

impl State {
    /// Takes one event in.
    pub fn apply(&mut self, event: &Event) {
        self.seq += 1;
        self.bytes += event.fact.bytes();
        self.bytes_unbroken += event.fact.bytes();
        self.audited += u64::from(event.fact.is_audited());
        self.updated_at = event.at;
        match &event.fact {
            Fact::Accepted { beginning, .. } => {
                self.status = Status::Pending;
                self.beginning = beginning.clone();
                self.accepted_at = Some(event.at);
            }
            Fact::Started { timeout_at, root, .. } => {
                self.status = Status::Running;
                self.beginning = None;
                self.started_at = event.at;
                self.timeout_at = *timeout_at;
                // The transformed input is the first context (specification, "Data Flow").
                self.context = root.input.clone();
                self.insert(root);
            }
            Fact::StepStarted { frame, .. } => {
                self.count_visit(&frame.pointer);
                if frame.activity.waits(event.at) {
                    self.break_off();
                }
                self.insert(frame);
            }
            Fact::ListStarted { step, replaces, frame } => self.start_list(*step, *replaces, frame),
            Fact::StepSkipped { list, next, .. } => {
                self.steps += 1;
                self.steps_unbroken += 1;
                self.advance(*list, Some(*next), None);
            }
            Fact::StepCompleted { list, pointer, output, context, next, .. } => {
                // Steps without a frame of their own are counted when they are over.
                if !self.remove_children(*list) {
                    self.count_visit(pointer);
                }
                if let Some(context) = context {
                    self.context = context.clone();
                }
                self.advance(*list, *next, Some(output));
            }
            Fact::StepFailed { list, pointer, .. } => {
                if !self.remove_children(*list) {
                    self.count_visit(pointer);
                }
            }
            Fact::BranchCompleted { .. }
            | Fact::RetryScheduled { .. }
            | Fact::ErrorCaught { .. }
            | Fact::StageReached { .. }
            | Fact::FlowRedirected { .. }
            | Fact::EventConsumed { .. }
            | Fact::ItemCompleted { .. }
            | Fact::QueueDropped { .. }
            | Fact::ListeningEnded { .. } => self.apply_inside(event),
            Fact::ReviewWithdrawn { .. } | Fact::Yielded => {}
            Fact::ReviewClaimed { .. }
            | Fact::ReviewChanged { .. }
            | Fact::ReviewDecided { .. }
            | Fact::WorkStarted { .. }
            | Fact::WorkHeartbeat { .. }
            | Fact::WorkFailed { .. }
            | Fact::WorkQueued { .. }
            | Fact::WorkWithdrawn { .. } => self.apply_asked(event),
            Fact::Completed { output } => self.end(Status::Completed(output.clone())),
            Fact::Faulted { error } => self.end(Status::Faulted(error.clone())),
            Fact::Cancelled { terminated: true, .. } => self.end(Status::Terminated),
            Fact::Cancelled { .. } => self.end(Status::Cancelled),
            fact => self.apply_control(fact),
        }
    }

    /// What is asked of people and workers.
    fn apply_asked(&mut self, event: &Event) {
        match &event.fact {
            Fact::ReviewClaimed { review, by } => {
                if let Some(review) = self.review_mut(review) {
                    review.claim = Some(Claim { by: by.clone(), at: event.at, delegated_by: None });
                }
            }
            Fact::ReviewChanged { review, change } => {
                if let Some(review) = self.review_mut(review) {
                    review.apply(change, event.at);
                }
            }
            Fact::ReviewDecided { review, decision } => self.keep_round(review, decision),
            Fact::WorkStarted { key, .. }
            | Fact::WorkHeartbeat { key, .. }
            | Fact::WorkFailed { key, .. }
            | Fact::WorkQueued { key, .. }
            | Fact::WorkWithdrawn { key, .. } => self.update_work(key, event),
            _ => {}
        }
    }

    fn update_work(&mut self, key: &str, event: &Event) {
        let work = self.frames.values_mut().find_map(|frame| match &mut frame.activity {
            Activity::Work { work } if work.key == key => Some(work),
            _ => None,
        });
        if let Some(work) = work {
            work.apply(event);
        }
    }
}
