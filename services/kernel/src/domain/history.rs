//! Where in its history a run can be begun anew.

use super::command::Reject;
use super::definition::Pointer;
use super::event::{Event, Fact};

/// Pointers that a refusal names.
const NAMED_MAX: usize = 20;

/// How many events come before a visit of a step; without an iteration, before its last visit.
pub fn before_step(events: &[Event], pointer: &str, iteration: Option<u32>) -> Result<usize, Reject> {
    let visits = visits(events, pointer);
    let found = match iteration {
        Some(iteration) => visits.get(iteration as usize),
        None => visits.last(),
    };
    let Some(at) = found.copied() else {
        return Err(Reject::Invalid(match visits.len() {
            0 => format!("the task has not come to {pointer:?}; it came to: {}", known(events)),
            times => format!("the task came to {pointer:?} {times} times: iterations count from 0"),
        }));
    };
    if events.iter().take(at).any(|event| matches!(event.fact, Fact::Compensating { .. })) {
        return Err(undone());
    }
    Ok(at)
}

fn undone() -> Reject {
    Reject::Refused(vec!["the task has undone its steps by then: start a new one".to_owned()])
}

/// Where each visit of a step begins.
fn visits(events: &[Event], pointer: &str) -> Vec<usize> {
    let (mut visits, mut open) = (Vec::new(), false);
    for (at, event) in events.iter().enumerate() {
        if event.fact.pointer() != pointer {
            continue;
        }
        match &event.fact {
            Fact::StepStarted { .. } => {
                visits.push(at);
                open = true;
            }
            Fact::StepCompleted { .. } | Fact::StepFailed { .. } => {
                if !open {
                    // What is recorded of a step that takes no time stands before its end.
                    let own = |event: &&Event| {
                        event.fact.pointer() == pointer
                            && matches!(event.fact, Fact::CompensationRegistered { .. } | Fact::AttributesSet { .. })
                    };
                    let before = events.iter().take(at).rev().take_while(own).count();
                    visits.push(at - before);
                }
                open = false;
            }
            _ => {}
        }
    }
    visits
}

fn known(events: &[Event]) -> String {
    let mut pointers: Vec<&str> = Vec::new();
    for event in events {
        let is_step = matches!(event.fact, Fact::StepStarted { .. } | Fact::StepCompleted { .. });
        let pointer = event.fact.pointer();
        if is_step && !pointers.contains(&pointer) {
            pointers.push(pointer);
        }
        if pointers.len() >= NAMED_MAX {
            break;
        }
    }
    pointers.join(", ")
}

/// How many events come before the failure that ended a run, and the step that failed.
pub fn before_failure(events: &[Event]) -> Result<(usize, Pointer), Reject> {
    let Some(Event { fact: Fact::Faulted { .. }, .. }) = events.last() else {
        return Err(Reject::Invalid("only a task that failed is retried; reset or fork any other".to_owned()));
    };
    if events.iter().any(|event| matches!(event.fact, Fact::Compensating { .. })) {
        return Err(undone());
    }
    let of_the_failure = |event: &&Event| {
        matches!(
            event.fact,
            Fact::StepFailed { .. } | Fact::ReviewWithdrawn { .. } | Fact::MapItemFailed { .. } | Fact::Faulted { .. }
        )
    };
    let block = events.iter().rev().take_while(of_the_failure).count();
    let begin = events.len() - block;
    let failed = events.iter().skip(begin).find_map(|event| match &event.fact {
        Fact::StepFailed { pointer, .. } => Some(pointer.clone()),
        _ => None,
    });
    let reason = "no step failed: the run's own time, input or output ended it; reset it to a step".to_owned();
    failed.map(|pointer| (begin, pointer)).ok_or(Reject::Refused(vec![reason]))
}
