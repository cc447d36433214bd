//! What has happened to a run. The journal is a list of these; applied in order they give the state.

use std::sync::Arc;

use orrery_types::{ReviewId, Sha256Digest, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::Run;
use super::consumption::Taken;
use super::definition::{Directive, Function, Pointer};
use super::fault::Fault;
use super::review::{self, Decision};
use super::state::{Frame, FrameId};

/// A fact with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The run was taken in and waits for its turn.
    Accepted {
        /// What never changes.
        run: Box<Run>,
    },
    /// The run started.
    Started {
        /// What never changes.
        run: Box<Run>,
        /// When its workflow's timeout ends it.
        timeout_at: Option<UnixMillis>,
        /// Its top-level list.
        root: Box<Frame>,
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
    /// An extended task came to what runs before it, to itself, or to what runs after it.
    StageReached {
        /// Its wrapper.
        step: FrameId,
        /// Which.
        stage: u32,
        /// The task's output, once it is over.
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
        item: Option<Arc<Value>>,
        /// Whether it waits for `foreach`.
        queued: bool,
    },
    /// The `foreach` of a listener is done with an event.
    ItemCompleted {
        /// The `listen`.
        step: FrameId,
        /// Its output; none: nobody will ask for it.
        output: Option<Arc<Value>>,
        /// The new context, if it exported one.
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
    Paused,
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
    },
}

/// What a completed call leaves for the record: digests, never content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The function.
    pub function: Function,
    /// Of the arguments.
    pub input_digest: Sha256Digest,
    /// Of the result.
    pub output_digest: Sha256Digest,
    /// Attempt of the nearest `try` around it, from 1.
    pub attempt: u32,
    /// The router's decisions on which the result rests.
    pub decisions: Vec<String>,
}

impl Fact {
    /// Whether it becomes a record of the transparency log.
    pub fn is_audited(&self) -> bool {
        match self {
            Self::StepStarted { frame, .. } => matches!(frame.activity, super::state::Activity::Human { .. }),
            Self::StepCompleted { call, .. } => call.as_ref().is_some_and(|call| call.function.is_public()),
            Self::ReviewChanged { change, .. } => change.is_audited(),
            Self::Started { .. }
            | Self::ReviewClaimed { .. }
            | Self::ReviewDecided { .. }
            | Self::Completed { .. }
            | Self::Faulted { .. }
            | Self::Cancelled { .. } => true,
            _ => false,
        }
    }

    /// About how many bytes its values take in the journal.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::StepStarted { frame, .. } | Self::ListStarted { frame, .. } => {
                json_bytes(&frame.raw_input) + json_bytes(&frame.input)
            }
            Self::StepCompleted { output, context, .. } => {
                json_bytes(output) + context.as_ref().map_or(0, |context| json_bytes(context))
            }
            Self::BranchCompleted { output, .. } | Self::Completed { output } => json_bytes(output),
            Self::ReviewDecided { decision, .. } => json_bytes(&decision.edits) + json_bytes(&decision.result),
            Self::ReviewChanged { change, .. } => match &**change {
                review::Change::Commented { comment } => comment.text.len() as u64,
                review::Change::Voted { vote } => json_bytes(&vote.edits),
                _ => 0,
            },
            Self::EventConsumed { item, .. } => item.as_ref().map_or(0, |item| json_bytes(item)),
            Self::ItemCompleted { output, context, .. } => {
                output.iter().chain(context).map(|value| json_bytes(value)).sum()
            }
            _ => 0,
        }
    }

    /// The name under which people and other systems see it.
    pub fn kind(&self) -> &'static str {
        use super::state::Activity;
        match self {
            Self::Accepted { .. } => "task.accepted",
            Self::Started { .. } => "task.started",
            Self::StepStarted { frame, .. } => match frame.activity {
                Activity::Human { .. } => "review.requested",
                Activity::Call { .. } | Activity::Work { .. } => "step.scheduled",
                _ => "step.started",
            },
            Self::ListStarted { .. } => "list.started",
            Self::StepSkipped { .. } => "step.skipped",
            Self::StepCompleted { .. } => "step.completed",
            Self::StepFailed { .. } => "step.failed",
            Self::BranchCompleted { .. } => "branch.completed",
            Self::RetryScheduled { .. } => "retry.scheduled",
            Self::ErrorCaught { .. } => "error.caught",
            Self::WorkStarted { .. } => "work.started",
            Self::WorkHeartbeat { .. } => "work.heartbeat",
            Self::WorkFailed { .. } => "work.failed",
            Self::WorkQueued { .. } => "work.queued",
            Self::WorkWithdrawn { .. } => "work.withdrawn",
            Self::ReviewClaimed { .. } => "review.claimed",
            Self::ReviewDecided { .. } => "review.decided",
            Self::ReviewChanged { change, .. } => change.kind(),
            Self::ReviewWithdrawn { .. } => "review.withdrawn",
            Self::StageReached { .. } => "stage.reached",
            Self::FlowRedirected { .. } => "flow.redirected",
            Self::EventConsumed { .. } => "event.consumed",
            Self::ItemCompleted { .. } => "item.completed",
            Self::QueueDropped { .. } => "queue.dropped",
            Self::ListeningEnded { .. } => "listening.ended",
            Self::Paused => "task.paused",
            Self::Completed { .. } => "task.completed",
            Self::Faulted { .. } => "task.faulted",
            Self::Cancelled { .. } => "task.cancelled",
        }
    }

    /// The step it is about, if one.
    pub fn pointer(&self) -> &str {
        match self {
            Self::StepStarted { frame, .. } | Self::ListStarted { frame, .. } => &frame.pointer,
            Self::StepSkipped { pointer, .. }
            | Self::StepCompleted { pointer, .. }
            | Self::StepFailed { pointer, .. }
            | Self::RetryScheduled { pointer, .. }
            | Self::ErrorCaught { pointer, .. }
            | Self::WorkStarted { pointer, .. }
            | Self::WorkHeartbeat { pointer, .. }
            | Self::WorkFailed { pointer, .. }
            | Self::WorkQueued { pointer, .. }
            | Self::WorkWithdrawn { pointer, .. }
            | Self::ListeningEnded { pointer, .. }
            | Self::ReviewWithdrawn { pointer, .. } => pointer,
            _ => "",
        }
    }
}

/// Length of a value as JSON, give or take: numbers count as one word, text without its escapes.
fn json_bytes(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() as u64 + 2,
        Value::Array(items) => items.iter().map(|item| json_bytes(item) + 1).sum::<u64>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() as u64 + 4 + json_bytes(value)).sum::<u64>() + 2
        }
    }
}
