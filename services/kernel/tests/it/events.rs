//! Events and schedules on the real kernel: what one workflow emits or another system publishes reaches every listener once,
//! and what is scheduled starts once, whatever happens to the process in between.

use std::time::Duration;

use orrery_bus::{CallContext, subjects, verbs};
use orrery_proto::v1::{ListTasksRequest, Task, TaskStatus};
use orrery_testkit::{PostgresServer, eventually_within};
use serde_json::{Value, json};

use crate::system::{System, WITHIN, alice};

const LISTEN: &str = "do:
  - paid: {listen: {to: {one: {with: {type: shop.paid}, correlate: {order: {from: .data.order, expect: '${ .order }'}}}}}}
  - sent: {listen: {to: {one: {with: {type: shop.sent}}}, read: envelope}}
  - both: {set: {paid: '${ $input }', sent: '${ .[0].data }'}}
";
const EMIT: &str = "do:
  - e: {emit: {event: {with: {source: 'https://shop.example', type: shop.paid, data: {order: '${ .order }'}}}}}
";

async fn tasks(system: &System, workflow: &str) -> Vec<Task> {
    let request = ListTasksRequest {
        caller: Some(alice()),
        workflow: workflow.into(),
        limit: 100,
        ..ListTasksRequest::default()
    };
    let context = CallContext::within(Duration::from_secs(3));
    match system.bus.call(verbs::kernel::LIST, &context, &request).await {
        Ok(reply) => reply.tasks,
        Err(_) => Vec::new(),
    }
}

async fn at_least(system: &System, workflow: &str, count: usize) -> Vec<Task> {
    let enough = || async { Some(tasks(system, workflow).await).filter(|tasks| tasks.len() >= count) };
    eventually_within(WITHIN, enough).await.unwrap_or_else(|| panic!("{workflow} did not start {count} times"))
}

/// Another system of the tenant publishes an event.
async fn publish(system: &System, id: &str, kind: &str, data: &Value) {
    let event =
        json!({"specversion": "1.0", "id": id, "source": "https://carrier.example", "type": kind, "data": data});
    let bus = system.nats.connect("tenant-acme").await.unwrap();
    // Two messages with one CloudEvent: listeners, not the stream, have to notice.
    for copy in 0..2 {
        let subject = subjects::event("acme", "parcel", "moved");
        bus.publish_durable(subject, &format!("{id}/{copy}"), event.to_string().into_bytes()).await.unwrap();
    }
}

async fn waits_at(system: &System, task: &str, pointer: &str) {
    let waits = || async { system.get(task).await.ok()?.active.iter().any(|at| at == pointer).then_some(()) };
    eventually_within(WITHIN, waits).await.unwrap_or_else(|| panic!("{task} does not wait at {pointer}"));
}

#[tokio::test]
async fn events_reach_every_listener_once_through_crashes() {
    each_listener_once(System::start().await).await;
}

#[tokio::test]
async fn events_reach_every_listener_once_on_postgresql() {
    let postgres = PostgresServer::start().await.unwrap();
    each_listener_once(System::start_on(Some(postgres.url())).await).await;
}

async fn each_listener_once(mut system: System) {
    system.deploy("listen", LISTEN).await.unwrap();
    system.deploy("emit", EMIT).await.unwrap();
    let mut listeners = Vec::new();
    for order in [1, 2] {
        let task = system.submit("listen", &json!({"order": order}).to_string(), "").await.unwrap();
        waits_at(&system, &task.id, "/do/0/paid").await;
        listeners.push(task.id);
    }
    // The start is durable; the event may or may not have left the outbox.
    system.submit("emit", r#"{"order": 1}"#, "").await.unwrap();
    system.kill_kernel();
    system.start_kernel().await;
    waits_at(&system, &listeners[0], "/do/1/sent").await;
    waits_at(&system, &listeners[1], "/do/0/paid").await;
    system.submit("emit", r#"{"order": 2}"#, "").await.unwrap();
    waits_at(&system, &listeners[1], "/do/1/sent").await;
    // Published while no kernel runs.
    system.kill_kernel();
    publish(&system, "parcel-1", "shop.sent", &json!({"parcel": 9})).await;
    system.start_kernel().await;
    for task in &listeners {
        let done = system.finished(task).await;
        let output: Value = serde_json::from_str(&done.output_json).unwrap();
        assert_eq!(output["sent"], json!({"parcel": 9}));
        let consumed = system.history(task).await.iter().filter(|event| event.kind == "event.consumed").count();
        assert_eq!(consumed, 2, "each event was taken once");
    }
    // Nobody may speak in the platform's name.
    let other = system.nats.connect("tenant-acme").await.unwrap();
    let forged = other.publish_durable(subjects::event("acme", "task", "completed"), "x", b"{}".to_vec());
    assert!(tokio::time::timeout(Duration::from_secs(2), forged).await.map_or(true, |sent| sent.is_err()));
}

#[tokio::test]
async fn schedules_start_their_workflows_once() {
    each_schedule_once(System::start().await).await;
}

#[tokio::test]
async fn schedules_start_their_workflows_once_on_postgresql() {
    let postgres = PostgresServer::start().await.unwrap();
    each_schedule_once(System::start_on(Some(postgres.url())).await).await;
}

async fn each_schedule_once(mut system: System) {
    let body = "do:\n  - s: {set: {got: '${ $workflow.input }'}}\n";
    system.deploy("on", &format!("schedule: {{on: {{one: {{with: {{type: shop.sent}}}}}}}}\n{body}")).await.unwrap();
    system.deploy("every", &format!("schedule: {{every: {{milliseconds: 300}}}}\n{body}")).await.unwrap();
    system.deploy("after", &format!("schedule: {{after: {{milliseconds: 200}}}}\n{body}")).await.unwrap();
    system.deploy("nightly", &format!("schedule: {{cron: 0 0 * * *}}\n{body}")).await.unwrap();

    publish(&system, "parcel-2", "shop.sent", &json!({"parcel": 1})).await;
    at_least(&system, "on", 1).await;
    let before = at_least(&system, "every", 3).await.len();
    system.kill_kernel();
    system.start_kernel().await;
    at_least(&system, "every", before + 2).await;
    let again = at_least(&system, "after", 3).await;
    assert!(again.iter().filter(|task| task.status() != TaskStatus::Completed).count() <= 1, "one at a time");

    let on = tasks(&system, "on").await;
    assert_eq!(on.len(), 1, "one event, delivered twice, starts one run");
    assert_eq!(on[0].submitted_by, "alice");
    let output: Value = serde_json::from_str(&system.finished(&on[0].id).await.output_json).unwrap();
    assert_eq!((&output["got"][0]["type"], &output["got"][0]["data"]), (&json!("shop.sent"), &json!({"parcel": 1})));
    assert!(tasks(&system, "nightly").await.is_empty());
}
