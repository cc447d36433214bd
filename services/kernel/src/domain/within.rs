//! What events change within a step that listens or is extended.

use super::event::Fact;
use super::state::{Activity, State};

/// Keys of events that a run remembers. A second delivery follows its first within seconds.
const EVENTS_TAKEN_MAX: usize = 256;

impl State {
    /// Takes an event in that concerns one step only.
    pub(super) fn apply_inside(&mut self, fact: &Fact) {
        match fact {
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
