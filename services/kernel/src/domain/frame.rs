//! The frames of a run: the lists and steps under way, and what goes on in each.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_types::{TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::consumption::Progress;
use super::control::MapProgress;
use super::definition::{Directive, ParentClose, Pointer, Target};
use super::expression::Sealed;
use super::numbered;
use super::optional;
use super::review::Review;
use super::work::Work;

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
        #[serde(default, with = "optional")]
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

impl Frame {
    /// The points in time at which it wants to be looked at.
    pub(super) fn due_times(&self) -> impl Iterator<Item = UnixMillis> {
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
