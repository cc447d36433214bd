//! The state of a run: a tree of frames. Changed by [`State::apply`] only, so that a replay of the journal gives exactly
//! the live state (K-3).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use orrery_types::{ReviewId, Sha256Digest, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::{Beginning, Run, Scope, Signal};
pub use super::control::{Ending, MapProgress, SIGNAL_KEYS_MAX, Undo};
use super::definition::Pointer;
use super::event::{Event, Fact};
use super::fault::Fault;
pub use super::frame::{Activity, Frame, FrameId, Phase};
use super::review::{Decision, ROUNDS_MAX, Review, Round};
use super::work::Stage;

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Taken in; waits for its turn to start.
    Pending,
    /// Under way.
    Running,
    /// Over, with this output.
    Completed(Arc<Value>),
    /// Over, with this error.
    Faulted(Fault),
    /// Cancelled: what it had done is undone where that was declared.
    Cancelled,
    /// Ended at once, with nothing undone.
    Terminated,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What never changes.
    pub run: Arc<Run>,
    /// How it stands.
    pub status: Status,
    /// `$context`.
    pub context: Arc<Value>,
    /// Lists and steps under way.
    pub frames: BTreeMap<FrameId, Frame>,
    /// How often the run came to each step.
    pub visits: BTreeMap<Pointer, u32>,
    /// By place: the rounds of reviews that asked for changes, for the next review there.
    #[serde(default)]
    pub rounds: BTreeMap<String, Arc<Vec<Round>>>,
    /// Steps taken.
    pub steps: u64,
    /// Bytes that their values took, about.
    pub bytes: u64,
    /// Records of the transparency log that the run has given rise to.
    pub audited: u64,
    /// Events so far: the sequence number of the last.
    pub seq: u64,
    /// When it was taken in, if it had to wait for its turn.
    #[serde(default)]
    pub accepted_at: Option<UnixMillis>,
    /// With what it begins when its turn comes, if it is begun anew from another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beginning: Option<Arc<Beginning>>,
    /// When it started.
    pub started_at: UnixMillis,
    /// When the last event happened.
    pub updated_at: UnixMillis,
    /// When its workflow's timeout ends it.
    pub timeout_at: Option<UnixMillis>,
    /// The id that the next frame takes.
    pub next_frame: FrameId,
    /// Steps taken since it last waited for something outside (K-6).
    #[serde(default)]
    pub steps_unbroken: u64,
    /// Bytes that the values of those steps took, about.
    #[serde(default)]
    pub bytes_unbroken: u64,
    /// Steps that can be undone, in the order in which they were completed.
    #[serde(default)]
    pub undo: Vec<Undo>,
    /// How it ends, while what it did is undone.
    #[serde(default)]
    pub ending: Option<Ending>,
    /// Signals that no step has taken yet, in the order in which they came.
    #[serde(default)]
    pub signals: Vec<Signal>,
    /// Keys of the last signals, with the digests of what they said.
    #[serde(default)]
    pub signal_keys: VecDeque<(String, Sha256Digest)>,
    /// What holds it.
    #[serde(default)]
    pub pauses: BTreeSet<Scope>,
    /// Keys of the events taken last, so that one that is delivered twice is taken once.
    #[serde(default)]
    pub events_taken: VecDeque<String>,
}

impl State {
    /// A run that has not started.
    pub fn new(run: Run) -> Self {
        Self {
            run: Arc::new(run),
            status: Status::Running,
            context: Arc::new(Value::Null),
            frames: BTreeMap::new(),
            visits: BTreeMap::new(),
            rounds: BTreeMap::new(),
            steps: 0,
            bytes: 0,
            audited: 0,
            seq: 0,
            accepted_at: None,
            beginning: None,
            started_at: UnixMillis(0),
            updated_at: UnixMillis(0),
            timeout_at: None,
            next_frame: 1,
            steps_unbroken: 0,
            bytes_unbroken: 0,
            undo: Vec::new(),
            ending: None,
            signals: Vec::new(),
            signal_keys: VecDeque::new(),
            pauses: BTreeSet::new(),
            events_taken: VecDeque::new(),
        }
    }

    /// Replays a journal.
    pub fn replay(events: impl IntoIterator<Item = Event>) -> Option<Self> {
        Self::resume(None, events)
    }

    /// Replays what followed a snapshot.
    pub fn resume(snapshot: Option<Self>, events: impl IntoIterator<Item = Event>) -> Option<Self> {
        let mut state = snapshot;
        for event in events {
            if let (None, Fact::Started { run, .. } | Fact::Accepted { run, .. }) = (&state, &event.fact) {
                state = Some(Self::new((**run).clone()));
            }
            state.as_mut()?.apply(&event);
        }
        state
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        !matches!(self.status, Status::Pending | Status::Running)
    }

    /// Frames directly inside a frame.
    pub fn children(&self, id: FrameId) -> impl Iterator<Item = &Frame> {
        self.frames.values().filter(move |frame| frame.parent == Some(id))
    }

    /// A frame and everything inside it, the innermost last.
    pub fn subtree(&self, id: FrameId) -> Vec<FrameId> {
        let mut inside = BTreeSet::from([id]);
        // A frame's id is higher than its parent's, so one pass in order suffices.
        for frame in self.frames.range(id..).map(|(_, frame)| frame) {
            if frame.parent.is_some_and(|parent| inside.contains(&parent)) {
                inside.insert(frame.id);
            }
        }
        inside.into_iter().filter(|id| self.frames.contains_key(id)).collect()
    }

    /// Steps that wait for something.
    pub fn waiting_frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.values().filter(|frame| frame.activity.waits(UnixMillis(0)))
    }

    /// Their pointers.
    pub fn active(&self) -> Vec<String> {
        self.waiting_frames().map(|frame| frame.pointer.to_string()).collect()
    }

    /// Whether nothing but people and time can move it.
    pub fn is_waiting(&self) -> bool {
        if self.status == Status::Pending {
            return true;
        }
        let busy = |frame: &Frame| match &frame.activity {
            Activity::Call { .. } => true,
            // In its queue it waits as long as it must.
            Activity::Work { work } => matches!(work.stage, Stage::Started { .. }),
            _ => false,
        };
        if self.is_paused() {
            return !self.frames.values().any(busy);
        }
        !self.active().is_empty() && !self.frames.values().any(|frame| busy(frame) || self.is_ready(frame))
    }

    /// Whether a frame is a list that stopped between two steps.
    pub fn is_ready(&self, frame: &Frame) -> bool {
        matches!(frame.activity, Activity::List { .. }) && self.children(frame.id).next().is_none()
    }

    /// When something is next due.
    pub fn wake_at(&self) -> Option<UnixMillis> {
        // What comes due while it is paused acts when it is resumed.
        if self.is_over() || self.is_paused() {
            return None;
        }
        let frames = self.frames.values().flat_map(Frame::due_times);
        if self.ending.is_some() {
            // Undoing is not cut short by the time that the run had.
            return frames.min();
        }
        frames.chain(self.timeout_at).chain(self.run.deadline_at).min()
    }

    /// Whether nothing new may be scheduled.
    pub fn is_paused(&self) -> bool {
        !self.pauses.is_empty()
    }

    pub(super) fn end(&mut self, status: Status) {
        self.status = status;
        self.frames.clear();
        self.visits.clear();
        self.rounds.clear();
        self.undo.clear();
        self.signals.clear();
        self.pauses.clear();
        self.ending = None;
        self.beginning = None;
    }

    /// It waits for something outside, so whatever it does in a loop is no endless one.
    pub(super) fn break_off(&mut self) {
        self.steps_unbroken = 0;
        self.bytes_unbroken = 0;
    }

    pub(super) fn review_mut(&mut self, id: &ReviewId) -> Option<&mut Review> {
        self.frames.values_mut().find_map(|frame| match &mut frame.activity {
            Activity::Human { review } if review.id == *id => Some(&mut **review),
            _ => None,
        })
    }

    /// A decision that asks for changes is shown to the next review at the same place; any other one ends the rounds.
    pub(super) fn keep_round(&mut self, id: &ReviewId, decision: &Decision) {
        let Some(review) = self.review_mut(id) else { return };
        let place = review.place.clone();
        if review.changes.as_ref() != Some(&decision.decision) {
            self.rounds.remove(&place);
            return;
        }
        let mut rounds = (*review.previous).clone();
        rounds.push(review.to_round(decision));
        let surplus = rounds.len().saturating_sub(ROUNDS_MAX);
        rounds.drain(..surplus);
        self.rounds.insert(place, Arc::new(rounds));
    }

    pub(super) fn count_visit(&mut self, pointer: &Pointer) {
        self.steps += 1;
        self.steps_unbroken += 1;
        *self.visits.entry(pointer.clone()).or_default() += 1;
    }

    pub(super) fn insert(&mut self, frame: &Frame) {
        self.next_frame = self.next_frame.max(frame.id + 1);
        self.frames.insert(frame.id, frame.clone());
    }

    pub(super) fn start_list(&mut self, step: FrameId, replaces: bool, frame: &Frame) {
        let round = self.children(step).count();
        if replaces {
            self.remove_children(step);
        }
        match self.activity_mut(step) {
            Some(Activity::For { index, .. }) if replaces && round > 0 => *index += 1,
            Some(Activity::Try { phase, .. } | Activity::Compensation { phase, .. })
                if matches!(phase, Phase::Backoff { .. }) =>
            {
                *phase = Phase::Body;
            }
            _ => {}
        }
        self.insert(frame);
    }

    pub(super) fn activity_mut(&mut self, id: FrameId) -> Option<&mut Activity> {
        self.frames.get_mut(&id).map(|frame| &mut frame.activity)
    }

    pub(super) fn advance(&mut self, list: FrameId, to: Option<u32>, output: Option<&Arc<Value>>) {
        if let Some(Activity::List { next, value, done, .. }) = self.activity_mut(list) {
            match to {
                Some(to) => *next = to,
                None => *done = true,
            }
            if let Some(output) = output {
                *value = output.clone();
            }
        }
    }

    pub(super) fn remove(&mut self, id: FrameId) {
        for id in self.subtree(id) {
            self.frames.remove(&id);
        }
    }

    /// Whether there were any.
    pub(super) fn remove_children(&mut self, id: FrameId) -> bool {
        let children: Vec<FrameId> = self.children(id).map(|frame| frame.id).collect();
        children.iter().for_each(|child| self.remove(*child));
        !children.is_empty()
    }
}
