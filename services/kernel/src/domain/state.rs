//! The state of a run: a tree of frames. Changed by [`State::apply`] only, so that a replay of the journal gives exactly
//! the live state (K-3).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use orrery_types::{ReviewId, Sha256Digest, TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::{Run, Scope, Signal};
use super::consumption::Progress;
pub use super::control::{Ending, MapProgress, SIGNAL_KEYS_MAX, Undo};
use super::definition::{Directive, ParentClose, Pointer, Target};
use super::event::{Event, Fact};
use super::expression::Sealed;
use super::fault::Fault;
use super::numbered;
use super::review::{Claim, Decision, ROUNDS_MAX, Review, Round};
use super::work::{Stage, Work};

/// Identifies a frame in its run. Given in order, never twice.
pub type FrameId = u64;

/// A list or step under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Its id.
    pub id: FrameId,
    /// The frame that holds it; none: the top-level list.
    pub parent: Option<FrameId>,
    /// Of the list or task in the definition.
    pub pointer: Pointer,
    /// For a step: how often the run had come to it before.
    pub iteration: u32,
    /// Attempt of the nearest `try` around it, from 1.
    pub attempt: u32,
    /// Input before its transformation.
    pub raw_input: Arc<Value>,
    /// Input after it: `$input`.
    pub input: Arc<Value>,
    /// Variables that it brings into sight.
    pub variables: BTreeMap<String, Arc<Value>>,
    /// When it began.
    pub started_at: UnixMillis,
    /// When it times out.
    pub timeout_at: Option<UnixMillis>,
    /// What goes on in it.
    pub activity: Activity,
}

/// What goes on in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum Activity {
    /// A list of tasks.
    List {
        /// The task that runs, or comes next.
        next: u32,
        /// What goes into it: the output of the one before.
        value: Arc<Value>,
        /// Which branch of a fork it is.
        branch: Option<u32>,
        /// The list is over and its step has to be told.
        done: bool,
    },
    /// A `do`.
    Do,
    /// A `for`.
    For {
        /// The items.
        items: Arc<Vec<Value>>,
        /// The round under way.
        index: u32,
    },
    /// A `fork`.
    Fork {
        /// Outputs of the branches that are over.
        #[serde(with = "numbered")]
        outputs: BTreeMap<u32, Arc<Value>>,
    },
    /// A `try`.
    Try {
        /// What it is at.
        phase: Phase,
        /// Retries so far.
        retries: u32,
    },
    /// A `wait`.
    Wait {
        /// Until when.
        until: UnixMillis,
    },
    /// A call under way.
    Call {
        /// Its key.
        key: String,
        /// Which function.
        function: Target,
        /// Its arguments.
        arguments: Arc<Value>,
        /// What of them rests on secrets.
        #[serde(default, skip_serializing_if = "Sealed::is_empty")]
        sealed: Sealed,
        /// When it gives up.
        deadline_at: UnixMillis,
    },
    /// A worker outside is asked.
    Work {
        /// What.
        work: Box<Work>,
    },
    /// A person is asked.
    Human {
        /// What.
        review: Box<Review>,
    },
    /// A signal is wanted.
    Signal {
        /// Any of these.
        names: Vec<String>,
        /// When it gives up.
        until: Option<UnixMillis>,
    },
    /// A sub-workflow runs for each item.
    Map {
        /// How far it is.
        progress: Box<MapProgress>,
    },
    /// A step is undone, by the list inside.
    Compensation {
        /// What it is at.
        phase: Phase,
        /// Retries so far.
        retries: u32,
    },
    /// Events are awaited, or dealt with.
    Listen {
        /// Types of the events that it may consume; empty: any.
        types: Vec<String>,
        /// What has come so far.
        progress: Progress,
        /// Events that wait for `foreach`, first in, first out; the first is under way.
        queue: Vec<Arc<Value>>,
        /// Events that are dealt with.
        heard: Vec<Arc<Value>>,
        /// What `foreach` made of them.
        outputs: Vec<Arc<Value>>,
        /// How many `foreach` has dealt with.
        items: u64,
        /// Whether more may come.
        open: bool,
    },
    /// A task with what runs before and after it.
    Extended {
        /// The extensions that apply, by position.
        applying: Vec<u32>,
        /// What runs: one stage for each extension before the task, one for the task, one for each extension after it.
        stage: u32,
        /// The task's output, once it is over.
        output: Option<Arc<Value>>,
        /// Where the flow goes, if the task or an extension said.
        then: Option<Directive>,
    },
    /// Another workflow runs.
    Child {
        /// Key of the step.
        key: String,
        /// Its run.
        task: TaskId,
        /// Its workflow.
        workflow: (String, String, String),
        /// Its input.
        input: Arc<Value>,
        /// Whether the step waits for its end.
        wait: bool,
        /// What becomes of it when the step is given up.
        #[serde(default)]
        parent_close: ParentClose,
    },
}

impl Activity {
    /// Whether it waits for something outside the run: a call, a person, an event, time.
    pub(super) fn waits(&self, now: UnixMillis) -> bool {
        match self {
            Self::List { .. } | Self::Do | Self::For { .. } | Self::Fork { .. } | Self::Extended { .. } => false,
            Self::Listen { open, .. } => *open,
            Self::Try { phase, .. } | Self::Compensation { phase, .. } => matches!(phase, Phase::Backoff { .. }),
            // Waiting for no time at all is no wait: a loop around it is as endless as one without.
            Self::Wait { until } => *until > now,
            _ => true,
        }
    }
}

/// What a `try` is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its body runs.
    Body,
    /// It waits to try again.
    Backoff {
        /// Until when.
        until: UnixMillis,
    },
    /// Its handler runs.
    Handler,
}

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
    /// Cancelled.
    Cancelled,
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
            if let (None, Fact::Started { run, .. } | Fact::Accepted { run }) = (&state, &event.fact) {
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

    /// Takes one event in.
    pub fn apply(&mut self, event: &Event) {
        self.seq += 1;
        self.bytes += event.fact.bytes();
        self.bytes_unbroken += event.fact.bytes();
        self.audited += u64::from(event.fact.is_audited());
        self.updated_at = event.at;
        match &event.fact {
            Fact::Accepted { .. } => {
                self.status = Status::Pending;
                self.accepted_at = Some(event.at);
            }
            Fact::Started { timeout_at, root, .. } => {
                self.status = Status::Running;
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
            Fact::ReviewClaimed { review, by } => {
                if let Some(review) = self.review_mut(review) {
                    review.claim = Some(Claim { by: by.clone(), at: event.at, delegated_by: None });
                }
            }
            Fact::WorkStarted { key, .. }
            | Fact::WorkHeartbeat { key, .. }
            | Fact::WorkFailed { key, .. }
            | Fact::WorkQueued { key, .. }
            | Fact::WorkWithdrawn { key, .. } => self.update_work(key, event),
            Fact::ReviewChanged { review, change } => {
                if let Some(review) = self.review_mut(review) {
                    review.apply(change, event.at);
                }
            }
            Fact::ReviewDecided { review, decision } => self.keep_round(review, decision),
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
            Fact::Completed { output } => self.end(Status::Completed(output.clone())),
            Fact::Faulted { error } => self.end(Status::Faulted(error.clone())),
            Fact::Cancelled { .. } => self.end(Status::Cancelled),
            fact => self.apply_control(fact),
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

    fn end(&mut self, status: Status) {
        self.status = status;
        self.frames.clear();
        self.visits.clear();
        self.rounds.clear();
        self.undo.clear();
        self.signals.clear();
        self.pauses.clear();
        self.ending = None;
    }

    /// It waits for something outside, so whatever it does in a loop is no endless one.
    pub(super) fn break_off(&mut self) {
        self.steps_unbroken = 0;
        self.bytes_unbroken = 0;
    }

    fn review_mut(&mut self, id: &ReviewId) -> Option<&mut Review> {
        self.frames.values_mut().find_map(|frame| match &mut frame.activity {
            Activity::Human { review } if review.id == *id => Some(&mut **review),
            _ => None,
        })
    }

    /// A decision that asks for changes is shown to the next review at the same place; any other one ends the rounds.
    fn keep_round(&mut self, id: &ReviewId, decision: &Decision) {
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

    fn count_visit(&mut self, pointer: &Pointer) {
        self.steps += 1;
        self.steps_unbroken += 1;
        *self.visits.entry(pointer.clone()).or_default() += 1;
    }

    pub(super) fn insert(&mut self, frame: &Frame) {
        self.next_frame = self.next_frame.max(frame.id + 1);
        self.frames.insert(frame.id, frame.clone());
    }

    fn start_list(&mut self, step: FrameId, replaces: bool, frame: &Frame) {
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

    fn advance(&mut self, list: FrameId, to: Option<u32>, output: Option<&Arc<Value>>) {
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

impl Frame {
    /// The points in time at which it wants to be looked at.
    fn due_times(&self) -> impl Iterator<Item = UnixMillis> {
        let own = match &self.activity {
            Activity::Wait { until } => Some(*until),
            Activity::Human { review } => review.next_at(),
            Activity::Signal { until, .. } => *until,
            Activity::Work { work } => work.due().map(|(at, _)| at),
            Activity::Try { phase: Phase::Backoff { until }, .. }
            | Activity::Compensation { phase: Phase::Backoff { until }, .. } => Some(*until),
            _ => None,
        };
        own.into_iter().chain(self.timeout_at)
    }
}
