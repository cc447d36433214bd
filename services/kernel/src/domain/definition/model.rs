//! A compiled definition. Immutable; tasks and task lists are found by their JSON pointer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use orrery_types::Sha256Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::duration::DurationSpec;
use super::extension::Extended;
use super::listen::Listen;
use super::schedule::Schedule;
use super::{Pointer, Target};
use crate::domain::expression::{Program, Template};

/// A workflow.
#[derive(Debug)]
pub struct Definition {
    /// What it is called.
    pub document: Document,
    /// Over its canonical form; pinned by every run.
    pub hash: Sha256Digest,
    /// As JSON, for `$workflow.definition`.
    pub source: Arc<Value>,
    /// What happens to the input of a run.
    pub input: Intake,
    /// What happens to its output.
    pub output: Outcome,
    /// How long a run may take.
    pub timeout: Option<DurationSpec>,
    /// Named questions about a run.
    pub queries: BTreeMap<String, Program>,
    /// Signals that are checked before they are taken.
    pub updates: BTreeMap<String, Update>,
    /// When it starts by itself.
    pub schedule: Option<Schedule>,
    pub(super) tasks: HashMap<Pointer, Arc<Task>>,
    pub(super) lists: HashMap<Pointer, Vec<Arc<Task>>>,
}

impl Definition {
    /// The pointer of the top-level list.
    pub const ROOT: &'static str = "/do";

    /// The task at a pointer.
    pub fn task(&self, pointer: &str) -> Option<&Arc<Task>> {
        self.tasks.get(pointer)
    }

    /// The tasks that run a process, in the order of their pointers: they need a sandbox.
    pub fn processes(&self) -> Vec<&Pointer> {
        let is_process = |task: &&Arc<Task>| matches!(&task.kind, Kind::Call(Call { function: Target::Outward(outward), .. }) if outward.is_process());
        let mut found: Vec<&Pointer> = self.tasks.values().filter(is_process).map(|task| &task.pointer).collect();
        found.sort();
        found
    }

    /// The kind of each task and list, by pointer: what a run at one of them needs to find again.
    pub fn shape(&self) -> BTreeMap<String, String> {
        let tasks = self.tasks.values().map(|task| (task.pointer.to_string(), task.kind.word().to_owned()));
        let lists = self.lists.keys().map(|pointer| (pointer.to_string(), Self::LIST.to_owned()));
        tasks.chain(lists).collect()
    }

    /// The kind of a list in a shape.
    pub const LIST: &'static str = "list";

    /// The tasks of the list at a pointer.
    pub fn list(&self, pointer: &str) -> &[Arc<Task>] {
        self.lists.get(pointer).map_or(&[], Vec::as_slice)
    }
}

/// The `document` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// Title; the name when there is none.
    pub title: String,
}

/// `input`: validated, then transformed.
#[derive(Debug, Default)]
pub struct Intake {
    /// JSON Schema of the raw input.
    pub schema: Option<Value>,
    /// Its transformation.
    pub from: Option<Template>,
}

/// `output`: transformed, then validated.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The transformation of the raw output.
    pub transform: Option<Template>,
    /// JSON Schema of the transformed output.
    pub schema: Option<Value>,
}

/// `export`: the new context.
#[derive(Debug)]
pub struct Transform {
    /// What becomes the context; none: it stays, and is only validated.
    pub template: Option<Template>,
    /// JSON Schema of the new context.
    pub schema: Option<Value>,
}

/// A task.
#[derive(Debug)]
pub struct Task {
    /// Its name in its list.
    pub name: String,
    /// Its reference, for example `/do/0/read`.
    pub pointer: Pointer,
    /// Its position in its list.
    pub index: u32,
    /// Runs only if this holds.
    pub condition: Option<Program>,
    /// Its input.
    pub input: Intake,
    /// Its output.
    pub output: Outcome,
    /// What it exports to the context.
    pub export: Option<Transform>,
    /// How long it may take.
    pub timeout: Option<DurationSpec>,
    /// What follows.
    pub then: Directive,
    /// How it is undone.
    pub compensation: Option<Compensation>,
    /// What becomes of the runs that it started when it is given up.
    pub parent_close: ParentClose,
    /// What it does.
    pub kind: Kind,
    /// As JSON, for `$task.definition`.
    pub source: Value,
}

/// Where the flow goes after a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directive {
    /// To the next task of the list.
    Continue,
    /// Out of the list.
    Exit,
    /// The workflow ends with this output.
    End,
    /// To the task at this position of the list.
    Goto(u32),
}

/// What a task does.
#[derive(Debug)]
pub enum Kind {
    /// Sets its output.
    Set(Template),
    /// Runs a list of tasks.
    Do(Pointer),
    /// Chooses where the flow goes.
    Switch(Vec<Case>),
    /// Runs a list for each item.
    For(For),
    /// Runs branches side by side.
    Fork {
        /// In the order of the definition.
        branches: Vec<Branch>,
        /// The first to finish wins.
        compete: bool,
    },
    /// Runs a list and handles its errors.
    Try {
        /// What is tried.
        body: Pointer,
        /// What handles errors.
        catch: Catch,
    },
    /// Raises an error.
    Raise(ErrorTemplate),
    /// Waits.
    Wait(DurationSpec),
    /// Publishes an event, whose attributes these are.
    Emit(Template),
    /// Waits for events.
    Listen(Box<Listen>),
    /// Runs another workflow.
    Run(SubWorkflow),
    /// Calls a function of the platform, or something outside.
    Call(Call),
    /// Runs a function that the definition holds.
    Function(FunctionCall),
    /// Is extended.
    Extended(Extended),
}

impl Kind {
    /// The word by which a definition names it; for a call, the function's.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Do(_) => "do",
            Self::Switch(_) => "switch",
            Self::For(_) => "for",
            Self::Fork { .. } => "fork",
            Self::Try { .. } => "try",
            Self::Raise(_) => "raise",
            Self::Wait(_) => "wait",
            Self::Emit(_) => "emit",
            Self::Run(_) => "run",
            Self::Call(call) => call.function.name(),
            Self::Function(_) => "function",
            Self::Listen(_) => "listen",
            Self::Extended(_) => "extension",
        }
    }
}

/// A case of a switch.
#[derive(Debug)]
pub struct Case {
    /// None: the default.
    pub when: Option<Program>,
    /// Where to go.
    pub then: Directive,
}

/// A loop.
#[derive(Debug)]
pub struct For {
    /// The variable of the item.
    pub each: String,
    /// The variable of the index.
    pub at: String,
    /// The items.
    pub list: Program,
    /// Must hold before each round.
    pub condition: Option<Program>,
    /// What each round runs.
    pub body: Pointer,
}

/// A branch of a fork: a list of one task.
#[derive(Debug)]
pub struct Branch {
    /// The list's pointer.
    pub list: Pointer,
}

/// The `catch` of a try.
#[derive(Debug)]
pub struct Catch {
    /// Which errors.
    pub filter: ErrorFilter,
    /// The variable of the error.
    pub variable: String,
    /// Only if this holds.
    pub when: Option<Program>,
    /// Not if this holds.
    pub except_when: Option<Program>,
    /// Whether to try again.
    pub retry: Option<Arc<RetryPolicy>>,
    /// What runs when no retry is left.
    pub handler: Option<Pointer>,
}

/// Fields that an error must have; none: any error.
#[derive(Debug, Default)]
pub struct ErrorFilter {
    /// Its type.
    pub kind: Option<String>,
    /// Its status.
    pub status: Option<u64>,
    /// Its instance.
    pub instance: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its detail.
    pub detail: Option<String>,
}

/// When and how often to try again.
#[derive(Debug)]
pub struct RetryPolicy {
    /// Only if this holds.
    pub when: Option<Program>,
    /// Not if this holds.
    pub except_when: Option<Program>,
    /// Before the first retry.
    pub delay: Option<DurationSpec>,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Retries at most.
    pub attempts_max: Option<u32>,
    /// How long one attempt may take.
    pub attempt_duration: Option<DurationSpec>,
    /// How long all attempts together may take.
    pub total_duration: Option<DurationSpec>,
    /// Added to each delay, between these two.
    pub jitter: Option<(DurationSpec, DurationSpec)>,
    /// Whether it is one of `use.retries`.
    pub shared: bool,
}

/// How a delay grows from retry to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Not at all.
    Constant,
    /// By the delay each time.
    Linear,
    /// Twice as long each time.
    Exponential,
}

/// The error that a raise makes.
#[derive(Debug)]
pub struct ErrorTemplate {
    /// Type, status, title, detail and instance, with expressions.
    pub template: Template,
}

/// Another workflow to run.
#[derive(Debug)]
pub struct SubWorkflow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version or `latest`.
    pub version: String,
    /// Its input; none: the task's.
    pub input: Option<Template>,
    /// Whether the task waits for its end.
    pub wait: bool,
    /// Whether what it gives is dropped.
    pub silent: bool,
}

/// A call of a platform function, or of something outside.
#[derive(Debug)]
pub struct Call {
    /// Which.
    pub function: Target,
    /// Its arguments.
    pub arguments: Template,
    /// The secrets that it may use.
    pub secrets: Vec<String>,
}

/// A call of a function of `use.functions`.
#[derive(Debug)]
pub struct FunctionCall {
    /// The list that holds the function's task.
    pub body: Pointer,
    /// Its input; none: the task's.
    pub input: Option<Template>,
}

/// How a step is undone.
#[derive(Debug)]
pub struct Compensation {
    /// What undoes it.
    pub list: Pointer,
    /// When the run is cancelled.
    pub after_cancel: bool,
    /// When an error ends the run.
    pub after_fault: bool,
    /// When it fails itself; none: the platform's policy.
    pub retry: Option<Arc<RetryPolicy>>,
}

/// What becomes of a run when the step that started it is given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentClose {
    /// It is cancelled, and undoes what it did.
    #[default]
    Cancel,
    /// It ends at once.
    Terminate,
    /// It goes on.
    Abandon,
}

/// A signal that is checked before it is taken.
#[derive(Debug)]
pub struct Update {
    /// JSON Schema of its payload.
    pub schema: Option<Value>,
    /// Must hold; text refuses with that reason.
    pub accept: Option<Program>,
    /// The answer, once it is taken.
    pub result: Option<Program>,
}
