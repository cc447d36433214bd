//! Control of runs over the bus, on the real process and database.

use std::collections::HashMap;

use futures::StreamExt as _;
use orrery_bus::{CallContext, Verb, subjects, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    CancelTaskRequest, ListTasksRequest, MigrateTaskRequest, PauseRequest, PauseTarget, QueryTaskRequest,
    RestartTaskRequest, ResumeRequest, SignalTaskRequest, StartTaskRequest, Task, TaskStatus, pause_target::Kind,
};
use orrery_testkit::eventually_within;
use serde_json::{Value, json};

use crate::system::{System, WITHIN, alice, caller};

fn message(task: &str, name: &str, payload: &str, key: &str) -> SignalTaskRequest {
    SignalTaskRequest {
        caller: Some(alice()),
        task_id: task.into(),
        name: name.into(),
        payload_json: payload.into(),
        idempotency_key: key.into(),
    }
}

async fn signal(system: &System, request: SignalTaskRequest) -> Result<Task, Error> {
    system.bus.call(verbs::kernel::SIGNAL, &CallContext::default(), &request).await
}

async fn query(system: &System, task: &str, name: &str) -> Result<Value, Error> {
    let request = QueryTaskRequest {
        caller: Some(alice()),
        task_id: task.into(),
        name: name.into(),
        payload_json: String::new(),
    };
    let reply = system.bus.call(verbs::kernel::QUERY, &CallContext::default(), &request).await?;
    Ok(serde_json::from_str(&reply.result_json).unwrap())
}

async fn pause(system: &System, kind: Kind) -> Result<bool, Error> {
    let target = Some(PauseTarget { kind: Some(kind) });
    let request = PauseRequest { caller: Some(alice()), target, reason: "look".into() };
    Ok(system.bus.call(verbs::kernel::PAUSE, &CallContext::default(), &request).await?.changed)
}

async fn resume(system: &System, kind: Kind) -> Result<bool, Error> {
    let request = ResumeRequest { caller: Some(alice()), target: Some(PauseTarget { kind: Some(kind) }) };
    Ok(system.bus.call(verbs::kernel::RESUME, &CallContext::default(), &request).await?.changed)
}

async fn restart(
    system: &System,
    verb: Verb<RestartTaskRequest, Task>,
    task: &str,
    pointer: &str,
) -> Result<Task, Error> {
    let request = RestartTaskRequest {
        caller: Some(alice()),
        task_id: task.into(),
        pointer: pointer.into(),
        reason: "again".into(),
        ..RestartTaskRequest::default()
    };
    system.bus.call(verb, &CallContext::default(), &request).await
}

/// Until a run stands at some steps.
async fn stands_at(system: &System, task: &str, active: &[&str]) {
    let stands = || async { (system.get(task).await.ok()?.active == active).then_some(()) };
    let stood = eventually_within(WITHIN, stands).await;
    assert!(stood.is_some(), "{task} does not stand at {active:?}: {:?}", system.get(task).await);
}

#[tokio::test]
async fn signals_updates_and_queries_reach_a_run_across_a_restart() {
    let mut system = System::start().await;
    let body = "do:
  - first: {call: orrery.signal, with: {name: go}, export: {as: '{went: .payload}'}}
  - hold: {wait: PT1H}
";
    let source = format!(
        "document:
  dsl: 1.0.0
  namespace: test
  name: talk
  version: 1.0.0
  metadata:
    orrery.queries: {{went: .went}}
    orrery.updates: {{go: {{schema: {{type: integer}}, accept: 'if $payload > 9 then \"at most 9\" else true end', result: .went}}}}
{body}"
    );
    let deploy = orrery_proto::v1::DeployRequest { caller: Some(alice()), source };
    system.bus.call(verbs::kernel::DEPLOY, &CallContext::default(), &deploy).await.unwrap();
    let task = system.submit("talk", "{}", "").await.unwrap().id;

    signal(&system, message(&task, "early", "1", "k")).await.unwrap();
    signal(&system, message(&task, "early", "1", "k")).await.unwrap();
    let reused = signal(&system, message(&task, "early", "2", "k")).await.unwrap_err();
    assert_eq!(reused.code, ErrorCode::Conflict);
    let large = signal(&system, message(&task, "early", &json!("x".repeat(300_000)).to_string(), "")).await;
    assert_eq!(large.unwrap_err().code, ErrorCode::PayloadTooLarge);
    assert_eq!(signal(&system, message("task_none", "go", "1", "")).await.unwrap_err().code, ErrorCode::NotFound);
    let mut stranger = message(&task, "go", "1", "");
    stranger.caller.as_mut().unwrap().tenant = "other".into();
    assert_eq!(signal(&system, stranger).await.unwrap_err().code, ErrorCode::NotFound);

    system.kill_kernel();
    system.start_kernel().await;
    assert_eq!(query(&system, &task, "").await.unwrap()["signals"], json!(["early"]), "it is kept once");
    let update = |payload: &'static str| {
        let request = message(&task, "go", payload, "");
        let bus = system.bus.clone();
        async move { bus.call(verbs::kernel::UPDATE, &CallContext::default(), &request).await }
    };
    let refused = update("10").await.unwrap_err();
    assert_eq!(
        (refused.code, refused.detail.unwrap()["reasons"][0].clone()),
        (ErrorCode::FailedPrecondition, json!("at most 9"))
    );
    assert_eq!(update("7").await.unwrap().result_json, "7");
    assert_eq!(query(&system, &task, "went").await.unwrap(), json!(7));
    assert_eq!(query(&system, &task, "nope").await.unwrap_err().code, ErrorCode::InvalidRequest);

    let cancel = CancelTaskRequest { caller: Some(alice()), task_id: task.clone(), reason: "done".into() };
    system.bus.call(verbs::kernel::TERMINATE, &CallContext::default(), &cancel).await.unwrap();
    assert_eq!(query(&system, &task, "").await.unwrap()["status"], json!("terminated"));
    let over = signal(&system, message(&task, "go", "1", "")).await.unwrap_err();
    assert_eq!(over.code, ErrorCode::FailedPrecondition);
}

async fn listed(system: &System, status: TaskStatus) -> Vec<String> {
    let statuses = vec![status.into()];
    let request = ListTasksRequest { caller: Some(alice()), statuses, ..ListTasksRequest::default() };
    let reply = system.bus.call(verbs::kernel::LIST, &CallContext::default(), &request).await.unwrap();
    reply.tasks.into_iter().map(|task| task.id).collect()
}

#[tokio::test]
async fn a_listen_hears_a_signal_and_an_event_through_a_crash() {
    let mut system = System::start().await;
    let body = "do:
  - l: {listen: {to: {all: [{with: {type: orrery.signal.go}}, {with: {type: shop.paid}}]}}}
";
    system.deploy("both", body).await.unwrap();
    system
        .deploy("pay", "do:\n  - e: {emit: {event: {with: {source: 'https://e.org', type: shop.paid, data: 2}}}}\n")
        .await
        .unwrap();
    let task = system.submit("both", "{}", "").await.unwrap().id;
    stands_at(&system, &task, &["/do/0/l"]).await;
    signal(&system, message(&task, "go", "1", "k")).await.unwrap();
    system.kill_kernel();
    system.start_kernel().await;
    signal(&system, message(&task, "go", "1", "k")).await.unwrap();
    system.submit("pay", "{}", "").await.unwrap();
    assert_eq!(system.finished(&task).await.output_json, "[1,2]");
}

const RESERVE: &str = "do:
  - seat:
      call: orrery.register
      with: {key: seat, value: '${ .seat }'}
      metadata:
        orrery.compensate:
          do: [{undo: {call: orrery.register, with: {key: undone, value: '${ $step.input.seat }'}}}]
  - hold: {wait: PT1H}
";

#[tokio::test]
async fn a_cancelled_run_undoes_what_it_did_and_a_reset_one_is_replaced() {
    let system = System::start().await;
    system.deploy("reserve", RESERVE).await.unwrap();
    let task = system.submit("reserve", r#"{"seat": "4A"}"#, "").await.unwrap().id;
    stands_at(&system, &task, &["/do/1/hold"]).await;

    let fork = restart(&system, verbs::kernel::FORK, &task, "/do/1/hold").await.unwrap();
    stands_at(&system, &fork.id, &["/do/1/hold"]).await;
    let kinds: Vec<String> = system.history(&fork.id).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "step.scheduled").count(), 1, "the call was taken over: {kinds:?}");
    let reset = restart(&system, verbs::kernel::RESET, &task, "/do/0/seat").await.unwrap();
    assert_eq!(system.finished(&task).await.status(), TaskStatus::Terminated);
    assert_eq!(listed(&system, TaskStatus::Terminated).await, [task.as_str()]);
    assert!(listed(&system, TaskStatus::Cancelled).await.is_empty());
    stands_at(&system, &reset.id, &["/do/1/hold"]).await;
    let none = restart(&system, verbs::kernel::FORK, &task, "/do/7/x").await.unwrap_err();
    assert_eq!(none.code, ErrorCode::InvalidRequest);
    let not_failed = restart(&system, verbs::kernel::RETRY, &reset.id, "").await.unwrap_err();
    assert_eq!(not_failed.code, ErrorCode::InvalidRequest);

    let cancel = CancelTaskRequest { caller: Some(alice()), task_id: reset.id.clone(), reason: "stop".into() };
    system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &cancel).await.unwrap();
    assert_eq!(system.finished(&reset.id).await.status(), TaskStatus::Cancelled);
    let kinds: Vec<String> = system.history(&reset.id).await.into_iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&"compensation.completed".to_owned()), "{kinds:?}");
}

#[tokio::test]
async fn a_failed_run_is_retried_and_found_by_its_error_and_attributes() {
    let system = System::start().await;
    let body = "do:
  - mark: {call: orrery.attributes, with: {attributes: {plate: '${ .plate }'}}}
  - say: {call: orrery.generate, with: {messages: [{role: user, content: x}], max_tokens: 8, data_classes: [personal]}}
";
    system.deploy("say", body).await.unwrap();
    system.router.0.lock().unwrap().failures = vec![ErrorCode::BudgetExceeded];
    let start = StartTaskRequest {
        caller: Some(alice()),
        workflow: "say".into(),
        input_json: r#"{"plate": "AB 1"}"#.into(),
        attributes: HashMap::from([("region".to_owned(), "north".to_owned())]),
        ..StartTaskRequest::default()
    };
    let failed = system.bus.call(verbs::kernel::START, &CallContext::default(), &start).await.unwrap();
    assert_eq!(system.finished(&failed.id).await.status(), TaskStatus::Faulted);
    let find = |error: &str, attributes: &[(&str, &str)], version: &str| {
        let named = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let request = ListTasksRequest {
            caller: Some(alice()),
            error_code: error.into(),
            attributes: named.collect(),
            version: version.into(),
            submitted_by: "alice".into(),
            created_from_ms: 1,
            ..ListTasksRequest::default()
        };
        let bus = system.bus.clone();
        async move {
            let reply = bus.call(verbs::kernel::LIST, &CallContext::default(), &request).await.unwrap();
            reply.tasks.into_iter().map(|task| task.id).collect::<Vec<_>>()
        }
    };
    let both = [("plate", "AB 1"), ("region", "north")];
    assert_eq!(find("budget_exceeded", &both, "1.0.0").await, [failed.id.as_str()]);
    assert!(find("timeout", &both, "").await.is_empty() && find("", &both, "2.0.0").await.is_empty());
    assert!(find("", &[("plate", "AB 2")], "").await.is_empty());

    let retried = restart(&system, verbs::kernel::RETRY, &failed.id, "").await.unwrap();
    assert_eq!(system.finished(&retried.id).await.status(), TaskStatus::Completed);
    assert_eq!(system.get(&failed.id).await.unwrap().status(), TaskStatus::Faulted, "its history stays what it is");
    assert_eq!(find("", &[("orrery.origin", &failed.id)], "").await, [retried.id.as_str()]);
}

#[tokio::test]
async fn a_paused_run_keeps_what_comes_and_goes_on_when_it_is_resumed() {
    let mut system = System::start().await;
    let body = "do:
  - go: {call: orrery.signal, with: {name: go}}
  - nap: {wait: {milliseconds: 50}}
  - end: {set: {done: true}}
";
    system.deploy("hold", body).await.unwrap();
    let task = system.submit("hold", "{}", "").await.unwrap().id;
    stands_at(&system, &task, &["/do/0/go"]).await;
    assert!(pause(&system, Kind::TaskId(task.clone())).await.unwrap());
    assert!(!pause(&system, Kind::TaskId(task.clone())).await.unwrap(), "it is paused already");
    signal(&system, message(&task, "go", "1", "")).await.unwrap();
    system.kill_kernel();
    system.start_kernel().await;
    let state = query(&system, &task, "").await.unwrap();
    assert_eq!((&state["status"], &state["pauses"], &state["active"]), (&json!("paused"), &json!(["run"]), &json!([])));
    assert!(resume(&system, Kind::TaskId(task.clone())).await.unwrap());
    assert!(!resume(&system, Kind::TaskId(task.clone())).await.unwrap(), "it goes on already");
    assert_eq!(system.finished(&task).await.output_json, r#"{"done":true}"#);
}

#[tokio::test]
async fn a_paused_workflow_takes_runs_and_holds_them() {
    let system = System::start().await;
    system.deploy("two", "do:\n  - a: {wait: PT0.2S}\n  - b: {set: {done: true}}\n").await.unwrap();
    system.deploy("sleep", "do:\n  - w: {wait: PT1H}\n").await.unwrap();
    let under_way = system.submit("sleep", "{}", "").await.unwrap().id;
    let mut told = system.bus.subscribe(subjects::events_of("acme")).await.unwrap();
    system.bus.client().flush().await.unwrap();
    assert!(pause(&system, Kind::Workflow("two".into())).await.unwrap());
    assert!(!pause(&system, Kind::Workflow("two".into())).await.unwrap(), "it is paused already");
    assert_eq!(pause(&system, Kind::Workflow("none".into())).await.unwrap_err().code, ErrorCode::NotFound);
    let held = system.submit("two", "{}", "").await.unwrap().id;
    assert!(pause(&system, Kind::Tenant(true)).await.unwrap());
    let paused = |task: String, expected: Value| {
        let system = &system;
        async move {
            let pauses = || async { (query(system, &task, "").await.ok()?["pauses"] == expected).then_some(()) };
            assert!(eventually_within(WITHIN, pauses).await.is_some(), "{:?}", query(system, &task, "").await);
        }
    };
    paused(under_way.clone(), json!(["tenant"])).await;
    paused(held.clone(), json!(["definition", "tenant"])).await;
    assert!(resume(&system, Kind::Tenant(true)).await.unwrap());
    paused(under_way, json!([])).await;
    paused(held.clone(), json!(["definition"])).await;
    assert_eq!(system.get(&held).await.unwrap().status(), TaskStatus::Waiting);
    assert!(resume(&system, Kind::Workflow("two".into())).await.unwrap());
    assert_eq!(system.finished(&held).await.output_json, r#"{"done":true}"#);
    // Each once, in order, with who did it and without the reason.
    let mut acts = ["workflow.paused", "tenant.paused", "tenant.resumed", "workflow.resumed"].into_iter().peekable();
    let listening = async {
        while let (Some(act), Some(event)) = (acts.peek(), told.next().await) {
            let event: Value = serde_json::from_slice(&event.payload).unwrap();
            let kind = event["type"].as_str().unwrap().trim_start_matches("orrery.").to_owned();
            if kind.starts_with("workflow.") || kind.starts_with("tenant.") {
                assert_eq!((kind.as_str(), &event["data"]["by"]), (*act, &json!("alice")));
                assert!(!event.to_string().contains("look"));
                acts.next();
            }
        }
    };
    tokio::time::timeout(WITHIN, listening).await.unwrap();
}

#[tokio::test]
async fn a_run_moves_to_a_new_version_and_a_map_keeps_its_order() {
    let system = System::start().await;
    let version = async |version: &str, body: &str| system.deploy_version("ask", version, body).await.unwrap();
    let wait = "  - go: {call: orrery.signal, with: {name: go}}\n";
    version("1.0.0", &format!("do:\n{wait}  - end: {{set: {{v: 1}}}}\n")).await;
    let task = system.submit("ask", "{}", "").await.unwrap().id;
    version("2.0.0", &format!("do:\n{wait}  - end: {{set: {{v: 2}}}}\n")).await;
    version("3.0.0", &format!("do:\n  - new: {{set: {{x: 1}}}}\n{wait}")).await;
    let migrate = |to: &str| {
        let request = MigrateTaskRequest { caller: Some(alice()), task_id: task.clone(), workflow: to.into() };
        let bus = system.bus.clone();
        async move { bus.call(verbs::kernel::MIGRATE, &CallContext::default(), &request).await }
    };
    let refused = migrate("ask:3.0.0").await.unwrap_err();
    assert!(refused.detail.unwrap()["reasons"][0].as_str().unwrap().contains("/do/0/go"));
    migrate("ask:2.0.0").await.unwrap();
    signal(&system, message(&task, "go", "null", "")).await.unwrap();
    let done = system.finished(&task).await;
    assert_eq!((done.output_json.as_str(), done.workflow.as_str()), (r#"{"v":2}"#, "ask:2.0.0"));

    system.deploy("item", "do:\n  - s: {set: {double: '${ . * 2 }'}}\n").await.unwrap();
    let body = "do:
  - all: {call: orrery.map, with: {items: '${ [range(0; 40)] }', workflow: {namespace: test, name: item}, concurrency: 8}}
";
    system.deploy("all", body).await.unwrap();
    let task = system.submit("all", "{}", "").await.unwrap().id;
    let output: Value = serde_json::from_str(&system.finished(&task).await.output_json).unwrap();
    let doubles: Vec<i64> = output.as_array().unwrap().iter().map(|item| item["double"].as_i64().unwrap()).collect();
    assert_eq!(doubles, (0..40).map(|n| n * 2).collect::<Vec<_>>());
    let other = caller("eve", "developer");
    let request = MigrateTaskRequest { caller: Some(other), task_id: task, workflow: "all:1.0.0".into() };
    let over = system.bus.call(verbs::kernel::MIGRATE, &CallContext::default(), &request).await.unwrap_err();
    assert_eq!(over.code, ErrorCode::FailedPrecondition);
}
