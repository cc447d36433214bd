//! Finding runs: by state, time and attributes, in pages that new runs do not shift.

use std::collections::HashMap;

use orrery_bus::{CallContext, verbs};
use orrery_proto::v1::{ListTasksReply, ListTasksRequest, StartTaskRequest, Task, TaskStatus};

use crate::system::{System, alice, caller};

async fn list(system: &System, request: ListTasksRequest) -> ListTasksReply {
    let request = ListTasksRequest { caller: Some(alice()), ..request };
    system.bus.call(verbs::kernel::LIST, &CallContext::default(), &request).await.unwrap()
}

async fn start(system: &System, workflow: &str, region: &str) -> Task {
    let request = StartTaskRequest {
        caller: Some(alice()),
        workflow: workflow.into(),
        attributes: HashMap::from([("region".to_owned(), region.to_owned())]),
        ..StartTaskRequest::default()
    };
    system.bus.call(verbs::kernel::START, &CallContext::default(), &request).await.unwrap()
}

fn north() -> ListTasksRequest {
    let attributes = HashMap::from([("region".to_owned(), "north".to_owned())]);
    ListTasksRequest { attributes, limit: 3, ..ListTasksRequest::default() }
}

#[tokio::test]
async fn pages_are_stable_while_runs_begin_and_end() {
    let system = System::start().await;
    system.deploy("nap", "do:\n  - w: {wait: PT1H}\n").await.unwrap();
    system.deploy("quick", "do:\n  - s: {set: {x: 1}}\n").await.unwrap();
    let mut expected = Vec::new();
    for _ in 0..8 {
        expected.push(start(&system, "nap", "north").await.id);
        start(&system, "nap", "south").await;
    }
    expected.reverse();

    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&system, ListTasksRequest { cursor, ..north() }).await;
        assert!(page.tasks.len() <= 3);
        found.extend(page.tasks.into_iter().map(|task| task.id));
        // Between two pages others begin, and one that was listed ends.
        start(&system, "nap", "north").await;
        let cancel = orrery_proto::v1::CancelTaskRequest {
            caller: Some(alice()),
            task_id: found[0].clone(),
            reason: "enough".into(),
        };
        system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &cancel).await.unwrap();
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(found, expected, "each once, newest first, and none that came later");
}

#[tokio::test]
async fn runs_are_found_by_state_and_time() {
    let system = System::start().await;
    system.deploy("nap", "do:\n  - w: {wait: PT1H}\n").await.unwrap();
    system.deploy("quick", "do:\n  - s: {set: {x: 1}}\n").await.unwrap();
    let waiting = start(&system, "nap", "north").await;
    let over = system.finished(&start(&system, "quick", "north").await.id).await;
    let ids = |reply: ListTasksReply| reply.tasks.into_iter().map(|task| task.id).collect::<Vec<_>>();
    let by = |statuses: &[TaskStatus]| ListTasksRequest {
        statuses: statuses.iter().map(|status| (*status).into()).collect(),
        ..north()
    };
    assert_eq!(ids(list(&system, by(&[TaskStatus::Completed])).await), [over.id.as_str()]);
    assert_eq!(ids(list(&system, by(&[TaskStatus::Waiting, TaskStatus::Running])).await), [waiting.id.as_str()]);
    let both = [over.id.as_str(), waiting.id.as_str()];
    assert_eq!(ids(list(&system, by(&[])).await), both);

    let (from, ended) = (over.created_at_ms, over.finished_at_ms);
    let created = |from: u64, before: u64| ListTasksRequest {
        created_from_ms: from,
        created_before_ms: before,
        workflow: "quick".into(),
        ..north()
    };
    assert_eq!(ids(list(&system, created(from, from + 1)).await), [over.id.as_str()], "from is in, before is not");
    assert!(list(&system, created(from + 1, 0)).await.tasks.is_empty());
    assert!(list(&system, created(0, from)).await.tasks.is_empty());
    let finished =
        |from: u64, before: u64| ListTasksRequest { finished_from_ms: from, finished_before_ms: before, ..north() };
    assert_eq!(ids(list(&system, finished(0, ended + 1)).await), [over.id.as_str()], "what runs is not over");
    assert!(list(&system, finished(ended + 1, 0)).await.tasks.is_empty());

    // Another tenant sees nothing of it.
    let mut stranger = caller("eve", "developer");
    stranger.tenant = "other".into();
    let request = ListTasksRequest { caller: Some(stranger), ..north() };
    let reply = system.bus.call(verbs::kernel::LIST, &CallContext::default(), &request).await.unwrap();
    assert!(reply.tasks.is_empty());
}
