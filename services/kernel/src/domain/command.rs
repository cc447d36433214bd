//! What can be asked of a run, and why it may be refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_types::{ReviewId, Sha256Digest, TaskId, TenantId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definition::{Definition, Pointer};
use super::event::Event;
use super::fault::Fault;

/// Longest input of a run, in bytes of JSON; files belong in attachments.
pub const INPUT_BYTES_MAX: usize = 512 * 1024;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Unique in the tenant.
    pub principal: String,
    /// Roles in the tenant.
    pub roles: Vec<String>,
}

/// A file that came with the task: what the object store needs to find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Key in the blob bucket.
    pub key: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Size.
    pub size_bytes: u64,
    /// As the sender declared it.
    pub media_type: String,
    /// The file's name as the sender gave it.
    pub name: String,
}

/// The step of another run that started this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The run.
    pub task: TaskId,
    /// The key of its step.
    pub key: String,
}

/// Everything about a run that never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: TaskId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Namespace, name and version of its workflow.
    pub workflow: (String, String, String),
    /// Hash of the definition; K-2: a run stays on the definition it started with.
    pub definition: Sha256Digest,
    /// Who submitted it.
    pub submitted_by: String,
    /// Their roles then: calls to knowledge and models are made on their behalf.
    pub roles: Vec<String>,
    /// Raw input.
    pub input: Arc<Value>,
    /// By the name of the part.
    pub attachments: BTreeMap<String, Attachment>,
    /// When it must be over.
    pub deadline_at: Option<UnixMillis>,
    /// From which all jitter is derived.
    pub seed: u64,
    /// The step that waits for it, if any.
    pub parent: Option<Parent>,
    /// Runs above it.
    pub depth: u32,
    /// W3C trace context of the request that started it; its calls belong to that trace. May be empty.
    #[serde(default)]
    pub traceparent: String,
    /// Higher goes first among the pending runs and waiting calls of its tenant.
    #[serde(default)]
    pub priority: u32,
    /// By what it is found.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// The run from which it was begun anew.
    #[serde(default)]
    pub origin: Option<Origin>,
}

impl Run {
    /// A run of a definition that somebody starts with an input, and with nothing else: no roles, files, deadline, attributes
    /// or trace, nobody waits for it, and its seed is 0.
    pub fn of(definition: &Definition, id: TaskId, tenant: TenantId, submitted_by: &str, input: Value) -> Self {
        let document = &definition.document;
        Self {
            id,
            tenant,
            workflow: (document.namespace.clone(), document.name.clone(), document.version.clone()),
            definition: definition.hash,
            submitted_by: submitted_by.to_owned(),
            roles: Vec::new(),
            input: Arc::new(input),
            attachments: BTreeMap::new(),
            deadline_at: None,
            seed: 0,
            parent: None,
            depth: 0,
            traceparent: String::new(),
            priority: 0,
            attributes: BTreeMap::new(),
            origin: None,
        }
    }
}

/// The run from which another was begun anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// It.
    pub task: TaskId,
    /// Its last event that both have.
    pub seq: u64,
    /// Why.
    pub by: Restart,
}

/// How a run is begun anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// From a step, in place of the old one.
    Reset,
    /// From a step, beside the old one.
    Fork,
    /// From the step that failed.
    Retry,
}

/// What a run that is begun anew begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beginning {
    /// The events of the other run, in order.
    pub events: Vec<Event>,
    /// The step that is done anew even though it was under way.
    pub redo: Option<Pointer>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A version to which a run moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Namespace, name and version.
    pub workflow: (String, String, String),
    /// Its hash.
    pub definition: Sha256Digest,
    /// The kind of each of its tasks and lists, by pointer.
    pub shape: BTreeMap<String, String>,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The step's output.
    pub output: Value,
    /// The router's decisions on which it rests.
    pub decisions: Vec<String>,
}

/// A request to a run. Travels between kernels as JSON, since any of them may own the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Take it in, to be started when its turn comes. The state must be new.
    Accept,
    /// Take it in, to begin with these events of another run when its turn comes. The state must be new.
    AcceptRestart(Box<Beginning>),
    /// Start it. The state must be new or pending.
    Start,
    /// Go on after a transition that stopped to let others run.
    Continue,
    /// Something may be due.
    Wake,
    /// A call is over.
    FinishCall {
        /// Its key.
        key: String,
        /// What came of it.
        outcome: Result<Reply, Fault>,
    },
    /// A sub-workflow has been started.
    ChildStarted {
        /// The key of the step.
        key: String,
    },
    /// A sub-workflow is over.
    ChildFinished {
        /// The key of the step.
        key: String,
        /// What came of it.
        outcome: Result<Value, Fault>,
    },
    /// Claim a review.
    Claim {
        /// Which.
        review: ReviewId,
        /// Who.
        by: Person,
    },
    /// Decide a review.
    Decide {
        /// Which.
        review: ReviewId,
        /// Who.
        by: Person,
        /// What.
        decision: String,
        /// Why.
        reason: String,
        /// Changed fields, or null.
        edits: Value,
    },
    /// A worker takes a step from its queue.
    StartWork {
        /// The key of the step.
        key: String,
        /// The number of the attempt that it takes.
        attempt: u32,
        /// Who.
        worker: String,
    },
    /// A worker gives a sign of life.
    BeatWork {
        /// The key of the step.
        key: String,
        /// The token of the attempt.
        token: String,
    },
    /// A worker is done.
    CompleteWork {
        /// The key of the step.
        key: String,
        /// The token of the attempt.
        token: String,
        /// The result.
        output: Value,
    },
    /// A worker could not do it.
    FailWork {
        /// The key of the step.
        key: String,
        /// The token of the attempt.
        token: String,
        /// Why.
        error: Fault,
        /// Whether another attempt may help.
        retryable: bool,
    },
    /// Give a review back, so that any candidate may claim it.
    Release {
        /// Which.
        review: ReviewId,
        /// Who: its holder, or an admin.
        by: Person,
    },
    /// Hand a review to someone else.
    Delegate {
        /// Which.
        review: ReviewId,
        /// Its holder.
        by: Person,
        /// Who holds it from then on.
        to: Person,
    },
    /// Give a review other candidates.
    Reassign {
        /// Which.
        review: ReviewId,
        /// An admin or a supervisor of the review.
        by: Person,
        /// Roles and `user:<principal>`.
        to: Vec<String>,
    },
    /// Say something about a review.
    Comment {
        /// Which.
        review: ReviewId,
        /// Who.
        by: Person,
        /// Makes two requests the same comment.
        id: String,
        /// What.
        text: String,
    },
    /// An event, for whichever of the run's steps listens to it.
    Event {
        /// A CloudEvent in JSON.
        event: Arc<Value>,
    },
    /// Cancel the run: what is under way is given up, and what is done is undone where that was declared.
    Cancel {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// End the run at once; nothing is undone.
    Terminate {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// The run that takes its place.
        #[serde(default)]
        replaced_by: Option<TaskId>,
    },
    /// Send it a signal.
    Signal(Box<Signal>),
    /// Send it a signal that the definition declares as an update: it is checked, and refused with reasons.
    Update(Box<Signal>),
    /// Schedule nothing new until it is resumed.
    Pause {
        /// What was paused: the run, or everything of its definition or tenant.
        scope: Scope,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Go on, unless another scope is paused.
    Resume {
        /// What was resumed.
        scope: Scope,
        /// Who.
        by: String,
    },
    /// Start it, held by these.
    StartPaused {
        /// What is paused.
        scopes: Vec<Scope>,
    },
    /// Start it with the events of another run up to a step, and go on from there.
    Restart {
        /// The events, in order.
        events: Vec<Event>,
        /// The step that is done anew even though it was under way.
        redo: Option<Pointer>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Move it to another version of its workflow.
    Migrate {
        /// Which.
        target: Box<Target>,
        /// Who.
        by: String,
    },
}

/// A message to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Sending again with the same key does nothing; empty: none.
    #[serde(default)]
    pub key: String,
    /// Its name, by which the run asks for it.
    pub name: String,
    /// What it says.
    pub payload: Arc<Value>,
    /// Who sent it.
    pub by: String,
}

/// What a pause holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One run.
    Run,
    /// All runs of a definition.
    Definition,
    /// All runs of a tenant.
    Tenant,
}

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reject", content = "reason", rename_all = "snake_case")]
pub enum Reject {
    /// The run is over.
    #[error("the task is over")]
    Over,
    /// The result belongs to an attempt that is over, or came twice.
    #[error("nothing waits for this result any more")]
    Stale,
    /// No attempt has this token.
    #[error("no attempt of this step has this token")]
    UnknownAttempt,
    /// The result does not fit its schema.
    #[error("{0}")]
    Unfit(String),
    /// The review is decided or withdrawn.
    #[error("the review is closed")]
    ReviewClosed,
    /// The review's time is over; what follows from that is under way.
    #[error("the review ended at {0}, undecided")]
    ReviewExpired(String),
    /// The person may not.
    #[error("{0}")]
    Forbidden(String),
    /// Someone else was first.
    #[error("{0}")]
    Conflict(String),
    /// The request does not fit.
    #[error("{0}")]
    Invalid(String),
    /// It was checked and found wanting.
    #[error("refused: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// It is too long.
    #[error("{0}")]
    TooLarge(String),
    /// The run holds as much as it can.
    #[error("{0}")]
    Full(String),
    /// The definition does not hold what the state points at: the journal and the definition do not belong together.
    #[error("the definition of this task has no {0}")]
    Corrupted(String),
}
