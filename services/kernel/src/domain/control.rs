//! What control adds to the state of a run: compensation, signals, maps, pauses, and beginning anew. Changed by events only,
//! as the rest of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_types::{Sha256Digest, TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::Signal;
use super::definition::{ParentClose, Pointer};
use super::event::Fact;
use super::fault::Fault;
use super::numbered;
use super::state::{Activity, Frame, FrameId, Phase, State};

/// Keys of signals that a run remembers.
pub const SIGNAL_KEYS_MAX: usize = 1_000;

/// How far a map is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapProgress {
    /// Key of the step; an item's key is `<key>/<index>`.
    pub key: String,
    /// The items.
    pub items: Arc<Vec<Value>>,
    /// The workflow that runs for each.
    pub workflow: (String, String, String),
    /// Items at the same time.
    pub concurrency: u32,
    /// Items that may fail before the step does.
    pub tolerated_failures: u32,
    /// What becomes of the items' runs when the step is given up.
    pub parent_close: ParentClose,
    /// The item that starts next.
    pub next: u32,
    /// Runs under way, by item.
    #[serde(with = "numbered")]
    pub running: BTreeMap<u32, TaskId>,
    /// Outputs so far, by item.
    #[serde(with = "numbered")]
    pub outputs: BTreeMap<u32, Arc<Value>>,
    /// Errors so far, by item.
    #[serde(with = "numbered")]
    pub failures: BTreeMap<u32, Fault>,
}

/// A step that can be undone, with what undoing it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// The step.
    pub pointer: Pointer,
    /// How often the run had come to it before.
    pub iteration: u32,
    /// Its input.
    pub input: Arc<Value>,
    /// Its output.
    pub output: Arc<Value>,
    /// The variables that it saw.
    pub variables: BTreeMap<String, Arc<Value>>,
}

/// How a run ends once what it did is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Cancelled.
    Cancelled {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// With an error that nothing caught.
    Faulted(Fault),
}

impl State {
    /// Takes in what is no step of the workflow itself.
    pub(super) fn apply_control(&mut self, fact: &Fact) {
        match fact {
            Fact::CompensationRegistered { undo } => self.undo.push((**undo).clone()),
            Fact::Compensating { ending } => {
                self.frames.clear();
                self.pauses.clear();
                self.ending = Some(ending.clone());
            }
            Fact::CompensationStarted { remaining, frame } => {
                self.undo.truncate(*remaining as usize);
                self.insert(frame);
            }
            Fact::CompensationCompleted { step, .. } | Fact::CompensationFailed { step, .. } => self.remove(*step),
            Fact::SignalReceived { signal, digest, .. } => self.take_signal_in(signal, *digest),
            Fact::SignalTaken { index, .. } if (*index as usize) < self.signals.len() => {
                self.signals.remove(*index as usize);
            }
            Fact::MapItemStarted { step, index, task } => {
                if let Some(Activity::Map { progress }) = self.activity_mut(*step) {
                    progress.next = index + 1;
                    progress.running.insert(*index, task.clone());
                }
            }
            Fact::MapItemCompleted { step, index, output } => {
                self.break_off();
                if let Some(Activity::Map { progress }) = self.activity_mut(*step) {
                    progress.running.remove(index);
                    progress.outputs.insert(*index, output.clone());
                }
            }
            Fact::MapItemFailed { step, index, error } => {
                if let Some(Activity::Map { progress }) = self.activity_mut(*step) {
                    progress.running.remove(index);
                    progress.failures.insert(*index, error.clone());
                }
            }
            Fact::Restarted { shift_ms, redo, records, .. } => {
                self.restart(*shift_ms, redo.as_ref(), *records);
            }
            Fact::Migrated { workflow, definition, .. } => {
                let run = Arc::make_mut(&mut self.run);
                run.workflow = workflow.clone();
                run.definition = *definition;
            }
            Fact::AttributesSet { attributes, .. } => {
                let run = Arc::make_mut(&mut self.run);
                run.attributes.extend(attributes.clone());
            }
            Fact::Suspended { scope, .. } => {
                self.pauses.insert(*scope);
            }
            Fact::Resumed { scope, .. } => {
                self.pauses.remove(scope);
            }
            _ => {}
        }
    }

    /// Takes up what another run was at: what it had asked others for is asked for anew, what was due is due later.
    fn restart(&mut self, shift_ms: u64, redo: Option<&Pointer>, records: u64) {
        let later = |at: UnixMillis| UnixMillis(at.0.saturating_add(shift_ms));
        let again = |frame: &&Frame| {
            let timed = matches!(frame.activity, Activity::Wait { .. } | Activity::Try { .. });
            redo == Some(&frame.pointer) || (frame.activity.waits(UnixMillis(0)) && !timed)
        };
        let again: Vec<FrameId> = self.frames.values().filter(again).filter_map(|frame| self.step_of(frame)).collect();
        again.into_iter().for_each(|step| self.remove(step));
        for frame in self.frames.values_mut() {
            frame.timeout_at = frame.timeout_at.map(later);
            match &mut frame.activity {
                Activity::Wait { until } | Activity::Try { phase: Phase::Backoff { until }, .. } => {
                    *until = later(*until);
                }
                _ => {}
            }
        }
        self.timeout_at = self.timeout_at.map(later);
        self.pauses.clear();
        self.break_off();
        // What the other run did is on its own record.
        self.audited = records.max(1);
    }

    /// The step to do anew with a frame: itself, or the one around a list inside it.
    fn step_of(&self, frame: &Frame) -> Option<FrameId> {
        match frame.activity {
            Activity::List { .. } => frame.parent,
            _ => Some(frame.id),
        }
    }

    fn take_signal_in(&mut self, signal: &Signal, digest: Sha256Digest) {
        if !signal.key.is_empty() {
            if self.signal_keys.len() >= SIGNAL_KEYS_MAX {
                self.signal_keys.pop_front();
            }
            self.signal_keys.push_back((signal.key.clone(), digest));
        }
        self.signals.push(signal.clone());
    }
}
