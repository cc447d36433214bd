//! Runs that would go on for ever, too long, or cost too much.

use std::time::Duration;

use orrery_testkit::eventually_within;
use orrery_types::UnixMillis;
use serde_json::{Value, json};

use super::media::speech;
use super::{HELLO, READ};
use crate::live::{Live, example, id};

const ENDLESS: &str = "document: {dsl: 1.0.0, namespace: test, name: endless, version: 1.0.0}
do:
  - count: {set: {n: 1}}
  - again: {switch: [{more: {when: .n == 1, then: count}}]}
";
const PATIENT: &str = "document: {dsl: 1.0.0, namespace: test, name: patient, version: 1.0.0}
do:
  - sleep: {wait: {hours: 1}}
";
const WRITE: &str = "document: {dsl: 1.0.0, namespace: test, name: write, version: 1.0.0}
do:
  - it: {call: orrery.generate, with: {messages: [{role: user, content: hello}], max_tokens: 5, data_classes: [personal]}}
";
/// Long enough to keep two cores busy while a short note is read.
const LONG_SECONDS: usize = 9 * 60;
const STOPPED_WITHIN: Duration = Duration::from_secs(90);

pub async fn without_an_end_are_stopped(live: &Live) {
    live.deploy(ENDLESS, &live.admin).await;
    let (code, message) = live.fault("endless", Vec::new()).await;
    assert_eq!(code, "step_limit");
    assert!(message.contains("endless loop"), "{message}");
}

pub async fn past_their_deadline_are_stopped(live: &Live) {
    live.deploy(PATIENT, &live.admin).await;
    let deadline = UnixMillis::now().saturating_add(Duration::from_secs(3));
    let body = json!({"workflow": "patient", "deadline": deadline.to_string()});
    let (status, task) = live.post("/v1/tasks", &live.admin, &body).await;
    assert_eq!(status, 201, "{task}");
    let over = eventually_within(Duration::from_secs(60), || async {
        let task = live.task(&id(&task), &live.admin).await;
        (task["status"] == "faulted").then_some(())
    });
    assert!(over.await.is_some(), "{}", live.task(&id(&task), &live.admin).await);
    let (code, message) = live.fault_of(&id(&task), &live.admin).await;
    assert_eq!(code, "timeout");
    assert!(message.contains("deadline"), "{message}");
}

pub async fn beyond_the_budget_are_refused(live: &Live) {
    let tenant = live.post("/v1/admin/tenants", &live.admin, &json!({"id": "frugal"})).await;
    assert_eq!(tenant.0, 201, "{}", tenant.1);
    let frugal = live.key("frugal", "fred", &["admin"]).await;
    for definition in [WRITE, HELLO, READ] {
        live.deploy(definition, &frugal).await;
    }
    let request = live.request(reqwest::Method::PUT, "/v1/budget", &frugal).json(&json!({"limit_nanos": 1}));
    assert!(request.send().await.unwrap().status().is_success());
    let (status, task) = live.send("write", Vec::new(), &frugal).await;
    assert_eq!(status, 201, "{task}");
    let (code, message) = live.fault_of(&id(&task), &frugal).await;
    assert_eq!(code, "budget_exceeded", "{message}");
    let of_the_budget = |record: &Value| record["calls"][0]["outcome"] == "budget_exceeded";
    live.explained(&id(&task), &frugal, of_the_budget).await;

    let question = json!({"model": "auto", "messages": [{"role": "user", "content": "hello"}]});
    let refused = live.post("/v1/chat/completions", &frugal, &question).await;
    assert_eq!((refused.0, &refused.1["error"]["code"]), (402, &json!("insufficient_quota")), "{}", refused.1);
    // What costs nothing still runs, and who has a budget is not held up.
    let (_, task) = live.send("hello", Vec::new(), &frugal).await;
    assert_eq!(live.settled(&id(&task), &frugal).await["status"], "completed");
}

pub async fn of_a_long_recording_hold_nobody_up(live: &Live) {
    let long = live.submit("read", vec![("file", "audio/wav", speech(LONG_SECONDS))]).await;
    let note = std::fs::read(example().join("packets/C001/note.wav")).unwrap();
    let short = live.submit("read", vec![("file", "audio/wav", note)]).await;
    let short = live.settled(&short, &live.admin).await;
    assert_eq!(short["status"], "completed", "{short}");
    let under_way = live.task(&long, &live.admin).await;
    assert_eq!(under_way["status"], "running", "the long one was over before the short one: {under_way}");

    // Whoever cancels frees the machine.
    let (status, cancelled) = live.post(&format!("/v1/tasks/{long}/cancel"), &live.admin, &json!({})).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")), "{cancelled}");
    let admin = crate::command::process_state(live.data.path(), "inference");
    let metrics = format!("{}/metrics", admin["listen"].as_str().unwrap());
    let stopped = eventually_within(STOPPED_WITHIN, || async {
        let metrics = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        let runs = metrics.lines().find(|line| line.contains("run_seconds_count") && line.contains("long-speech"));
        runs.map(str::to_owned)
    });
    assert!(stopped.await.is_some(), "the transcription goes on for nobody");
}
