//! Steps for workers outside: tokens, the four time limits, retries, refusals.

use serde_json::{Value, json};

use super::harness::Bench;
use crate::domain::command::{Command, Reject};
use crate::domain::effect::Effect;
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, Status};
use crate::domain::work::{Stage, Work, token};

fn work_of(bench: &Bench) -> Work {
    let found = bench.state.frames.values().find_map(|frame| match &frame.activity {
        Activity::Work { work } => Some((**work).clone()),
        _ => None,
    });
    found.expect("a step for workers")
}

fn definition(with: &str) -> String {
    format!("do:\n  - w: {{call: orrery.work, with: {{queue: ocr, input: '${{ . }}'{with}}}}}\n")
}

fn start(bench: &mut Bench) -> String {
    let work = work_of(bench);
    bench.send(Command::StartWork { key: work.key.clone(), attempt: work.attempt, worker: "w1".into() }).unwrap();
    token(bench.state.run.seed, &work.key, work.attempt)
}

fn complete(bench: &mut Bench, token: &str, output: Value) -> Result<(), Reject> {
    let key = bench.state.frames.values().find_map(|frame| match &frame.activity {
        Activity::Work { work } => Some(work.key.clone()),
        _ => None,
    });
    let key = key.unwrap_or_else(|| "task_1/do/0/w/0/1".into());
    bench.send(Command::CompleteWork { key, token: token.into(), output })
}

fn fail(bench: &mut Bench, token: &str, title: &str, retryable: bool) -> Result<(), Reject> {
    let error = Fault::new(Standard::Runtime, "no").titled(title);
    bench.send(Command::FailWork { key: work_of(bench).key, token: token.into(), error, retryable })
}

#[test]
fn a_worker_takes_beats_and_completes() {
    let mut bench = Bench::run(&definition(", timeouts: {heartbeat: PT10S}"), json!({"page": 1}));
    assert!(bench.effects.contains(&Effect::AnnounceWork { queue: "ocr".into() }));
    assert!(bench.state.is_waiting(), "in its queue nothing but time can move it");
    let mine = start(&mut bench);
    assert!(!bench.state.is_waiting());
    assert_eq!(*work_of(&bench).input, json!({"page": 1}));
    let key = work_of(&bench).key;
    // Of beats in short order the journal keeps one in half the time that one is due.
    let events = bench.events.len();
    for _ in 0..10 {
        bench.now.0 += 1_000;
        bench.send(Command::BeatWork { key: key.clone(), token: mine.clone() }).unwrap();
    }
    assert_eq!(bench.events.len() - events, 2);
    complete(&mut bench, &mine, json!({"text": "x"})).unwrap();
    assert_eq!(bench.output(), json!({"text": "x"}));
    assert_eq!(complete(&mut bench, &mine, json!(1)), Err(Reject::Over));
}

#[test]
fn only_the_attempt_under_way_can_end_the_step() {
    let mut bench = Bench::run(&definition(", timeouts: {start_to_close: PT5S}"), json!({}));
    let key = work_of(&bench).key;
    let first = token(bench.state.run.seed, &key, 1);
    assert_eq!(complete(&mut bench, &first, json!(1)), Err(Reject::Stale), "not started");
    assert_eq!(start(&mut bench), first);
    let again = Command::StartWork { key: key.clone(), attempt: 1, worker: "w2".into() };
    assert_eq!(bench.send(again), Err(Reject::Stale), "taken by two");
    assert_eq!(bench.wait(), 5_000);
    assert!(matches!(work_of(&bench).stage, Stage::Backoff { .. }));
    assert_eq!(bench.wait(), 1_000);
    let second = start(&mut bench);
    assert_ne!(first, second);
    assert_eq!(complete(&mut bench, &first, json!("late")), Err(Reject::Stale));
    let forged = format!("2-{}", "0".repeat(32));
    for wrong in ["", "2", "9-abc", &forged, &token(bench.state.run.seed, &key, 3)] {
        assert_eq!(complete(&mut bench, wrong, json!(1)), Err(Reject::UnknownAttempt), "{wrong:?}");
    }
    complete(&mut bench, &second, json!("in time")).unwrap();
    assert_eq!(bench.output(), json!("in time"));
}

/// Each limit on its own, caught as the timeout that it is: the limit, whether a worker starts, and what it is called.
#[test]
fn each_time_limit_reaches_the_try_as_a_timeout() {
    let cases = [
        ("schedule_to_start: PT3S", false, "schedule_to_start", 3_000),
        ("start_to_close: PT4S", true, "start_to_close", 4_000),
        ("schedule_to_close: PT5S", false, "schedule_to_close", 5_000),
        ("schedule_to_close: PT6S, start_to_close: PT1M", true, "schedule_to_close", 6_000),
        ("heartbeat: PT2S", true, "heartbeat", 2_000),
    ];
    for (limit, starts, title, after) in cases {
        let body = format!(
            "do:\n  - t:\n      try:\n        - w: {{call: orrery.work, with: {{queue: q, timeouts: {{{limit}}}, retry: {{attempts: 1}}}}}}\n      \
             catch:\n        errors: {{with: {{type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout}}}}\n        \
             do:\n          - s: {{set: {{title: '${{ $error.title }}', at: '${{ $error.instance }}'}}}}\n"
        );
        let mut bench = Bench::run(&body, json!({}));
        if starts {
            start(&mut bench);
        }
        assert_eq!(bench.wait(), after, "{limit}");
        assert_eq!(bench.output(), json!({"title": title, "at": "/do/0/t/try/0/w"}), "{limit}");
    }
}

#[test]
fn retries_follow_their_policy() {
    let with = ", retry: {attempts: 4, delay: PT1S, backoff: linear, non_retryable: [bad_page]}";
    let mut bench = Bench::run(&definition(with), json!({}));
    for (attempt, pause) in [(1, 1_000), (2, 2_000), (3, 3_000)] {
        let mine = start(&mut bench);
        fail(&mut bench, &mine, "busy", true).unwrap();
        assert_eq!(bench.wait(), pause, "after attempt {attempt}");
    }
    let mine = start(&mut bench);
    fail(&mut bench, &mine, "busy", true).unwrap();
    assert_eq!(bench.fault().title.as_deref(), Some("busy"));

    for (title, retryable) in [("bad_page", true), ("other", false)] {
        let mut bench = Bench::run(&definition(with), json!({}));
        let mine = start(&mut bench);
        fail(&mut bench, &mine, title, retryable).unwrap();
        assert_eq!(bench.fault().title.as_deref(), Some(title), "no second attempt");
    }

    // No attempt is planned that the step's own limit would not let end.
    let with = ", timeouts: {schedule_to_close: PT5S}, retry: {attempts: 9, delay: PT10S}";
    let mut bench = Bench::run(&definition(with), json!({}));
    let mine = start(&mut bench);
    fail(&mut bench, &mine, "busy", true).unwrap();
    assert_eq!(bench.fault().title.as_deref(), Some("busy"));
}

#[test]
fn a_result_that_does_not_fit_is_refused_and_the_attempt_goes_on() {
    let with = ", schema: {type: object, required: [text]}";
    let mut bench = Bench::run(&definition(with), json!({}));
    let mine = start(&mut bench);
    assert!(matches!(complete(&mut bench, &mine, json!([1])), Err(Reject::Unfit(why)) if why.contains("schema")));
    complete(&mut bench, &mine, json!({"text": ""})).unwrap();
    assert_eq!(bench.output(), json!({"text": ""}));
}

#[test]
fn what_is_given_up_is_withdrawn_once_and_what_failed_is_not() {
    let mut bench = Bench::run(&definition(""), json!({}));
    start(&mut bench);
    bench.send(Command::Cancel { by: "alice".into(), reason: "enough".into() }).unwrap();
    assert_eq!(bench.state.status, Status::Cancelled);
    assert_eq!(bench.kinds().iter().filter(|kind| **kind == "work.withdrawn").count(), 1);

    let mut bench = Bench::run(&definition(", retry: {attempts: 1}"), json!({}));
    let mine = start(&mut bench);
    fail(&mut bench, &mine, "no", true).unwrap();
    assert!(!bench.kinds().contains(&"work.withdrawn"));
}

#[test]
fn wrong_arguments_are_named() {
    let cases = [
        ("queue: 'a b'", "queue"),
        ("queue: q, priority: 10", "priority"),
        ("queue: q, timeouts: {start: PT1S}", "start_to_close"),
        ("queue: q, timeouts: {heartbeat: {milliseconds: 10}}", "heartbeat"),
        ("queue: q, timeouts: {start_to_close: {seconds: 0}}", "start_to_close"),
        ("queue: q, retry: {attempts: 0}", "attempts"),
        ("queue: q, retry: {backoff: fast}", "backoff"),
        ("queue: q, retry: {non_retryable: x}", "non_retryable"),
        ("queue: q, schema: {type: 7}", "schema"),
    ];
    for (with, named) in cases {
        let bench = Bench::run(&format!("do:\n  - w: {{call: orrery.work, with: {{{with}}}}}\n"), json!({}));
        let fault = bench.fault();
        assert!(fault.kind.ends_with("/validation"), "{with}: {fault:?}");
        assert!(fault.detail.as_deref().unwrap_or_default().contains(named), "{with}: {fault:?}");
    }
}

#[test]
fn a_pending_run_starts_when_its_turn_comes_and_can_be_cancelled_before() {
    let mut bench = Bench::new("do:\n  - s: {set: {x: 1}}\n", json!({}));
    bench.send(Command::Accept).unwrap();
    assert_eq!(bench.state.status, Status::Pending);
    assert!(bench.state.is_waiting() && !bench.state.is_over());
    assert_eq!(bench.send(Command::Accept), Err(Reject::Stale));
    bench.now.0 += 60_000;
    bench.send(Command::Start).unwrap();
    assert_eq!(bench.output(), json!({"x": 1}));
    assert_eq!(bench.state.started_at, bench.now);

    let mut bench = Bench::new("do:\n  - s: {set: {x: 1}}\n", json!({}));
    bench.send(Command::Accept).unwrap();
    bench.send(Command::Cancel { by: "alice".into(), reason: "enough".into() }).unwrap();
    assert_eq!(bench.state.status, Status::Cancelled);
    assert_eq!(bench.send(Command::Start), Err(Reject::Over));
}
