//! Runs whose time is over: archived, read back, removed, and still told of; on the real process and database.

use std::time::Duration;

use orrery_bus::{CallContext, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_kernel::domain::archive;
use orrery_kernel::store::RunRow;
use orrery_proto::v1::{
    Archive, CancelTaskRequest, DecideReviewRequest, GetArchiveRequest, ListRetentionRequest, RemoveRetentionRequest,
    RetentionReply, RetentionRule, SetRetentionRequest, Task, TaskStatus,
};
use orrery_testkit::{PostgresServer, eventually_within};
use orrery_types::TenantId;
use serde_json::{Value, json};

use crate::system::{System, WITHIN, alice, bob};

/// A run goes as soon as it is over, and is looked for ten times a second.
const SOON: &str = "[kernel.retention]\nkeep_ms_min = 0\nkeys_kept_ms = 0\nsweep_ms = 100\n";

async fn set(system: &System, workflow: &str, keep_ms: u64, archive: bool) -> Result<RetentionReply, Error> {
    let rule = Some(RetentionRule { workflow: workflow.into(), keep_ms, archive });
    let request = SetRetentionRequest { caller: Some(alice()), rule };
    system.bus.call(verbs::kernel::RETENTION_SET, &CallContext::default(), &request).await
}

async fn archive_of(system: &System, task: &str) -> Result<Archive, Error> {
    let request = GetArchiveRequest { caller: Some(alice()), task_id: task.into() };
    system.bus.call(verbs::kernel::ARCHIVE, &CallContext::default(), &request).await
}

/// Until a run is removed, with or without an archive.
async fn removed(system: &System, task: &str) -> Option<Task> {
    let gone = || async {
        match system.get(task).await {
            Ok(task) if task.archive.is_some() => Some(Some(task)),
            Err(error) if error.code == ErrorCode::NotFound => Some(None),
            _ => None,
        }
    };
    let gone = eventually_within(WITHIN, gone).await;
    gone.unwrap_or_else(|| panic!("{task} stays\n{}", system.kernel.as_ref().unwrap().log()))
}

/// The archive's text, from the object store.
async fn read(system: &System, archive: &Archive) -> String {
    let blob = archive.blob.clone().unwrap();
    let blobs = system.bus.blobs().await.unwrap();
    let bytes = blobs.get(&TenantId::new("acme").unwrap(), &blob, 1 << 26).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn keys(system: &System) -> Vec<String> {
    system.bus.blobs().await.unwrap().keys(&TenantId::new("acme").unwrap()).await.unwrap()
}

const ASK: &str = "do:
  - mark: {call: orrery.attributes, with: {attributes: {plate: '${ .plate }'}}}
  - long: {set: '${ {text: (\"x\" * 200000), plate: .plate} }'}
  - ask: {call: orrery.human, with: {title: Go on?, roles: [adjuster], subject: '${ . }'}}
";

async fn archived_and_told_of(mut system: System) {
    system.deploy("ask", ASK).await.unwrap();
    let task = system.submit("ask", r#"{"plate": "AB 1"}"#, "key").await.unwrap().id;
    let review = system.review(&task).await;
    let decide = DecideReviewRequest {
        caller: Some(bob()),
        review_id: review.id.clone(),
        decision: "approve".into(),
        reason: "fine".into(),
        edits_json: String::new(),
    };
    system.bus.call(verbs::kernel::DECIDE, &CallContext::default(), &decide).await.unwrap();
    let done = system.finished(&task).await;
    let history = system.history(&task).await;
    assert!(keys(&system).await.iter().any(|key| key.contains(&format!("/{task}/"))), "no text of it lies apart");
    assert_eq!(archive_of(&system, &task).await.unwrap_err().code, ErrorCode::FailedPrecondition);

    // Nothing goes without a rule; one of another workflow is none.
    system.deploy("other", "do:\n  - a: {set: {x: 1}}\n").await.unwrap();
    assert_eq!(set(&system, "nothing", 0, true).await.unwrap_err().code, ErrorCode::NotFound);
    assert!(set(&system, "other", 0, true).await.unwrap().changed);
    let other = system.submit("other", "{}", "").await.unwrap().id;
    removed(&system, &other).await.expect("an archive");
    assert!(system.get(&task).await.unwrap().archive.is_none());

    assert!(set(&system, "ask", 0, true).await.unwrap().changed);
    assert!(!set(&system, "ask", 0, true).await.unwrap().changed, "it was so already");
    let shown = removed(&system, &task).await.expect("an archive");
    assert_eq!(
        (shown.status(), &shown.workflow, shown.finished_at_ms),
        (done.status(), &done.workflow, done.finished_at_ms)
    );
    system.kill_kernel();
    system.start_kernel().await;
    assert_eq!(system.history(&task).await, history, "its history is read from the archive");
    let text = read(&system, &archive_of(&system, &task).await.unwrap()).await;
    let (header, contents) = archive::decode(&text).unwrap();
    assert_eq!(RunRow::status_of(&archive::replay(&contents).unwrap()), header.subject.status);
    assert_eq!(contents.run["input"], json!({"plate": "AB 1"}));
    assert_eq!(contents.run["output"], serde_json::from_str::<Value>(&done.output_json).unwrap());
    assert_eq!(contents.attributes, [("plate".to_owned(), "AB 1".to_owned())]);
    assert_eq!((&contents.reviews[0]["id"], &contents.reviews[0]["decided_by"]), (&json!(review.id), &json!("bob")));

    // What lay apart is gone with it, once its remains are; its key starts a new one.
    let cleared =
        || async { (!keys(&system).await.iter().any(|key| key.contains(&format!("/{task}/")))).then_some(()) };
    eventually_within(WITHIN, cleared).await.expect("the texts of a removed run stay");
    assert!(system.reviews(bob(), &task).await.unwrap().is_empty());
    let again = system.submit("ask", r#"{"plate": "AB 1"}"#, "key").await.unwrap();
    assert!(!again.duplicate && again.id != task);
}

#[tokio::test]
async fn a_run_whose_time_is_over_is_archived_removed_and_still_told_of() {
    archived_and_told_of(System::start_with(None, SOON).await).await;
}

#[tokio::test]
async fn the_same_on_postgresql() {
    let postgres = PostgresServer::start().await.unwrap();
    archived_and_told_of(System::start_with(Some(postgres.url()), SOON).await).await;
}

#[tokio::test]
async fn runs_that_others_need_stay_and_the_rest_goes_across_kill_9() {
    let mut system = System::start_with(None, SOON).await;
    system.deploy("child", "do:\n  - a: {set: {x: 1}}\n").await.unwrap();
    system.deploy("plain", "do:\n  - a: {set: {x: 1}}\n").await.unwrap();
    let body = "do:
  - sub: {run: {workflow: {namespace: test, name: child, version: 1.0.0}}}
  - hold: {wait: PT1H}
";
    system.deploy("starter", body).await.unwrap();
    let starter = system.submit("starter", "{}", "").await.unwrap().id;
    let at_hold = || async { (system.get(&starter).await.ok()?.active == ["/do/1/hold"]).then_some(()) };
    eventually_within(WITHIN, at_hold).await.expect("the child's end");
    let mut plain = Vec::new();
    for _ in 0..30 {
        plain.push(system.submit("plain", "{}", "").await.unwrap().id);
    }
    let rules = set(&system, "", 0, false).await.unwrap();
    assert_eq!((rules.rules.len(), rules.rules[0].workflow.as_str(), rules.system), (1, "", None));
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        system.kill_kernel();
        system.start_kernel().await;
    }
    for task in &plain {
        assert!(removed(&system, task).await.is_none(), "it goes without an archive");
    }
    let children =
        orrery_proto::v1::ListTasksRequest { caller: Some(alice()), workflow: "child".into(), ..Default::default() };
    let list =
        || async { system.bus.call(verbs::kernel::LIST, &CallContext::default(), &children).await.unwrap().tasks };
    let kept = list().await;
    assert_eq!(kept.len(), 1, "the starter is not over, so the child stays");
    let cancel = CancelTaskRequest { caller: Some(alice()), task_id: starter.clone(), reason: "done".into() };
    assert_eq!(
        system.bus.call(verbs::kernel::TERMINATE, &CallContext::default(), &cancel).await.unwrap().status(),
        TaskStatus::Terminated
    );
    assert!(removed(&system, &kept[0].id).await.is_none());
    assert!(removed(&system, &starter).await.is_none());

    let remove = RemoveRetentionRequest { caller: Some(alice()), workflow: String::new() };
    let reply = system.bus.call(verbs::kernel::RETENTION_REMOVE, &CallContext::default(), &remove).await.unwrap();
    assert!(reply.changed && reply.rules.is_empty());
    let reply = system.bus.call(verbs::kernel::RETENTION_REMOVE, &CallContext::default(), &remove).await.unwrap();
    assert!(!reply.changed);
}

#[tokio::test]
async fn a_rule_has_bounds_and_the_system_its_own() {
    let system = System::start_with(None, "[kernel.retention]\nkeep_ms = 7776000000\narchive = false\n").await;
    for wrong in [0, 3_599_999, u64::MAX] {
        assert_eq!(set(&system, "", wrong, true).await.unwrap_err().code, ErrorCode::InvalidRequest, "{wrong}");
    }
    let list = ListRetentionRequest { caller: Some(alice()) };
    let reply = system.bus.call(verbs::kernel::RETENTION, &CallContext::default(), &list).await.unwrap();
    assert_eq!(
        (reply.rules.len(), reply.system.map(|rule| (rule.keep_ms, rule.archive))),
        (0, Some((7_776_000_000, false)))
    );
}
