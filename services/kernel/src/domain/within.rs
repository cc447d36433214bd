//! What events change within one step: a fork, a try, a listener, an extended task.

use super::event::{Event, Fact};
use super::state::{Activity, Frame, Phase, State};

/// Keys of events that a run remembers. A second delivery follows its first within seconds.
const EVENTS_TAKEN_MAX: usize = 256;

impl State {
    /// Takes an event in that concerns one step only.
    pub(super) fn apply_inside(&mut self, event: &Event) {
        match &event.fact {
            Fact::BranchCompleted { step, branch, output } => {
                let of_branch =
                    |frame: &&Frame| matches!(&frame.activity, Activity::List { branch: Some(it), .. } if it == branch);
                let list = self.children(*step).find(of_branch).map(|frame| frame.id);
                if let Some(list) = list {
                    self.remove(list);
                }
                if let Some(Activity::Fork { outputs }) = self.activity_mut(*step) {
                    outputs.insert(*branch, output.clone());
                }
            }
            Fact::RetryScheduled { step, retry, at, .. } => {
                self.remove_children(*step);
                if *at > event.at {
                    self.break_off();
                }
                if let Some(Activity::Try { phase, retries } | Activity::Compensation { phase, retries }) =
                    self.activity_mut(*step)
                {
                    *phase = Phase::Backoff { until: *at };
                    *retries = *retry;
                }
            }
            Fact::ErrorCaught { step, .. } => {
                self.remove_children(*step);
                if let Some(Activity::Try { phase, .. }) = self.activity_mut(*step) {
                    *phase = Phase::Handler;
                }
            }
            Fact::StageReached { step, stage, output } => {
                self.remove_children(*step);
                if let Some(Activity::Extended { stage: at, output: kept, .. }) = self.activity_mut(*step) {
                    *at = *stage;
                    kept.clone_from(output);
                }
            }
            Fact::FlowRedirected { step, then: to } => {
                if let Some(Activity::Extended { then, .. }) = self.activity_mut(*step) {
                    *then = Some(*to);
                }
            }
            _ => self.apply_listening(&event.fact),
        }
    }

    fn apply_listening(&mut self, fact: &Fact) {
        match fact {
            Fact::EventConsumed { step, key, taken, item, queued } => {
                self.take_event(key);
                if let Some(Activity::Listen { progress, queue, heard, .. }) = self.activity_mut(*step) {
                    progress.take(taken);
                    if *queued { queue } else { heard }.extend(item.clone());
                }
            }
            Fact::ItemCompleted { step, output, context } => {
                self.remove_children(*step);
                if let Some(Activity::Listen { queue, heard, outputs, items, .. }) = self.activity_mut(*step) {
                    *items += 1;
                    let item = (!queue.is_empty()).then(|| queue.remove(0));
                    // Without an output to keep there is nobody who will ask for the events either.
                    if let Some(output) = output {
                        heard.extend(item);
                        outputs.push(output.clone());
                    }
                }
                if let Some(context) = context {
                    self.context = context.clone();
                }
            }
            Fact::QueueDropped { step } => {
                if let Some(Activity::Listen { queue, .. }) = self.activity_mut(*step) {
                    queue.clear();
                }
            }
            Fact::ListeningEnded { step, .. } => {
                if let Some(Activity::Listen { open, .. }) = self.activity_mut(*step) {
                    *open = false;
                }
            }
            _ => {}
        }
    }

    fn take_event(&mut self, key: &str) {
        if self.events_taken.iter().any(|taken| taken == key) {
            return;
        }
        if self.events_taken.len() >= EVENTS_TAKEN_MAX {
            self.events_taken.pop_front();
        }
        self.events_taken.push_back(key.to_owned());
    }
}
