//! What a run waits for, in words.

use std::collections::HashSet;

use orrery_types::UnixMillis;
use serde::Serialize;

use crate::domain::state::{Activity, Frame, Phase, State};

/// One thing that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The pointer of the task that waits.
    pub task: String,
    /// The name of its workflow.
    pub workflow: String,
    /// For what.
    #[serde(rename = "for")]
    pub awaited: Awaited,
    /// In words.
    pub detail: String,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    /// A person's decision.
    Review,
    /// Time.
    Timer,
    /// The answer of a call.
    Call,
    /// An event or a message to the run.
    Event,
}

/// The innermost steps under way, a sub-workflow's own excepted: its run says what it waits for.
fn leaves(state: &State) -> impl Iterator<Item = &Frame> {
    let parents: HashSet<_> = state.frames.values().filter_map(|frame| frame.parent).collect();
    state.frames.values().filter(move |frame| {
        !parents.contains(&frame.id) && !matches!(frame.activity, Activity::List { .. } | Activity::Child { .. })
    })
}

/// Whether time alone moves it, as a `wait` and a retry's delay do.
pub fn has_timer(state: &State) -> bool {
    leaves(state).any(|frame| is_timer(&frame.activity))
}

/// Whether any of its steps takes events.
pub fn is_listening(state: &State) -> bool {
    state.frames.values().any(|frame| matches!(frame.activity, Activity::Listen { open: true, .. }))
}

fn is_timer(activity: &Activity) -> bool {
    matches!(activity, Activity::Wait { .. } | Activity::Try { phase: Phase::Backoff { .. }, .. })
}

/// Everything that a run waits for.
pub fn waits(state: &State) -> impl Iterator<Item = Waiting> {
    leaves(state).map(|frame| {
        let (awaited, detail) = describe(frame);
        let workflow = state.run.workflow.1.clone();
        Waiting { task: frame.pointer.to_string(), workflow, awaited, detail }
    })
}

fn describe(frame: &Frame) -> (Awaited, String) {
    match &frame.activity {
        Activity::Human { review } => {
            let due = review.due_at.map_or_else(String::new, |at| format!(", due {at}"));
            (Awaited::Review, format!("a decision on {:?} by {}{due}", review.title, review.roles.join(" or ")))
        }
        Activity::Wait { until } => timer(*until),
        Activity::Try { phase: Phase::Backoff { until }, .. } => timer(*until),
        Activity::Call { function, .. } => (Awaited::Call, format!("the answer of {}", function.name())),
        Activity::Listen { types, .. } if !types.is_empty() => {
            (Awaited::Event, format!("an event of type {}", types.join(" or ")))
        }
        _ => (Awaited::Event, "an event or a message from outside".to_owned()),
    }
}

fn timer(until: UnixMillis) -> (Awaited, String) {
    (Awaited::Timer, format!("its timer at {until}"))
}
