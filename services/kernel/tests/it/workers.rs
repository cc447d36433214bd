//! Workers outside: the example in Python as it stands in the repository, and each refusal in both encodings.

use std::process::Command;
use std::time::Duration;

use async_nats::{HeaderMap, Request};
use orrery_bus::{Bus, CallContext, TenantVerb, verbs};
use orrery_config::Paths;
use orrery_proto::v1::{CancelTaskRequest, LeaseWorkReply, LeaseWorkRequest};
use orrery_testkit::{Process, eventually_within};
use orrery_types::TenantId;
use prost::Message as _;
use serde_json::{Value, json};

use crate::system::{System, WITHIN, alice};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/worker");

fn example_definition() -> String {
    let text = std::fs::read_to_string(format!("{EXAMPLE}/workflow.yaml")).unwrap();
    text[text.find("do:").unwrap()..].to_owned()
}

/// The example's worker, with its output in `name`.log of a folder of its own.
fn python_worker(system: &System, folder: &tempfile::TempDir, name: &str) -> Process {
    let packages = Paths::from_env().cache.join("python-clients");
    assert!(packages.join("nats").is_dir(), "nats-py is missing; run deploy/setup/python-clients.sh");
    let user = "tenant-acme";
    let mut command = Command::new("python3");
    command
        .arg("-u")
        .arg(format!("{EXAMPLE}/worker.py"))
        .args([system.nats.url(), user.to_owned(), system.nats.password(user), "acme".into(), "words".into()])
        .env("PYTHONPATH", packages);
    Process::start(command, &folder.path().join(format!("{name}.log"))).unwrap()
}

async fn printed(worker: &Process, line: &str) {
    let seen = || async { worker.log().contains(line).then_some(()) };
    assert!(eventually_within(WITHIN, seen).await.is_some(), "no {line:?} in {}", worker.log());
}

async fn kinds(system: &System, task: &str) -> Vec<String> {
    system.history(task).await.into_iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn a_python_worker_that_is_killed_is_followed_by_one_that_goes_on_where_it_was() {
    let mut system = System::start().await;
    let folder = tempfile::tempdir().unwrap();
    system.deploy("count", &example_definition()).await.unwrap();
    let first = python_worker(&system, &folder, "first");
    let quick = system.submit("count", r#"{"pages": ["a b c", "d"]}"#, "").await.unwrap();
    let output: Value = serde_json::from_str(&system.finished(&quick.id).await.output_json).unwrap();
    assert_eq!(output, json!({"words": 4, "pages": [3, 1]}), "{}", first.log());

    let wrong = system.submit("count", r#"{"sheets": []}"#, "").await.unwrap();
    let error: Value = serde_json::from_str(&system.finished(&wrong.id).await.error_json).unwrap();
    assert_eq!((&error["title"], &error["instance"]), (&json!("ValueError"), &json!("/do/0/count/try/0/ask")));
    assert_eq!(kinds(&system, &wrong.id).await.iter().filter(|kind| *kind == "work.started").count(), 1);

    // Four pages of two seconds: killed when the second is counted, and the heartbeats have said so.
    let slow = r#"{"pages": ["a", "b b", "c c c", "d d d d"], "seconds_per_page": 2}"#;
    let slow = system.submit("count", slow, "").await.unwrap();
    printed(&first, "details kept: [1, 2]").await;
    drop(first);
    // Meanwhile the bus forgets the announcements, and the kernel itself is killed.
    system.nats.kill().unwrap();
    system.nats.restart().await.unwrap();
    system.kill_kernel();
    system.start_kernel().await;
    let second = python_worker(&system, &folder, "second");
    let output: Value = serde_json::from_str(&system.finished(&slow.id).await.output_json).unwrap();
    assert_eq!(output, json!({"words": 10, "pages": [1, 2, 3, 4]}), "{}", second.log());
    let kinds = kinds(&system, &slow.id).await;
    let count = |kind: &str| kinds.iter().filter(|it| *it == kind).count();
    assert_eq!((count("work.started"), count("work.failed")), (2, 1), "{kinds:?}");
    let log = second.log();
    assert!(log.contains("counted page 3") && !log.contains("counted page 2"), "{log}");
}

async fn ask<Req, Rep>(bus: &Bus, verb: TenantVerb<Req, Rep>, body: Value) -> Result<Value, Value> {
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "application/json");
    let subject = verb.subject_of(&TenantId::new("acme").unwrap());
    let request = Request::new().headers(headers).payload(body.to_string().into());
    let reply = bus.client().send_request(subject, request).await.unwrap();
    let answer = serde_json::from_slice(&reply.payload).unwrap();
    match reply.headers.is_some_and(|headers| headers.get("Nats-Service-Error-Code").is_some()) {
        true => Err(answer),
        false => Ok(answer),
    }
}

/// The step of a queue, once it is there.
async fn lease(bus: &Bus, queue: &str) -> Value {
    let taken = || async {
        let reply = ask(bus, verbs::worker::LEASE, json!({"queue": queue, "worker": "test"})).await.unwrap();
        Some(reply["work"].clone()).filter(|work| !work.is_null())
    };
    eventually_within(WITHIN, taken).await.expect("a step")
}

fn refusal(answer: Result<Value, Value>) -> (String, String) {
    let error = answer.expect_err("a refusal");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&error["code"]), text(&error["detail"]["refusal"]))
}

#[tokio::test]
async fn what_may_not_end_a_step_gets_its_own_refusal() {
    let system = System::start().await;
    let worker = system.nats.connect("tenant-acme").await.unwrap();
    let body = "do:\n  - w: {call: orrery.work, with: {queue: q, input: '${ . }', schema: {type: object}, \
                timeouts: {start_to_close: PT2S}, retry: {delay: {milliseconds: 10}}}}\n";
    system.deploy("w", body).await.unwrap();
    let task = system.submit("w", r#"{"page": 1}"#, "").await.unwrap();
    let first = lease(&worker, "q").await;
    assert_eq!((&first["input"], &first["attempt"]), (&json!({"page": 1}), &json!(1)));
    let with = |work: &Value, more: Value| {
        let mut body = json!({"key": work["key"], "token": work["token"]});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        body
    };
    let complete = |body: Value| ask(&worker, verbs::worker::COMPLETE, body);
    let unknown = json!({"key": first["key"], "token": "1-0000", "output": {}});
    assert_eq!(refusal(complete(unknown.clone()).await), ("not_found".into(), "unknown_attempt".into()));
    let nothing = json!({"key": "task_x/do/0/1", "token": first["token"], "output": {}});
    assert_eq!(refusal(complete(nothing).await), ("not_found".into(), "unknown_attempt".into()));
    let unfit = with(&first, json!({"output": [1]}));
    assert_eq!(refusal(complete(unfit).await), ("invalid_request".into(), "schema".into()));
    let large = with(&first, json!({"output": {"text": "x".repeat(4 << 20)}}));
    assert_eq!(refusal(complete(large).await), ("payload_too_large".into(), "too_large".into()));

    // Its time runs out; the next attempt is another worker's.
    let second = lease(&worker, "q").await;
    assert_eq!(second["attempt"], json!(2));
    let late = with(&first, json!({"output": {}}));
    assert_eq!(refusal(complete(late).await), ("failed_precondition".into(), "late".into()));
    let beat = ask(&worker, verbs::worker::HEARTBEAT, with(&first, json!({}))).await;
    assert_eq!(refusal(beat), ("failed_precondition".into(), "late".into()));
    complete(with(&second, json!({"output": {"done": true}}))).await.unwrap();
    assert_eq!(system.finished(&task.id).await.output_json, r#"{"done":true}"#);
    let again = with(&second, json!({"output": {"done": false}}));
    assert_eq!(refusal(complete(again).await), ("conflict".into(), "duplicate".into()));

    // Cancelled: the heartbeat says so.
    let task = system.submit("w", "{}", "").await.unwrap();
    let third = lease(&worker, "q").await;
    let request = CancelTaskRequest { caller: Some(alice()), task_id: task.id.clone(), reason: "enough".into() };
    system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &request).await.unwrap();
    let beat = ask(&worker, verbs::worker::HEARTBEAT, with(&third, json!({}))).await.unwrap();
    assert_eq!(beat, json!({"cancelled": true}));
    let result = complete(with(&third, json!({"output": {}}))).await;
    assert_eq!(refusal(result), ("cancelled".into(), "cancelled".into()));
}

#[tokio::test]
async fn leases_go_by_priority_keep_the_queues_limit_and_speak_protobuf() {
    let config = "[kernel.fairness.queues.q]\nleases_max = 2\n";
    let system = System::start_with(None, config).await;
    let worker = system.nats.connect("tenant-acme").await.unwrap();
    let body = "do:\n  - w: {call: orrery.work, with: {queue: q, input: '${ .n }', priority: '${ .p }'}}\n";
    system.deploy("w", body).await.unwrap();
    for (number, priority) in [(1, 0), (2, 9), (3, 1)] {
        let input = json!({"n": number, "p": priority}).to_string();
        system.submit("w", &input, "").await.unwrap();
    }
    let acme = TenantId::new("acme").unwrap();
    let request = LeaseWorkRequest { queue: "q".into(), worker: "test".into() };
    let ask_once = || async {
        let subject = verbs::worker::LEASE.subject_of(&acme);
        let reply = worker.client().request(subject, request.encode_to_vec().into()).await.unwrap();
        LeaseWorkReply::decode(reply.payload).unwrap()
    };
    let (first, second, third) = (ask_once().await, ask_once().await, ask_once().await);
    assert_eq!((first.work.unwrap().input_json, second.work.unwrap().input_json), ("2".into(), "3".into()));
    assert!(third.work.is_none() && third.retry_after_ms > 0, "two are held, and the limit is two");

    // A worker reaches its own tenant only.
    let elsewhere = verbs::worker::LEASE.subject_of(&TenantId::new("other").unwrap());
    let request = Request::new().payload("".into()).timeout(Some(Duration::from_secs(1)));
    assert!(worker.client().send_request(elsewhere, request).await.is_err());
}
