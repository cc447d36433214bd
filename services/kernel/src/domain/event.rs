//! What has happened to a run. The journal is a list of these; applied in order they give the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_types::{ReviewId, Sha256Digest, TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::{Beginning, Run, Scope, Signal};
use super::consumption::Taken;
use super::definition::{Directive, Pointer, Target};
use super::fault::Fault;
use super::optional;
use super::review::{self, Decision};
use super::state::{Ending, Frame, FrameId, Undo};
pub use super::telling::{json_bytes, own};

/// A fact with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub fact: Fact,
}

fn yes() -> bool {
    true
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The run was taken in and waits for its turn.
    Accepted {
        /// What never changes.
        run: Box<Run>,
        /// With what it begins, if it is begun anew from another run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beginning: Option<Arc<Beginning>>,
        /// Whether it left a record. Journals of earlier versions hold some that did not.
        #[serde(default)]
        audited: bool,
    },
    /// The run started.
    Started {
        /// What never changes.
        run: Box<Run>,
        /// When its workflow's timeout ends it.
        timeout_at: Option<UnixMillis>,
        /// Its top-level list.
        root: Box<Frame>,
        /// Whether it left a record: that the run was submitted, unless that is on record already.
        #[serde(default = "yes")]
        audited: bool,
    },
    /// A step that takes time, or holds other steps, began.
    StepStarted {
        /// The list in which it stands.
        list: FrameId,
        /// It.
        frame: Box<Frame>,
    },
    /// A list inside a step began: a body, a round of a loop, a branch, a handler.
    ListStarted {
        /// The step.
        step: FrameId,
        /// Replaces the lists that the step had, if so.
        replaces: bool,
        /// It.
        frame: Box<Frame>,
    },
    /// A step did not run, since its condition did not hold.
    StepSkipped {
        /// The list.
        list: FrameId,
        /// The step.
        pointer: Pointer,
        /// Where the list goes on.
        next: u32,
    },
    /// A step is over.
    StepCompleted {
        /// The list.
        list: FrameId,
        /// The step.
        pointer: Pointer,
        /// How often the run had come to this step before.
        iteration: u32,
        /// Its output.
        output: Arc<Value>,
        /// The new context, if it exported one.
        #[serde(default, with = "optional")]
        context: Option<Arc<Value>>,
        /// Where the list goes on; none: it is over.
        next: Option<u32>,
        /// What the platform's function did, if the step called one.
        call: Option<Box<Receipt>>,
    },
    /// A step failed.
    StepFailed {
        /// The list.
        list: FrameId,
        /// The step.
        pointer: Pointer,
        /// How.
        error: Fault,
    },
    /// A branch of a fork is over.
    BranchCompleted {
        /// The fork.
        step: FrameId,
        /// Which.
        branch: u32,
        /// Its output.
        output: Arc<Value>,
    },
    /// A `try` caught an error and will try again.
    RetryScheduled {
        /// The try.
        step: FrameId,
        /// Its pointer.
        pointer: Pointer,
        /// What it caught.
        error: Fault,
        /// The number of the retry, from 1.
        retry: u32,
        /// When.
        at: UnixMillis,
    },
    /// A `try` caught an error and handles it, or lets it go.
    ErrorCaught {
        /// The try.
        step: FrameId,
        /// Its pointer.
        pointer: Pointer,
        /// What it caught.
        error: Fault,
    },
    /// A worker took a step.
    WorkStarted {
        /// The key of the step.
        key: String,
        /// Its pointer.
        pointer: Pointer,
        /// The number of the attempt.
        attempt: u32,
        /// Who, as it calls itself.
        worker: String,
    },
    /// A worker gave a sign of life. Not every one is journalled.
    WorkHeartbeat {
        /// The key of the step.
        key: String,
        /// Its pointer.
        pointer: Pointer,
    },
    /// An attempt of a worker is over without a result.
    WorkFailed {
        /// The key of the step.
        key: String,
        /// Its pointer.
        pointer: Pointer,
        /// The number of the attempt.
        attempt: u32,
        /// Why.
        error: Fault,
        /// When the next one comes; none: none does.
        retry_at: Option<UnixMillis>,
    },
    /// A further attempt waits for a worker.
    WorkQueued {
        /// The key of the step.
        key: String,
        /// Its pointer.
        pointer: Pointer,
        /// The number of the attempt.
        attempt: u32,
    },
    /// A step for workers is no longer wanted.
    WorkWithdrawn {
        /// The key of the step.
        key: String,
        /// Its pointer.
        pointer: Pointer,
    },
    /// A review was claimed.
    ReviewClaimed {
        /// Which.
        review: ReviewId,
        /// By whom.
        by: String,
    },
    /// A review was decided.
    ReviewDecided {
        /// Which.
        review: ReviewId,
        /// How.
        decision: Box<Decision>,
    },
    /// Something else happened to a review.
    ReviewChanged {
        /// Which.
        review: ReviewId,
        /// What.
        change: Box<review::Change>,
    },
    /// A review is no longer wanted.
    ReviewWithdrawn {
        /// Which.
        review: ReviewId,
        /// Its step.
        pointer: Pointer,
    },
    /// A step that can be undone is over; what undoing it needs.
    CompensationRegistered {
        /// It.
        undo: Box<Undo>,
    },
    /// The run ends this way once what it did is undone; whatever was under way is given up.
    Compensating {
        /// How it will end.
        ending: Ending,
    },
    /// A step is being undone.
    CompensationStarted {
        /// How many registered steps remain.
        remaining: u32,
        /// What undoes it.
        frame: Box<Frame>,
    },
    /// A step is undone.
    CompensationCompleted {
        /// What undid it.
        step: FrameId,
        /// The step that is undone.
        pointer: Pointer,
    },
    /// A step could not be undone; the others still are.
    CompensationFailed {
        /// What tried.
        step: FrameId,
        /// The step that is not undone.
        pointer: Pointer,
        /// Why.
        error: Fault,
    },
    /// A signal came.
    SignalReceived {
        /// It.
        signal: Box<Signal>,
        /// Of its name and payload.
        digest: Sha256Digest,
        /// Whether it was checked as an update.
        #[serde(default)]
        update: bool,
        /// Whether it left a record. Journals of earlier versions hold some that did not.
        #[serde(default)]
        audited: bool,
    },
    /// A step took a signal.
    SignalTaken {
        /// Its place among those that wait.
        index: u32,
        /// The step.
        pointer: Pointer,
    },
    /// An item of a map is under way.
    MapItemStarted {
        /// The map.
        step: FrameId,
        /// Which item.
        index: u32,
        /// Its run.
        task: TaskId,
    },
    /// An item of a map is over.
    MapItemCompleted {
        /// The map.
        step: FrameId,
        /// Which item.
        index: u32,
        /// Its output.
        output: Arc<Value>,
    },
    /// An item of a map failed.
    MapItemFailed {
        /// The map.
        step: FrameId,
        /// Which item.
        index: u32,
        /// How.
        error: Fault,
    },
    /// The run was begun anew with the events before this one, which another run went through.
    Restarted {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
        /// How much later it is than the last of those events: what was due is due so much later.
        shift_ms: u64,
        /// The step that is done anew even though it was under way.
        redo: Option<Pointer>,
        /// By what it is found.
        attributes: BTreeMap<String, String>,
        /// Records that the run itself left before, while it waited for its turn; if none, this leaves the first.
        #[serde(default)]
        records: u64,
    },
    /// By what the run is found.
    AttributesSet {
        /// The step.
        pointer: Pointer,
        /// Names and values.
        attributes: BTreeMap<String, String>,
    },
    /// The run moved to another version of its workflow.
    Migrated {
        /// Namespace, name and version.
        workflow: (String, String, String),
        /// Its hash.
        definition: Sha256Digest,
        /// By whom.
        by: String,
        /// As for signals.
        #[serde(default)]
        audited: bool,
    },
    /// Nothing new is scheduled until it is resumed.
    Suspended {
        /// What was paused.
        scope: Scope,
        /// By whom.
        by: String,
        /// Why.
        reason: String,
        /// As for signals.
        #[serde(default)]
        audited: bool,
    },
    /// It goes on, unless another scope is paused.
    Resumed {
        /// What was resumed.
        scope: Scope,
        /// By whom.
        by: String,
        /// As for signals.
        #[serde(default)]
        audited: bool,
    },
    /// An extended task came to what runs before it, to itself, or to what runs after it.
    StageReached {
        /// Its wrapper.
        step: FrameId,
        /// Which.
        stage: u32,
        /// The task's output, once it is over.
        #[serde(default, with = "optional")]
        output: Option<Arc<Value>>,
    },
    /// A list inside an extended task said where the flow goes after the task.
    FlowRedirected {
        /// The wrapper.
        step: FrameId,
        /// Where.
        then: Directive,
    },
    /// A listener took an event.
    EventConsumed {
        /// The `listen`.
        step: FrameId,
        /// Identifies the event.
        key: String,
        /// How it was met.
        taken: Taken,
        /// What is kept of it; none: nothing.
        #[serde(default, with = "optional")]
        item: Option<Arc<Value>>,
        /// Whether it waits for `foreach`.
        queued: bool,
    },
    /// The `foreach` of a listener is done with an event.
    ItemCompleted {
        /// The `listen`.
        step: FrameId,
        /// Its output; none: nobody will ask for it.
        #[serde(default, with = "optional")]
        output: Option<Arc<Value>>,
        /// The new context, if it exported one.
        #[serde(default, with = "optional")]
        context: Option<Arc<Value>>,
    },
    /// The events that still wait for `foreach` are no longer wanted.
    QueueDropped {
        /// The `listen`.
        step: FrameId,
    },
    /// A listener takes no more events.
    ListeningEnded {
        /// The `listen`.
        step: FrameId,
        /// Its pointer.
        pointer: Pointer,
    },
    /// The run stopped to let others run.
    #[serde(alias = "paused")]
    Yielded,
    /// The run is over with an output.
    Completed {
        /// It.
        output: Arc<Value>,
    },
    /// The run is over with an error.
    Faulted {
        /// It.
        error: Fault,
    },
    /// The run was cancelled.
    Cancelled {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
        /// Whether it ended at once, with nothing undone.
        #[serde(default)]
        terminated: bool,
        /// The run that takes its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced_by: Option<TaskId>,
    },
}

/// What a completed call leaves for the record: digests, never content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The function.
    pub function: Target,
    /// Of the arguments.
    pub input_digest: Sha256Digest,
    /// Of the result.
    pub output_digest: Sha256Digest,
    /// Attempt of the nearest `try` around it, from 1.
    pub attempt: u32,
    /// The router's decisions on which the result rests.
    pub decisions: Vec<String>,
}
