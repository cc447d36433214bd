//! The calls of the kernel over the bus.

use std::collections::HashSet;
use std::time::Duration;

use orrery_bus::{CallContext, ConsumerSpec, subjects, verbs};
use orrery_errors::ErrorCode;
use orrery_proof::facts::{StepCompleted, TaskClosed, kind};
use orrery_proto::v1::{AuditRecord, CancelTaskRequest, ListTasksRequest, TaskStatus};
use prost::Message as _;
use serde_json::{Value, json};

use crate::system::{System, alice, caller};

const GENERATE: &str = "do:
  - say: {call: orrery.generate, with: {messages: [{role: user, content: '${ .q }'}], max_tokens: 8, data_classes: [personal]}}
  - done: {set: {text: '${ .text }', generated: '${ .generated }', decision: settle, clause: H-2}}
";

#[tokio::test]
async fn a_task_runs_from_submission_to_a_complete_record() {
    let system = System::start().await;
    assert!(system.deploy("say", GENERATE).await.unwrap().created);
    assert!(!system.deploy("say", GENERATE).await.unwrap().created, "the same definition is there already");
    let changed = system.deploy("say", &GENERATE.replace("H-2", "H-3")).await.unwrap_err();
    assert_eq!(changed.code, ErrorCode::AlreadyExists);

    let task = system.submit("say", r#"{"q": "hello"}"#, "key-1").await.unwrap();
    let done = system.finished(&task.id).await;
    let output: Value = serde_json::from_str(&done.output_json).unwrap();
    assert_eq!(output["text"], json!("answer to /do/0/say"));
    assert_eq!(output["generated"], json!(true));

    let again = system.submit("say", r#"{"q": "hello"}"#, "key-1").await.unwrap();
    assert!(again.duplicate && again.id == task.id);
    let other = system.submit("say", r#"{"q": "bye"}"#, "key-1").await.unwrap_err();
    assert_eq!(other.code, ErrorCode::Conflict);

    let history = system.history(&task.id).await;
    let seqs: Vec<u64> = history.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=history.len() as u64).collect::<Vec<_>>());
    let kinds: HashSet<&str> = history.iter().map(|event| event.kind.as_str()).collect();
    for kind in ["task.started", "step.scheduled", "step.completed", "task.completed"] {
        assert!(kinds.contains(kind), "{kind} is missing in {kinds:?}");
    }
    the_audit_stream_holds_its_records(&system, &task.id).await;
}

async fn the_audit_stream_holds_its_records(system: &System, task: &str) {
    let audit = system.nats.connect("audit").await.unwrap();
    let spec = ConsumerSpec {
        stream: subjects::STREAM_AUDIT,
        durable: "audit-log",
        filter: subjects::audit_record("kernel"),
        ack_wait: Duration::from_secs(10),
        pending_max: 64,
    };
    let mut consumer = audit.consume(spec).await.unwrap();
    let mut records = Vec::new();
    while !records.iter().any(|record: &AuditRecord| record.kind == kind::TASK_COMPLETED) {
        let delivery = tokio::time::timeout(Duration::from_secs(10), consumer.next()).await.unwrap().unwrap().unwrap();
        records.push(AuditRecord::decode(delivery.payload()).unwrap());
        delivery.ack().await.unwrap();
    }
    assert!(records.iter().all(|record| record.task_id == task));
    let kinds: Vec<&str> = records.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, [kind::TASK_SUBMITTED, kind::STEP_COMPLETED, kind::TASK_COMPLETED]);
    let step: StepCompleted = serde_json::from_str(&records[1].facts_json).unwrap();
    assert_eq!((step.function.as_str(), step.decision_ids.len()), ("orrery.generate", 1));
    let closed: TaskClosed = serde_json::from_str(&records[2].facts_json).unwrap();
    assert_eq!(
        (closed.decision.as_deref(), closed.clause.as_deref(), closed.kernel_records),
        (Some("settle"), Some("H-2"), 3)
    );
    assert!(records.iter().all(|record| !record.facts_json.contains("hello")), "content reached the record");
}

#[tokio::test]
async fn identifiers_are_new_each_time_and_recorded() {
    let system = System::start().await;
    let body = "do:
  - a: {call: orrery.uuid, export: {as: '${ {a: .uuid} }'}}
  - b: {call: orrery.uuid, output: {as: '${ {a: $context.a, b: .uuid} }'}}
";
    system.deploy("ids", body).await.unwrap();
    let task = system.submit("ids", "{}", "").await.unwrap();
    let output: Value = serde_json::from_str(&system.finished(&task.id).await.output_json).unwrap();
    let (a, b) = (output["a"].as_str().unwrap(), output["b"].as_str().unwrap());
    assert!(a.len() == 36 && b.len() == 36 && a != b, "{a} {b}");
    let history = system.history(&task.id).await;
    assert!(
        history
            .iter()
            .any(|event| event.pointer == "/do/0/a" && event.kind == "step.completed" && event.data_json.contains(a))
    );
}

#[tokio::test]
async fn wrong_requests_get_typed_errors() {
    let system = System::start().await;
    let bad = system.deploy("bad", "do:\n  - a: {set: {x: 1}, then: nowhere}\n").await.unwrap_err();
    assert_eq!(bad.code, ErrorCode::InvalidDefinition);
    assert_eq!(bad.detail.unwrap()["problems"][0]["line"], json!(3));
    assert_eq!(system.submit("unknown", "{}", "").await.unwrap_err().code, ErrorCode::NotFound);
    system.deploy("say", GENERATE).await.unwrap();
    assert_eq!(system.submit("say", "{not json", "").await.unwrap_err().code, ErrorCode::InvalidRequest);
    assert_eq!(system.submit("say:9.9.9", "{}", "").await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(system.get("task_none").await.unwrap_err().code, ErrorCode::NotFound);
}

#[tokio::test]
async fn failures_that_pass_are_tried_again_and_others_reach_the_workflow() {
    let system = System::start().await;
    system.deploy("say", GENERATE).await.unwrap();
    system.router.0.lock().unwrap().failures = vec![ErrorCode::Overloaded, ErrorCode::Unavailable];
    let task = system.submit("say", r#"{"q": "x"}"#, "").await.unwrap();
    assert_eq!(system.finished(&task.id).await.status(), TaskStatus::Completed);
    assert_eq!(system.router.asked(), 3);

    system.router.0.lock().unwrap().failures = vec![ErrorCode::BudgetExceeded];
    let task = system.submit("say", r#"{"q": "x"}"#, "").await.unwrap();
    let failed = system.finished(&task.id).await;
    let error: Value = serde_json::from_str(&failed.error_json).unwrap();
    assert_eq!((&error["title"], &error["instance"]), (&json!("budget_exceeded"), &json!("/do/0/say")));
}

#[tokio::test]
async fn loops_cancellation_children_and_lists() {
    let system = System::start().await;
    let steps: String = (0..50).map(|n| format!("  - s{n}: {{set: {{x: 1}}}}\n")).collect();
    let endless = format!("do:\n{steps}  - again: {{switch: [{{yes: {{when: 'true', then: s0}}}}]}}\n");
    system.deploy("loop", &endless).await.unwrap();
    let looping = system.submit("loop", "{}", "").await.unwrap();

    system
        .deploy("child", "do:\n  - r: {call: orrery.register, with: {key: plate, value: '${ .plate }'}}\n")
        .await
        .unwrap();
    let parent = "do:\n  - r: {run: {workflow: {namespace: test, name: child, version: latest, input: {plate: X1}}}}\n";
    system.deploy("parent", parent).await.unwrap();
    let first = system.submit("parent", "{}", "").await.unwrap();
    let first = system.finished(&first.id).await;
    assert_eq!(first.output_json, r#"{"others":[]}"#);
    let second = system.submit("parent", "{}", "").await.unwrap();
    let second: Value = serde_json::from_str(&system.finished(&second.id).await.output_json).unwrap();
    assert_eq!(second["others"].as_array().unwrap().len(), 1, "the other task registered the same plate");

    system.deploy("sleep", "do:\n  - w: {wait: PT1H}\n").await.unwrap();
    let task = system.submit("sleep", "{}", "").await.unwrap();
    let request = CancelTaskRequest { caller: Some(alice()), task_id: task.id.clone(), reason: "enough".into() };
    let cancelled = system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &request).await.unwrap();
    assert_eq!(cancelled.status(), TaskStatus::Cancelled);
    let again = system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &request).await.unwrap();
    assert_eq!(again.status(), TaskStatus::Cancelled);

    let looping = system.finished(&looping.id).await;
    assert!(looping.error_json.contains("step_limit"), "{}", looping.error_json);

    let request = ListTasksRequest { caller: Some(alice()), limit: 2, ..ListTasksRequest::default() };
    let page = system.bus.call(verbs::kernel::LIST, &CallContext::default(), &request).await.unwrap();
    assert_eq!(page.tasks.len(), 2);
    assert!(!page.next_cursor.is_empty());
    let mut stranger = caller("eve", "admin");
    stranger.tenant = "other".into();
    let request = ListTasksRequest { caller: Some(stranger), ..ListTasksRequest::default() };
    let none = system.bus.call(verbs::kernel::LIST, &CallContext::default(), &request).await.unwrap();
    assert!(none.tasks.is_empty(), "another tenant sees nothing");
}
