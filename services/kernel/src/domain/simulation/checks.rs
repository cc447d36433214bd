//! What must hold of a history, whatever happened to the processes that made it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::outside::place;
use super::world::World;
use crate::domain::event::{Event, Fact};
use crate::domain::state::{Activity, FrameId, State, Status};

/// How a run ended, without what depends on when.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
pub struct Outcome {
    workflow: String,
    status: String,
    /// Pointer, visit and output of each step that completed.
    steps: Vec<(String, u32, String)>,
}

/// What a world came to: its runs in an order that does not depend on their ids, and the events that they published.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    runs: Vec<Outcome>,
    published: Vec<(String, u32)>,
    calls: Vec<(String, String)>,
}

/// Everything that is wrong with a world; empty: nothing.
pub fn violations(world: &World) -> Vec<String> {
    let mut found = world.violations.clone();
    for (id, stored) in &world.database.runs {
        let events = stored.events();
        found.extend(once_each(&events).into_iter().map(|it| format!("{id}: {it}")));
        found.extend(early(&events).into_iter().map(|it| format!("{id}: {it}")));
        if State::replay(events).as_ref() != Some(&stored.replay) {
            found.push(format!("{id}: its journal does not give its state"));
        }
    }
    for (key, done) in world.outside.calls.iter().filter(|(_, done)| done.times != 1) {
        found.push(format!("{key} took effect {} times", done.times));
    }
    let starts = world.database.runs.values().filter(|it| it.replay.run.parent.is_none()).count();
    if starts > 1 {
        found.push(format!("one key started {starts} runs"));
    }
    found
}

fn once_each(events: &[Event]) -> Vec<String> {
    let mut seen: BTreeMap<(&'static str, String), u32> = BTreeMap::new();
    for event in events {
        let thing = match &event.fact {
            Fact::StepCompleted { pointer, iteration, .. } => ("completed", format!("{pointer} visit {iteration}")),
            Fact::StepStarted { frame, .. } => ("started", format!("{} visit {}", frame.pointer, frame.iteration)),
            Fact::ReviewDecided { review, .. } => ("decided", review.to_string()),
            Fact::Started { .. } => ("started", "the run".to_owned()),
            Fact::Completed { .. } | Fact::Faulted { .. } | Fact::Cancelled { .. } => ("ended", "the run".to_owned()),
            _ => continue,
        };
        *seen.entry(thing).or_default() += 1;
    }
    seen.into_iter()
        .filter(|(_, times)| *times > 1)
        .map(|((what, of), times)| format!("{of} {what} {times} times"))
        .collect()
}

/// Waits, retries, timeouts and expiries that came before their time.
fn early(events: &[Event]) -> Vec<String> {
    let mut due: BTreeMap<FrameId, (u64, String)> = BTreeMap::new();
    let mut waits: BTreeMap<String, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        match &event.fact {
            Fact::StepStarted { frame, .. } => {
                if let Activity::Wait { until } = frame.activity {
                    waits.insert(format!("{}/{}", frame.pointer, frame.iteration), until.0);
                }
            }
            Fact::RetryScheduled { step, at, pointer, .. } => {
                due.insert(*step, (at.0, pointer.to_string()));
            }
            Fact::ListStarted { step, .. } => {
                if let Some((at, pointer)) = due.remove(step).filter(|(at, _)| event.at.0 < *at) {
                    found.push(format!("{pointer} tried again at {}, due at {at}", event.at.0));
                }
            }
            Fact::StepCompleted { pointer, iteration, .. } => {
                let until = waits.remove(&format!("{pointer}/{iteration}"));
                if let Some(until) = until.filter(|until| event.at.0 < *until) {
                    found.push(format!("{pointer} ended at {}, due at {until}", event.at.0));
                }
            }
            _ => {}
        }
    }
    found
}

/// What must be the same in every world with the same workflows and answers.
pub fn summary(world: &World) -> Summary {
    let mut runs: Vec<Outcome> = world.database.runs.values().map(|it| outcome(&it.replay, &it.events())).collect();
    runs.sort();
    let without_run = |id: &str| place(id).to_owned();
    let mut published: Vec<(String, u32)> =
        world.database.outbox.iter().map(|(id, times)| (without_run(id), *times)).collect();
    published.sort();
    let mut calls: Vec<(String, String)> =
        world.outside.calls.iter().map(|(key, done)| (without_run(key), done.arguments.to_string())).collect();
    calls.sort();
    Summary { runs, published, calls }
}

fn outcome(state: &State, events: &[Event]) -> Outcome {
    let status = match &state.status {
        Status::Pending | Status::Running => "running".to_owned(),
        Status::Completed(output) => format!("completed {output}"),
        Status::Faulted(fault) => format!("faulted {fault:?}"),
        Status::Cancelled => "cancelled".to_owned(),
        Status::Terminated => "terminated".to_owned(),
    };
    let step = |event: &Event| match &event.fact {
        Fact::StepCompleted { pointer, iteration, output, .. } => {
            Some((pointer.to_string(), *iteration, Value::to_string(output)))
        }
        _ => None,
    };
    let mut steps: Vec<_> = events.iter().filter_map(step).collect();
    steps.sort();
    Outcome { workflow: state.run.workflow.1.clone(), status, steps }
}
