//! Whole runs in one process, on a clock that skips.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Mutex;

use async_trait::async_trait;
use orrery_types::UnixMillis;
use serde_json::json;

use super::*;
use crate::domain::command::{Command, Reply, Signal};
use crate::domain::definition;
use crate::domain::effect::Call;
use crate::domain::fault::{Fault, Standard};
use crate::domain::review::Review;

/// Answers in turn; reviews are decided after an hour, if at all.
#[derive(Default)]
struct Script {
    answers: Mutex<Vec<Answer<Result<Reply, Fault>>>>,
    decision: Option<&'static str>,
}

#[async_trait]
impl Outside for Script {
    async fn call(&self, _run: &Run, _call: &Call) -> Answer<Result<Reply, Fault>> {
        self.answers.lock().unwrap().remove(0)
    }

    fn decide(&self, _run: &Run, _pointer: &str, _review: &Review) -> Vec<Answer<Verdict>> {
        let verdict = |decision: &str| Verdict {
            decision: decision.to_owned(),
            reason: "seen".into(),
            edits: Value::Null,
            by: None,
        };
        let answer = |value| Answer { after: Duration::from_secs(3_600), value };
        self.decision.map(|decision| answer(verdict(decision))).into_iter().collect()
    }
}

struct Shelf(Vec<Arc<Definition>>);

impl Library for Shelf {
    fn find(&self, namespace: &str, name: &str, _version: &str) -> Option<Arc<Definition>> {
        let fits = |it: &&Arc<Definition>| it.document.namespace == namespace && it.document.name == name;
        self.0.iter().find(fits).cloned()
    }
}

fn compile(name: &str, body: &str) -> Arc<Definition> {
    let text = format!("document: {{dsl: 1.0.0, namespace: test, name: {name}, version: 1.0.0}}\n{body}");
    Arc::new(definition::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

fn around(script: Script, shelf: Vec<Arc<Definition>>) -> Surroundings {
    Surroundings {
        clock: Arc::new(VirtualClock::at(UnixMillis(1_000_000))),
        outside: Arc::new(script),
        library: Arc::new(Shelf(shelf)),
        feed: Feed::default(),
        idle_max: None,
    }
}

async fn run_in(body: &str, input: Value, around: Surroundings) -> Outcome {
    let mut embedded = Embedded::new(Start::new(compile("sample", body), input), around).unwrap();
    embedded.run().await.unwrap();
    embedded.outcome()
}

fn pointers(outcome: &Outcome) -> Vec<&str> {
    outcome.tasks.iter().map(|pointer| &**pointer).collect()
}

fn answer(after_s: u64, value: Result<Value, Fault>) -> Answer<Result<Reply, Fault>> {
    let value = value.map(|output| Reply { output, decisions: Vec::new() });
    Answer { after: Duration::from_secs(after_s), value }
}

#[tokio::test]
async fn tasks_appear_in_the_order_in_which_they_ran() {
    let body = "do:
  - skipped: {if: 'false', set: {x: 0}}
  - loop:
      for: {in: '[1, 2, 3]'}
      do:
        - add: {set: '${ . + $item }'}
  - both:
      fork:
        branches:
          - left: {set: '${ 1 }'}
          - right: {do: [{inner: {set: '${ 2 }'}}]}
  - guarded:
      try: [{fails: {raise: {error: {type: 'https://x.org/e', status: 500}}}}]
      catch: {do: [{mend: {set: {mended: true}}}]}
";
    let outcome = run_in(body, json!(0), around(Script::default(), Vec::new())).await;
    assert_eq!(outcome.output, Some(json!({"mended": true})));
    let expected = [
        "/do/1/loop",
        "/do/1/loop/do/0/add",
        "/do/1/loop/do/0/add",
        "/do/1/loop/do/0/add",
        "/do/2/both",
        "/do/2/both/fork/branches/0/left",
        "/do/2/both/fork/branches/1/right",
        "/do/2/both/fork/branches/1/right/do/0/inner",
        "/do/3/guarded",
        "/do/3/guarded/try/0/fails",
        "/do/3/guarded/catch/do/0/mend",
    ];
    assert_eq!(pointers(&outcome), expected);
}

#[tokio::test]
async fn retries_and_timers_take_no_time_on_a_clock_that_skips() {
    let body = "do:
  - pause: {wait: P30D}
  - guarded:
      try: [{ask: {call: orrery.generate, with: {messages: []}}}]
      catch: {retry: {delay: PT1H, backoff: {exponential: {}}, limit: {attempt: {count: 5}}}}
";
    let failed = || answer(0, Err(Fault::new(Standard::Communication, "down")));
    let answers = vec![failed(), failed(), answer(10, Ok(json!({"text": "hello"})))];
    let script = Script { answers: Mutex::new(answers), decision: None };
    let outcome = run_in(body, json!({}), around(script, Vec::new())).await;
    assert_eq!(outcome.output, Some(json!({"text": "hello"})));
    assert_eq!(outcome.elapsed, Duration::from_secs(30 * 86_400 + 3_600 + 7_200 + 10));
    assert_eq!(pointers(&outcome).iter().filter(|it| it.ends_with("/ask")).count(), 3);
}

#[tokio::test]
async fn an_answer_after_the_steps_time_is_a_timeout() {
    let body = "do:\n  - ask: {call: orrery.generate, with: {messages: []}, timeout: {after: PT5S}}\n";
    let script = Script { answers: Mutex::new(vec![answer(6, Ok(json!(1)))]), decision: None };
    let outcome = run_in(body, json!({}), around(script, Vec::new())).await;
    assert_eq!(outcome.status, RunStatus::Faulted);
    assert!(outcome.error.unwrap().kind.ends_with("timeout"));
    assert_eq!(outcome.elapsed, Duration::from_secs(5));
}

const REVIEW: &str = "do:\n  - look: {call: orrery.human, with: {title: Sure?, roles: [boss], due: PT8H}}\n";

#[tokio::test]
async fn a_review_is_decided_or_waited_for() {
    let script = Script { decision: Some("approve"), ..Script::default() };
    let outcome = run_in(REVIEW, json!({}), around(script, Vec::new())).await;
    assert_eq!(outcome.output.unwrap()["decision"], "approve");
    assert_eq!(outcome.elapsed, Duration::from_secs(3_600));

    let impatient = Surroundings { idle_max: Some(Duration::from_secs(60)), ..around(Script::default(), Vec::new()) };
    let outcome = run_in(REVIEW, json!({}), impatient).await;
    assert_eq!(outcome.status, RunStatus::Waiting);
    assert_eq!(outcome.waiting[0].awaited, Awaited::Review);
    assert_eq!(outcome.waiting[0].task, "/do/0/look");

    let script = Script { decision: Some("no-such-decision"), ..Script::default() };
    let outcome = run_in(REVIEW, json!({}), around(script, Vec::new())).await;
    assert!(outcome.refusals[0].contains("no-such-decision"), "{:?}", outcome.refusals);
    assert!(outcome.error.unwrap().kind.ends_with("timeout"), "nobody decided before it was due");
}

#[tokio::test]
async fn sub_workflows_come_from_the_library() {
    let body = "do:
  - call: {run: {workflow: {namespace: test, name: double, version: 1.0.0, input: {n: '${ .n }'}}}}
  - later: {run: {workflow: {namespace: test, name: double, version: latest, input: {n: 0}}, await: false}}
";
    let double = compile("double", "do:\n  - nap: {wait: PT1S}\n  - twice: {set: {n: '${ .n * 2 }'}}\n");
    let outcome = run_in(body, json!({"n": 4}), around(Script::default(), vec![double])).await;
    assert_eq!(outcome.output, Some(json!({"n": 8})));
    assert_eq!(pointers(&outcome), ["/do/0/call", "/do/1/later"]);

    let outcome = run_in(body, json!({"n": 4}), around(Script::default(), Vec::new())).await;
    let error = outcome.error.unwrap();
    assert_eq!(error.title.as_deref(), Some("not_found"));
    assert_eq!(error.instance.as_deref(), Some("/do/0/call"));
}

#[tokio::test]
async fn an_endless_recursion_of_workflows_ends() {
    let body = "do:\n  - again: {run: {workflow: {namespace: test, name: sample, version: 1.0.0}}}\n";
    let outcome = run_in(body, json!({}), around(Script::default(), vec![compile("sample", body)])).await;
    assert!(outcome.error.unwrap().detail.unwrap().contains("levels deep"));
}

#[tokio::test]
async fn a_run_can_be_cancelled_while_it_waits() {
    let patient = Surroundings { clock: Arc::new(SystemClock::start()), ..around(Script::default(), Vec::new()) };
    let start = Start::new(compile("sample", "do:\n  - pause: {wait: P1D}\n"), json!({}));
    let mut embedded = Embedded::new(start, patient).unwrap();
    let stopped = tokio::time::timeout(Duration::from_millis(20), embedded.run()).await;
    assert!(stopped.is_err(), "the wait was not waited for");
    embedded.cancel("enough").await.unwrap();
    assert_eq!(embedded.outcome().status, RunStatus::Cancelled);
}

#[tokio::test]
async fn an_input_that_is_too_long_is_refused() {
    let start = Start::new(compile("sample", "do: []\n"), json!("x".repeat(600_000)));
    let refused = Embedded::new(start, around(Script::default(), Vec::new())).unwrap_err();
    assert!(refused.to_string().contains("keep less in it"));
}

#[tokio::test]
async fn an_event_reaches_the_listeners_of_the_same_process() {
    let body = "do:
  - f:
      fork:
        branches:
          - l: {listen: {to: {one: {with: {type: paid}}}}}
          - e: {do: [{w: {wait: PT1S}}, {s: {emit: {event: {with: {source: 'https://e.com', type: paid, data: {n: 1}}}}}}]}
";
    let outcome = run_in(body, json!({}), around(Script::default(), Vec::new())).await;
    assert_eq!(outcome.output.unwrap()[0], json!([{"n": 1}]));
}

#[tokio::test]
async fn the_wrapper_of_an_extended_task_is_no_task_of_its_own() {
    let body = "use: {extensions: [{log: {extend: set, before: [{b: {wait: PT1S}}]}}]}\ndo:\n  - s: {set: {n: 1}}\n";
    let outcome = run_in(body, json!({}), around(Script::default(), Vec::new())).await;
    assert_eq!(pointers(&outcome), ["/use/extensions/0/log/before/0/b", "/do/0/s"]);
}

const LISTENER: &str = "do:
  - ask: {run: {workflow: {namespace: test, name: greeter, version: 1.0.0}, await: false}}
  - both: {listen: {to: {all: [{with: {type: org.greeted}}, {with: {type: org.left}}]}}}
";

#[tokio::test]
async fn events_come_from_other_runs_and_from_outside() {
    let greeter = "do:\n  - nap: {wait: PT1S}\n  - greet: {emit: {event: {with: {source: 'https://e.org', type: org.greeted, data: hello}}}}\n";
    let left = json!({"specversion": "1.0", "id": "1", "source": "https://e.org", "type": "org.left", "data": "bye"});
    let feed = Feed(vec![(Duration::ZERO, Command::Event { event: Arc::new(left) })]);
    let world = Surroundings { feed, ..around(Script::default(), vec![compile("greeter", greeter)]) };
    let outcome = run_in(LISTENER, json!({}), world).await;
    assert_eq!(outcome.status, RunStatus::Completed, "{outcome:?}");
    let mut heard: Vec<Value> = outcome.output.unwrap().as_array().unwrap().clone();
    heard.sort_by_key(ToString::to_string);
    assert_eq!(heard, [json!("bye"), json!("hello")]);
    assert_eq!(outcome.elapsed, Duration::from_secs(1));
}

#[tokio::test]
async fn a_listen_hears_signals_to_its_run() {
    let signal = |name: &str| Signal {
        key: String::new(),
        name: name.into(),
        payload: Arc::new(json!({"n": 1})),
        by: "bob".into(),
    };
    let feed = Feed(vec![
        (Duration::ZERO, Command::Signal(Box::new(signal("other")))),
        (Duration::from_secs(60), Command::Signal(Box::new(signal("go")))),
    ]);
    let world = Surroundings { feed, ..around(Script::default(), Vec::new()) };
    let body = "do:\n  - l: {listen: {to: {one: {with: {type: orrery.signal.go}}}}}\n";
    let outcome = run_in(body, json!({}), world).await;
    assert_eq!((outcome.output, outcome.elapsed), (Some(json!([{"n": 1}])), Duration::from_secs(60)));
}

#[tokio::test]
async fn an_event_that_nobody_emits_is_waited_for() {
    let greeter = compile("greeter", "do: []\n");
    let outcome = run_in(LISTENER, json!({}), around(Script::default(), vec![greeter])).await;
    assert_eq!(outcome.status, RunStatus::Waiting);
    assert_eq!(outcome.waiting[0].awaited, Awaited::Event);
    assert!(outcome.waiting[0].detail.contains("org.greeted"), "{:?}", outcome.waiting);
}
