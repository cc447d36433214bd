//! The file of cases: what is given to a run, what is answered to it, and what must come of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orrery_kernel::domain::command::Signal;
use orrery_kernel::domain::definition::{self, Problem, Problems, Source, duration};
use orrery_kernel::embedded::RunStatus;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::commands::workflow::source::{self, Invalid};

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    with: Vec<PathBuf>,
    #[serde(default = "epoch")]
    start: Timestamp,
    /// Answers for all cases, where a case has none of its own.
    #[serde(default)]
    calls: BTreeMap<String, Script<CallAnswer>>,
    #[serde(default)]
    reviews: BTreeMap<String, Script<ReviewAnswer>>,
    cases: Vec<Value>,
}

/// Cases, and what they share.
#[derive(Debug)]
pub struct Cases {
    /// Definitions of sub-workflows, beside the file.
    pub with: Vec<PathBuf>,
    /// When the runs start, on their own clock.
    pub start: Timestamp,
    /// In the order of the file.
    pub cases: Vec<Case>,
    source: Source,
    text: String,
}

/// One run with its script.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Raw input.
    #[serde(default = "nothing")]
    pub input: Value,
    /// Media type by the name of the part: `$workflow.attachments` names them.
    #[serde(default)]
    pub attachments: BTreeMap<String, String>,
    /// Answers of calls by task pointer, `workflow#pointer` or function.
    #[serde(default)]
    pub calls: BTreeMap<String, Script<CallAnswer>>,
    /// Decisions of reviews by task pointer, or `workflow#pointer`.
    #[serde(default)]
    pub reviews: BTreeMap<String, Script<ReviewAnswer>>,
    /// CloudEvents from outside; each is kept until a run listens for it.
    #[serde(default)]
    pub events: Vec<Incoming>,
    /// Signals to the run.
    #[serde(default)]
    pub signals: Vec<Message>,
    /// Updates of the run.
    #[serde(default)]
    pub updates: Vec<Message>,
    /// Cancels the run.
    #[serde(default)]
    pub cancel: Option<Cancel>,
    /// What must come of it.
    pub expect: Expectation,
}

/// What is answered: the same each time, or one after the other.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Script<T> {
    /// In turn; once more is asked than there are, the case fails.
    Turns(Vec<T>),
    /// Each time.
    Always(T),
}

impl<T> Script<T> {
    /// The answer at a turn, from 0.
    pub fn at(&self, turn: usize) -> Option<&T> {
        match self {
            Self::Turns(turns) => turns.get(turn),
            Self::Always(answer) => Some(answer),
        }
    }
}

/// What a call gives: an output, or an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallAnswer {
    /// The call's result.
    #[serde(default, deserialize_with = "given")]
    pub output: Option<Value>,
    /// Fields of the error; `type` and `status` default to those of a failed communication.
    #[serde(default)]
    pub error: Option<Map<String, Value>>,
    /// How long it takes.
    #[serde(default, deserialize_with = "time")]
    pub after: Duration,
}

/// What a person decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewAnswer {
    /// One of the review's decisions.
    #[serde(default)]
    pub decision: Option<String>,
    /// Why; a decision needs a reason.
    #[serde(default = "scripted")]
    pub reason: String,
    /// Changed fields.
    #[serde(default)]
    pub edits: Value,
    /// Who; without: someone whom the review names.
    #[serde(default)]
    pub by: Option<String>,
    /// How long it takes.
    #[serde(default, deserialize_with = "time")]
    pub after: Duration,
    /// Nobody decides.
    #[serde(default)]
    pub expire: bool,
    /// Where it takes several people: what each says, in place of the above.
    #[serde(default)]
    pub votes: Vec<Vote>,
}

/// What one of several people decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Who.
    pub by: String,
    /// One of the review's decisions.
    pub decision: String,
    /// Why; a decision needs a reason.
    #[serde(default = "scripted")]
    pub reason: String,
    /// Changed fields.
    #[serde(default)]
    pub edits: Value,
    /// How long after the review was asked for.
    #[serde(default, deserialize_with = "time")]
    pub after: Duration,
}

/// A signal or an update.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// How long after the start.
    #[serde(default, deserialize_with = "time")]
    pub after: Duration,
    /// Its name.
    pub name: String,
    /// What it says.
    #[serde(default)]
    pub payload: Value,
    /// Who sends it.
    #[serde(default = "tester")]
    pub by: String,
    /// Makes two the same.
    #[serde(default)]
    pub key: String,
}

impl From<Message> for Signal {
    fn from(message: Message) -> Self {
        let Message { name, payload, by, key, .. } = message;
        Self { key, name, payload: Arc::new(payload), by }
    }
}

/// An event that comes from outside.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    /// How long after the start.
    #[serde(default, deserialize_with = "time")]
    pub after: Duration,
    /// A CloudEvent; id, source and version may be left out.
    pub event: Value,
}

/// A request to cancel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// How long after the start.
    #[serde(deserialize_with = "time")]
    pub after: Duration,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// What must hold at the end. What is not named may be anything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// How the run stands.
    #[serde(default)]
    pub status: Option<Status>,
    /// Its output, exactly.
    #[serde(default, deserialize_with = "given")]
    pub output: Option<Value>,
    /// A part of its output: fields that objects must hold, anything else exactly.
    #[serde(default, deserialize_with = "given")]
    pub output_has: Option<Value>,
    /// Fields of its error.
    #[serde(default)]
    pub error: Option<Value>,
    /// The tasks that ran, exactly.
    #[serde(default)]
    pub tasks: Option<Vec<String>>,
    /// Tasks that ran, in this order, perhaps with others between them.
    #[serde(default)]
    pub tasks_include: Vec<String>,
    /// Tasks that did not run.
    #[serde(default)]
    pub tasks_exclude: Vec<String>,
    /// How long it took on its clock.
    #[serde(default, deserialize_with = "some_time")]
    pub elapsed: Option<Duration>,
    /// Tasks that wait at the end.
    #[serde(default)]
    pub waiting: Option<Vec<String>>,
    /// Parts of the events that it emitted, in order.
    #[serde(default)]
    pub emitted: Option<Vec<Value>>,
    /// Parts of the calls that it made, in order, each `{task, workflow, function, with}`; an attempt is a call.
    #[serde(default)]
    pub calls: Option<Vec<Value>>,
    /// Parts of what was said to decisions, signals and updates that the run refused, in order. Without it, none may be.
    #[serde(default)]
    pub refusals: Option<Vec<String>>,
}

/// As the answer of a run names it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Over, with an output.
    Completed,
    /// Over, with an error.
    Faulted,
    /// Cancelled.
    Cancelled,
    /// Waits for what does not come.
    Waiting,
}

impl From<Status> for RunStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Completed => Self::Completed,
            Status::Faulted => Self::Faulted,
            Status::Cancelled => Self::Cancelled,
            Status::Waiting => Self::Waiting,
        }
    }
}

impl Cases {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Invalid> {
        let text = source::read_text(path)?;
        let invalid =
            |problems, text: &str| Invalid { file: path.display().to_string(), text: text.to_owned(), problems };
        let source = match definition::read(&text) {
            Ok(source) => source,
            Err(Problems(problems)) => return Err(invalid(problems, &text)),
        };
        let file = match File::deserialize(&source.value) {
            Ok(file) => file,
            Err(error) => return Err(invalid(vec![source.problem("", error.to_string())], &text)),
        };
        let mut cases = Vec::new();
        let mut problems: Vec<Problem> = Vec::new();
        for (index, value) in file.cases.iter().enumerate() {
            match Case::deserialize(value) {
                Ok(mut case) => {
                    fill(&mut case.calls, &file.calls);
                    fill(&mut case.reviews, &file.reviews);
                    cases.push(case);
                }
                Err(error) => problems.push(source.problem(&format!("/cases/{index}"), error.to_string())),
            }
        }
        if cases.is_empty() && problems.is_empty() {
            problems.push(source.problem("/cases", "there are no cases: write at least one"));
        }
        if !problems.is_empty() {
            return Err(invalid(problems, &text));
        }
        Ok(Self { with: file.with, start: file.start, cases, source, text })
    }

    /// The file with faults at these pointers.
    pub fn invalid(self, path: &Path, faults: Vec<(String, String)>) -> Invalid {
        let problems = faults.into_iter().map(|(pointer, reason)| self.source.problem(&pointer, reason)).collect();
        Invalid { file: path.display().to_string(), text: self.text, problems }
    }
}

fn fill<T: Clone>(own: &mut BTreeMap<String, T>, shared: &BTreeMap<String, T>) {
    for (key, value) in shared {
        own.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn epoch() -> Timestamp {
    // 2026-01-01T00:00:00Z
    Timestamp::constant(1_767_225_600, 0)
}

fn scripted() -> String {
    "as the case scripts it".to_owned()
}

fn tester() -> String {
    "the test".to_owned()
}

fn nothing() -> Value {
    Value::Object(Map::new())
}

/// Tells a value that is null from one that is missing.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let value = Value::deserialize(from)?;
    duration::parse(&value).map_err(serde::de::Error::custom)
}

fn some_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    time(from).map(Some)
}
