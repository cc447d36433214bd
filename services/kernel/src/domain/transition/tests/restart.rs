//! Beginning anew from a step, and moving to another version.

use std::collections::HashSet;

use orrery_types::TaskId;
use serde_json::{Value, json};

use super::harness::{Bench, nothing};
use crate::domain::command::{Beginning, Command, Origin, Reject, Restart, Run, Scope, Target};
use crate::domain::definition::{self, Definition, Pointer};
use crate::domain::event::{Event, own};
use crate::domain::fault::{Fault, Standard};
use crate::domain::history::{before_failure, before_step};
use crate::domain::state::{State, Status};

const STEPS: &str = "do:
  - first: {call: orrery.register, with: {key: a, value: 1}}
  - plain: {set: {n: '${ (.n // 0) + 1 }'}}
  - pair:
      fork:
        branches:
          - left: {call: orrery.register, with: {key: l, value: 1}}
          - right:
              do:
                - r1: {call: orrery.register, with: {key: r1, value: 1}}
                - r2: {call: orrery.register, with: {key: r2, value: 1}}
  - rest: {wait: PT1H, timeout: {after: PT2H}}
  - last: {call: orrery.register, with: {key: z, value: 1}}
";

/// A run that begins with the events of another.
fn anew(old: &Bench, kept: usize, redo: Option<Pointer>) -> Bench {
    let run = Run {
        id: TaskId::new("task_2").unwrap(),
        origin: Some(Origin { task: old.state.run.id.clone(), seq: kept as u64, by: Restart::Fork }),
        ..(*old.state.run).clone()
    };
    let mut bench = Bench::new(STEPS, nothing());
    bench.definition = definition::parse(&text(STEPS)).unwrap();
    bench.state = State::new(run);
    bench.now.0 = old.now.0 + 86_400_000;
    let events: Vec<Event> = old.events.iter().take(kept).cloned().collect();
    let command = Command::Restart { events, redo, by: "alice".into(), reason: "again".into() };
    bench.send(command).unwrap();
    bench
}

fn text(body: &str) -> String {
    format!("document: {{dsl: 1.0.0, namespace: test, name: sample, version: 1.0.0}}\n{body}")
}

/// Up to the wait, with every result known.
fn waiting() -> Bench {
    let mut bench = Bench::run(STEPS, nothing());
    for n in 0..4 {
        bench.answer(json!({"n": n})).unwrap();
    }
    assert_eq!(bench.state.active(), ["/do/3/rest"]);
    bench
}

#[test]
fn a_run_begins_anew_before_any_step_it_came_to() {
    let old = waiting();
    let cases = [
        ("/do/0/first", vec!["/do/0/first"]),
        ("/do/1/plain", vec!["/do/2/pair/fork/branches/0/left", "/do/2/pair/fork/branches/1/right/do/0/r1"]),
        ("/do/2/pair", vec!["/do/2/pair/fork/branches/0/left", "/do/2/pair/fork/branches/1/right/do/0/r1"]),
        ("/do/2/pair/fork/branches/1/right/do/1/r2", vec!["/do/2/pair/fork/branches/1/right/do/1/r2"]),
        ("/do/3/rest", vec!["/do/3/rest"]),
    ];
    for (pointer, active) in cases {
        let kept = before_step(&old.events, pointer, None).unwrap();
        let bench = anew(&old, kept, None);
        assert_eq!(bench.state.active(), active, "{pointer}");
        assert_eq!(bench.state.run.id.as_str(), "task_2");
        let old_keys: HashSet<String> = old.effects.iter().map(|effect| format!("{effect:?}")).collect();
        assert!(bench.effects.iter().all(|effect| !old_keys.contains(&format!("{effect:?}"))), "{pointer}: new keys");
        assert!(bench.calls().iter().all(|call| call.key.starts_with("task_2/")), "{pointer}");
        let first_own = own(&bench.events).first().unwrap();
        assert_eq!(first_own.fact.kind(), "task.restarted");
        assert_eq!(bench.state.audited, 1, "what the old run did is on its own record");
    }
}

#[test]
fn what_was_under_way_beside_the_step_is_asked_for_anew() {
    let mut old = Bench::run(STEPS, nothing());
    old.answer(json!({})).unwrap();
    let right = old.calls()[1].key.clone();
    old.send(Command::FinishCall {
        key: right,
        outcome: Ok(crate::domain::command::Reply { output: json!({}), decisions: vec![] }),
    })
    .unwrap();
    let kept = before_step(&old.events, "/do/2/pair/fork/branches/1/right/do/1/r2", None).unwrap();
    let mut bench = anew(&old, kept, None);
    assert_eq!(bench.calls().len(), 2, "left was under way, r2 comes next");
    for _ in 0..2 {
        bench.answer(json!({})).unwrap();
    }
    assert_eq!(bench.state.active(), ["/do/3/rest"]);
}

#[test]
fn time_that_was_left_is_left_again() {
    let old = waiting();
    let mut bench = anew(&old, old.events.len(), None);
    assert_eq!(bench.wait(), 3_600_000, "the wait goes on where it stood");
    bench.answer(json!({"end": true})).unwrap();
    assert_eq!(bench.output(), json!({"end": true}));
}

#[test]
fn a_failed_run_is_retried_from_the_step_that_failed() {
    let mut old = Bench::run(STEPS, nothing());
    old.answer(json!({})).unwrap();
    let left = old.calls()[0].key.clone();
    old.send(Command::FinishCall { key: left, outcome: Err(Fault::new(Standard::Runtime, "no")) }).unwrap();
    assert!(old.state.is_over());
    let (kept, step) = before_failure(&old.events).unwrap();
    assert_eq!(&*step, "/do/2/pair/fork/branches/0/left");
    let bench = anew(&old, kept, Some(step));
    assert_eq!(bench.calls().len(), 2);

    let running = waiting();
    assert!(matches!(before_failure(&running.events), Err(Reject::Invalid(_))));
    let mut timed = Bench::run("timeout: {after: PT1S}\ndo:\n  - w: {wait: PT1H}\n", nothing());
    timed.wait();
    assert!(matches!(before_failure(&timed.events), Err(Reject::Refused(_))));
}

/// A failed run, and one that is taken in to be begun anew from it when its turn comes.
fn taken_in() -> (Bench, Bench) {
    let mut old = Bench::run(STEPS, nothing());
    let key = old.calls()[0].key.clone();
    old.send(Command::FinishCall { key, outcome: Err(Fault::new(Standard::Runtime, "no")) }).unwrap();
    let (kept, step) = before_failure(&old.events).unwrap();
    let mut bench = Bench::new(STEPS, nothing());
    let origin = Some(Origin { task: old.state.run.id.clone(), seq: kept as u64, by: Restart::Retry });
    bench.state = State::new(Run { id: TaskId::new("task_2").unwrap(), origin, ..(*old.state.run).clone() });
    bench.now.0 = old.now.0 + 1_000;
    let events = old.events.iter().take(kept).cloned().collect();
    let beginning = Beginning { events, redo: Some(step), by: "alice".into(), reason: "again".into() };
    bench.send(Command::AcceptRestart(Box::new(beginning))).unwrap();
    (old, bench)
}

#[test]
fn a_run_that_is_begun_anew_waits_for_its_turn() {
    let (_, mut bench) = taken_in();
    assert_eq!((&bench.state.status, bench.calls().len()), (&Status::Pending, 0));
    bench.now.0 += 5_000;
    bench.send(Command::Start).unwrap();
    assert_eq!(bench.calls().len(), 1, "the step that failed is asked for anew");
    assert!(bench.calls()[0].key.starts_with("task_2/") && bench.state.beginning.is_none());
    assert_eq!(own(&bench.events[1..]).first().unwrap().fact.kind(), "task.restarted");
    assert_eq!(bench.send(Command::Start), Err(Reject::Stale));
}

#[test]
fn what_holds_or_ends_a_run_before_its_turn_holds_or_ends_it() {
    let (_, mut bench) = taken_in();
    let (by, reason) = ("bob".to_owned(), "no".to_owned());
    bench.send(Command::Pause { scope: Scope::Definition, by: by.clone(), reason: reason.clone() }).unwrap();
    bench.send(Command::Start).unwrap();
    assert_eq!((bench.state.is_paused(), bench.calls().len()), (true, 0));
    bench.send(Command::Resume { scope: Scope::Definition, by: by.clone() }).unwrap();
    assert_eq!(bench.calls().len(), 1);
    let (_, mut bench) = taken_in();
    bench.send(Command::Terminate { by, reason, replaced_by: None }).unwrap();
    assert_eq!((&bench.state.status, &bench.state.beginning), (&Status::Terminated, &None));
}

#[test]
fn a_run_that_was_begun_anew_is_begun_anew_again_and_its_own_events_are_its_own() {
    let (_, mut second) = taken_in();
    second.send(Command::Start).unwrap();
    let key = second.calls()[0].key.clone();
    second.send(Command::FinishCall { key, outcome: Err(Fault::new(Standard::Runtime, "no")) }).unwrap();
    // As the shell does: that it waited for its turn is no part of what it did.
    second.events.remove(0);
    let (kept, step) = before_failure(&second.events).unwrap();
    let third = anew(&second, kept, Some(step));
    let own = own(&third.events);
    assert_eq!(own.iter().filter(|event| event.fact.kind() == "task.restarted").count(), 1);
    assert_eq!(third.state.audited, 1);
    assert_eq!(third.calls().len(), 1);
}

#[test]
fn a_step_that_ran_out_of_time_gets_it_anew() {
    let body = "do:\n  - slow: {timeout: {after: PT1M}, do: [{w: {wait: PT1H}}]}\n";
    let mut old = Bench::run(body, nothing());
    old.wait();
    assert_eq!(old.fault().status, 408);
    let (kept, step) = before_failure(&old.events).unwrap();
    let mut bench = Bench::new(body, nothing());
    bench.state = State::new(Run { id: TaskId::new("task_2").unwrap(), ..(*old.state.run).clone() });
    bench.now.0 = old.now.0 + 1_000;
    let events = old.events.iter().take(kept).cloned().collect();
    bench.send(Command::Restart { events, redo: Some(step), by: "a".into(), reason: String::new() }).unwrap();
    assert_eq!(bench.wait(), 60_000);
}

#[test]
fn positions_that_are_none_are_refused_with_what_there_is() {
    let old = waiting();
    let Err(Reject::Invalid(reason)) = before_step(&old.events, "/do/9/nothing", None) else { panic!("found") };
    assert!(reason.contains("/do/0/first"), "{reason}");
    assert!(matches!(before_step(&old.events, "/do/0/first", Some(1)), Err(Reject::Invalid(_))));
    assert_eq!(before_step(&old.events, "/do/0/first", Some(0)), before_step(&old.events, "/do/0/first", None));
    let loops = "do:\n  - each: {for: {in: '[1,2,3]'}, do: [{s: {set: {x: 1}}}]}\n";
    let bench = Bench::run(loops, nothing());
    let at = |visit| before_step(&bench.events, "/do/0/each/do/0/s", Some(visit)).unwrap();
    assert!(at(0) < at(1) && at(1) < at(2));
}

#[test]
fn steps_that_are_undone_are_no_place_to_go_on_from() {
    let body = "do:
  - a: {set: {x: 1}, metadata: {orrery.compensate: {do: [{b: {set: {y: 1}}}]}}}
  - c: {raise: {error: {type: 'https://x/y', status: 500}}}
";
    let bench = Bench::run(body, nothing());
    assert!(matches!(before_failure(&bench.events), Err(Reject::Refused(_))));
    let undoing = before_step(&bench.events, "/do/0/a/metadata/orrery.compensate/do/0/b", None);
    assert!(matches!(undoing, Err(Reject::Refused(_))), "{undoing:?}");
    before_step(&bench.events, "/do/0/a", None).unwrap();
}

fn target(definition: &Definition) -> Command {
    let target = Target {
        workflow: ("test".into(), "sample".into(), definition.document.version.clone()),
        definition: definition.hash,
        shape: definition.shape(),
    };
    Command::Migrate { target: Box::new(target), by: "alice".into() }
}

#[test]
fn a_run_moves_to_a_version_that_has_its_places() {
    let one = "do:\n  - ask: {call: orrery.human, with: {title: ok, roles: [r]}}\n  - end: {set: {v: 1}}\n";
    let cases: Vec<(&str, Option<&str>)> = vec![
        ("do:\n  - ask: {call: orrery.human, with: {title: other, roles: [r]}}\n  - end: {set: {v: 2}}\n", None),
        (
            "do:\n  - first: {set: {x: 1}}\n  - ask: {call: orrery.human, with: {title: ok, roles: [r]}}\n",
            Some("no /do/0/ask"),
        ),
        ("do:\n  - ask: {set: {v: 2}}\n", Some("`orrery.human` here and `set`")),
    ];
    for (body, refusal) in cases {
        let mut bench = Bench::run(one, nothing());
        let two = definition::parse(&text(body).replace("version: 1.0.0", "version: 2.0.0")).unwrap();
        let moved = bench.send(target(&two));
        match refusal {
            Some(expected) => {
                let Err(Reject::Refused(reasons)) = moved else { panic!("{body}: {moved:?}") };
                assert!(reasons.iter().any(|reason| reason.contains(expected)), "{reasons:?}");
            }
            None => {
                moved.unwrap();
                assert_eq!(bench.state.run.definition, two.hash);
                assert_eq!(bench.state.run.workflow.2, "2.0.0");
                bench.definition = two;
                let review = bench.review();
                let by = super::harness::person("bob", "r");
                let (decision, reason) = ("approve".to_owned(), "fine".to_owned());
                bench.send(Command::Decide { review: review.id, by, decision, reason, edits: Value::Null }).unwrap();
                assert_eq!(bench.output(), json!({"v": 2}));
            }
        }
    }
}

#[test]
fn a_call_under_way_keeps_a_run_on_its_version() {
    let body = "do:\n  - a: {call: orrery.register, with: {key: a, value: 1}}\n";
    let mut bench = Bench::run(body, nothing());
    let two = definition::parse(&text(body).replace("version: 1.0.0", "version: 2.0.0")).unwrap();
    let Err(Reject::Refused(reasons)) = bench.send(target(&two)) else { panic!("moved") };
    assert!(reasons[0].contains("a call is under way at /do/0/a"), "{reasons:?}");
    let same = definition::parse(&text(body)).unwrap();
    assert!(matches!(bench.send(target(&same)), Err(Reject::Invalid(_))), "it is there already");
    let mut other = target(&two);
    if let Command::Migrate { target, .. } = &mut other {
        target.workflow.1 = "another".into();
    }
    assert!(matches!(bench.send(other), Err(Reject::Invalid(_))));
    assert_eq!(bench.state.status, Status::Running);
}
