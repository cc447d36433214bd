//! Workers outside: the example in Python as it stands in the repository, and each refusal in both encodings.

use std::process::Command;
use std::time::Duration;

use async_nats::{HeaderMap, Request};
use orrery_bus::{Bus, CallContext, TenantVerb, verbs};
use orrery_config::Paths;
use orrery_proto::v1::{CancelTaskRequest, LeaseWorkReply, LeaseWorkRequest};
use orrery_testkit::{Process, eventually_within};
use orrery_types::{Sha256Digest, TenantId};
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

/// A text as parts that have been stored.
async fn stored(worker: &Bus, work: &Value, text: &str) -> Value {
    let mut parts = Vec::new();
    for part in text.as_bytes().chunks(1 << 20) {
        let body = json!({"key": work["key"], "token": work["token"], "text": std::str::from_utf8(part).unwrap()});
        let reply = ask(worker, verbs::worker::STORE, body).await.unwrap();
        assert_eq!(reply["sha256"], json!(Sha256Digest::of(part).to_hex()));
        parts.push(reply["sha256"].clone());
    }
    json!({"parts": parts, "size_bytes": text.len(), "sha256": Sha256Digest::of(text.as_bytes()).to_hex()})
}

#[tokio::test]
async fn what_does_not_fit_into_a_message_goes_in_parts_both_ways() {
    let system = System::start().await;
    let worker = system.nats.connect("tenant-acme").await.unwrap();
    let body = "do:
  - text: {call: orrery.work, with: {queue: texts, schema: {type: object}}}
  - count: {call: orrery.work, with: {queue: words, input: '${ . }'}}
  - sum: {set: {words: '${ .words }', pages: '${ .text | length }'}}
";
    system.deploy("large", body).await.unwrap();
    let task = system.submit("large", "{}", "").await.unwrap();
    let work = lease(&worker, "texts").await;
    assert_eq!(work["input_content"], Value::Null, "what is small stands in the message");
    let page = "word ".repeat(600_000);
    let text = json!({"pages": [page, page], "with_text": true}).to_string();
    let content = stored(&worker, &work, &text).await;
    let complete = |content: &Value| {
        let body = json!({"key": work["key"], "token": work["token"], "output_content": content});
        ask(&worker, verbs::worker::COMPLETE, body)
    };
    let with = |field: &str, value: Value| {
        let mut content = content.clone();
        content[field] = value;
        content
    };

    // Nothing that is refused ends the step.
    let none = "0".repeat(64);
    let other = json!({"missing": "a text that only another tenant has"}).to_string();
    let other_digest = Sha256Digest::of(other.as_bytes()).to_hex();
    let elsewhere = TenantId::new("other").unwrap();
    let blobs = system.bus.blobs().await.unwrap();
    blobs.put(&elsewhere, other.as_bytes(), "application/json", "part").await.unwrap();
    for missing in [none.as_str(), other_digest.as_str(), "../other/x", ""] {
        let refused = complete(&with("parts", json!([missing]))).await;
        assert_eq!(refusal(refused), ("not_found".into(), "missing".into()), "{missing:?}");
        let body = json!({"key": work["key"], "token": work["token"], "sha256": missing});
        let refused = ask(&worker, verbs::worker::FETCH, body).await;
        assert_eq!(refusal(refused), ("not_found".into(), "missing".into()), "{missing:?}");
    }
    let digest = ("invalid_request".to_owned(), "digest".to_owned());
    assert_eq!(refusal(complete(&with("sha256", json!(none))).await), digest);
    assert_eq!(refusal(complete(&with("size_bytes", json!(text.len() - 1))).await), digest);
    assert_eq!(refusal(complete(&with("size_bytes", json!(text.len() + 1))).await), digest);
    let mut turned = content["parts"].as_array().unwrap().clone();
    turned.reverse();
    assert_eq!(refusal(complete(&with("parts", json!(turned))).await), digest);
    let too_large = ("payload_too_large".to_owned(), "too_large".to_owned());
    assert_eq!(refusal(complete(&with("size_bytes", json!((64 << 20) + 1))).await), too_large);
    assert_eq!(refusal(complete(&with("parts", json!(vec![none.as_str(); 129]))).await), too_large);
    let long = json!({"key": work["key"], "token": work["token"], "text": "x".repeat((1 << 20) + 1)});
    assert_eq!(refusal(ask(&worker, verbs::worker::STORE, long).await), too_large);
    let stranger = json!({"key": work["key"], "token": "1-0000", "text": "x"});
    let unknown = ("not_found".to_owned(), "unknown_attempt".to_owned());
    assert_eq!(refusal(ask(&worker, verbs::worker::STORE, stranger).await), unknown);
    let unfit = stored(&worker, &work, "[1]").await;
    assert_eq!(refusal(complete(&unfit).await), ("invalid_request".into(), "schema".into()));
    complete(&content).await.unwrap();
    assert_eq!(refusal(complete(&content).await), ("conflict".into(), "duplicate".into()));

    // The example takes it as its input, and gives back as much.
    let folder = tempfile::tempdir().unwrap();
    let python = python_worker(&system, &folder, "python");
    let done = system.finished(&task.id).await;
    let output: serde_json::Value = serde_json::from_str(&done.output_json).unwrap();
    assert_eq!(output, json!({"pages": 2, "words": 1_200_000}), "{}", python.log());
    assert!(python.log().contains("result stored in parts: 6"), "{}", python.log());
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
