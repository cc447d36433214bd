//! What the services stand on is killed, or hangs, while tasks are under way: it is put back, and no task is lost.

use std::time::Duration;

use nix::sys::signal::Signal;
use orrery_testkit::eventually_within;
use serde_json::{Value, json};

use crate::live::{Live, assert_refused, id, packet};

/// From the kill to the child being ready again.
const MENDED_WITHIN: Duration = Duration::from_secs(60);
/// A child is found to hang, killed, and put back.
const UNSTUCK_WITHIN: Duration = Duration::from_secs(120);

const WRITE: &str = "document: {dsl: 1.0.0, namespace: test, name: write, version: 1.0.0}
do:
  - it: {call: orrery.generate, with: {messages: [{role: user, content: hello}], max_tokens: 5, data_classes: [personal]}}
";

#[actix_rt::test]
async fn killed_servers_and_a_service_that_hangs_are_mended_and_no_task_is_lost() {
    let live = Live::start().await;
    live.deploy(WRITE, &live.admin).await;
    live.deploy_claims().await;
    a_bus_that_is_killed_loses_no_task(&live).await;
    budgets_hold_without_redis(&live).await;
    a_service_that_hangs_is_started_again(&live).await;
}

async fn a_bus_that_is_killed_loses_no_task(live: &Live) {
    let mut tasks = vec![live.submit("intake", packet("C001")).await, live.submit("intake", packet("C006")).await];
    // In the middle of reading: nothing of what is under way has been answered yet.
    let reading = eventually_within(MENDED_WITHIN, || async {
        let active = live.task(&tasks[0], &live.admin).await["active"].to_string();
        active.contains("readForm").then_some(())
    });
    assert!(reading.await.is_some());
    let killed = live.signal("nats", Signal::SIGKILL);
    // A client learns at once that it must wait, or gets through because all is well again.
    let (status, failed) = live.post("/v1/tasks", &live.admin, &json!({"workflow": "write"})).await;
    match status {
        201 => tasks.push(id(&failed)),
        _ => assert_refused(&(status, failed), 503, "unavailable"),
    }
    live.mended("nats", killed, MENDED_WITHIN).await;
    for task in &tasks {
        let settled = live.settled(task, &live.admin).await;
        assert!(matches!(settled["status"].as_str(), Some("completed" | "waiting")), "{settled}");
        let decided_or_asked = |record: &Value| record["complete"] == true || record["reviews"][0].is_object();
        live.explained(task, &live.admin, decided_or_asked).await;
    }
}

async fn budgets_hold_without_redis(live: &Live) {
    let limit = json!({"limit_nanos": 1_000_000_000_u64});
    let request = live.request(reqwest::Method::PUT, "/v1/budget", &live.admin).json(&limit);
    assert!(request.send().await.unwrap().status().is_success());
    let killed = live.signal("redis", Signal::SIGKILL);
    let task = live.submit("write", Vec::new()).await;
    live.mended("redis", killed, MENDED_WITHIN).await;
    let settled = live.settled(&task, &live.admin).await;
    assert_eq!(settled["status"], "completed", "{settled}");
    let (_, spend) = live.get("/v1/spend", &live.admin).await;
    assert_eq!(spend["limit_nanos"], limit["limit_nanos"], "{spend}");
    assert!(spend["spent_nanos"].as_u64().unwrap() > 0, "what was spent before is forgotten: {spend}");
}

async fn a_service_that_hangs_is_started_again(live: &Live) {
    let hung = live.signal("kernel", Signal::SIGSTOP);
    let mended = live.mended("kernel", hung, UNSTUCK_WITHIN).await;
    assert!(mended["last_fault"].as_str().unwrap().contains("kernel hangs"), "{mended}");
    let task = live.submit("write", Vec::new()).await;
    assert_eq!(live.settled(&task, &live.admin).await["status"], "completed");
}
