//! Limits on runs: what may not begin yet is durable as pending, and begins when its turn comes, a kill in between included.

use orrery_bus::{CallContext, verbs};
use orrery_proto::v1::{Caller, CancelTaskRequest, ListTasksRequest, StartTaskRequest, Task, TaskStatus};
use orrery_testkit::eventually_within;
use std::time::Duration;

use crate::system::{System, WITHIN, alice};

const CONFIG: &str = "[kernel.fairness]\nruns_max = 8\n[kernel.fairness.tenants.acme]\nruns_max = 2\n";
const CALL: &str = "do:\n  - say: {call: orrery.generate, with: {messages: [{role: user, content: x}]}}\n";

async fn with_status(system: &System, status: TaskStatus) -> Vec<Task> {
    let request = ListTasksRequest { caller: Some(alice()), statuses: vec![status.into()], ..Default::default() };
    let context = CallContext::within(Duration::from_secs(5));
    system.bus.call(verbs::kernel::LIST, &context, &request).await.unwrap().tasks
}

async fn submit(system: &System, caller: Caller, priority: u32) -> Task {
    let request = StartTaskRequest { caller: Some(caller), workflow: "say".into(), priority, ..Default::default() };
    system.bus.call(verbs::kernel::START, &CallContext::default(), &request).await.unwrap()
}

#[tokio::test]
async fn runs_above_the_limit_are_pending_and_begin_in_their_turn() {
    let mut system = System::start_with(None, CONFIG).await;
    system.deploy("say", CALL).await.unwrap();
    system.router.set_delay(Duration::from_secs(600));
    let mut tasks = Vec::new();
    for _ in 0..2 {
        tasks.push(submit(&system, alice(), 0).await);
    }
    assert!(tasks.iter().all(|task| task.status() == TaskStatus::Running));
    let (low, gone, high) =
        (submit(&system, alice(), 0).await, submit(&system, alice(), 0).await, submit(&system, alice(), 9).await);
    for task in [&low, &gone, &high] {
        assert_eq!(task.status(), TaskStatus::Pending);
    }
    assert_eq!(with_status(&system, TaskStatus::Pending).await.len(), 3);

    // A tenant at its limit keeps no other waiting.
    let other = Caller { tenant: "other".into(), ..alice() };
    let source = format!("document: {{dsl: 1.0.0, namespace: test, name: say, version: 1.0.0}}\n{CALL}");
    let deploy = orrery_proto::v1::DeployRequest { caller: Some(other.clone()), source };
    system.bus.call(verbs::kernel::DEPLOY, &CallContext::default(), &deploy).await.unwrap();
    assert_eq!(submit(&system, other, 0).await.status(), TaskStatus::Running);

    let cancel = CancelTaskRequest { caller: Some(alice()), task_id: gone.id.clone(), reason: "enough".into() };
    system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &cancel).await.unwrap();

    // What is pending outlives the process; what ran goes on and counts.
    system.kill_kernel();
    system.start_kernel().await;
    let running = || async { (with_status(&system, TaskStatus::Running).await.len() == 2).then_some(()) };
    eventually_within(WITHIN, running).await.expect("the runs that were under way");
    assert_eq!(with_status(&system, TaskStatus::Pending).await.len(), 2);

    // The higher priority goes first.
    let cancel = CancelTaskRequest { caller: Some(alice()), task_id: tasks[0].id.clone(), reason: "enough".into() };
    system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &cancel).await.unwrap();
    let begun = || async { (system.get(&high.id).await.ok()?.status() == TaskStatus::Running).then_some(()) };
    eventually_within(WITHIN, begun).await.expect("the urgent one began");
    assert_eq!(system.get(&low.id).await.unwrap().status(), TaskStatus::Pending);

    system.router.set_delay(Duration::ZERO);
    let cancel = CancelTaskRequest { caller: Some(alice()), task_id: tasks[1].id.clone(), reason: "enough".into() };
    system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &cancel).await.unwrap();
    assert_eq!(system.finished(&low.id).await.status(), TaskStatus::Completed);
    assert_eq!(system.get(&gone.id).await.unwrap().status(), TaskStatus::Cancelled);
}
