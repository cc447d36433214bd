//! Operations on many runs, on the real process and database: what each does, that it waits its turn, and that a kernel which
//! is killed in the middle, or loses its partitions to another, does no run twice.

use std::collections::BTreeSet;
use std::time::Duration;

use orrery_bus::{CallContext, Verb, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    Batch, BatchOperation, BatchState, ControlBatchRequest, CreateBatchRequest, GetBatchRequest, ListBatchesRequest,
    ListTasksRequest, Task, TaskStatus,
};
use orrery_testkit::{PostgresServer, eventually_within};
use serde_json::Value;

use crate::system::{System, WITHIN, alice};

const SAY: &str = "do:
  - say: {call: orrery.generate, with: {messages: [{role: user, content: x}], data_classes: [personal]}}
";

fn of(workflow: &str, operation: BatchOperation) -> CreateBatchRequest {
    CreateBatchRequest {
        caller: Some(alice()),
        filter: Some(ListTasksRequest { workflow: workflow.into(), ..ListTasksRequest::default() }),
        operation: operation.into(),
        rate: 1_000.0,
        reason: "together".into(),
        ..CreateBatchRequest::default()
    }
}

async fn create(system: &System, request: &CreateBatchRequest) -> Result<Batch, Error> {
    system.bus.call(verbs::kernel::BATCH_CREATE, &CallContext::default(), request).await
}

async fn show(system: &System, id: &str) -> Option<Batch> {
    let request = GetBatchRequest { caller: Some(alice()), batch_id: id.into() };
    system.bus.call(verbs::kernel::BATCH, &CallContext::within(Duration::from_secs(3)), &request).await.ok()
}

async fn change(system: &System, verb: Verb<ControlBatchRequest, Batch>, id: &str) -> Result<Batch, Error> {
    let request = ControlBatchRequest { caller: Some(alice()), batch_id: id.into() };
    system.bus.call(verb, &CallContext::default(), &request).await
}

async fn over(system: &System, id: &str) -> Batch {
    let over = || async { show(system, id).await.filter(|batch| batch.finished_at_ms > 0) };
    let ended = eventually_within(WITHIN, over).await;
    ended.unwrap_or_else(|| panic!("the batch did not end\n{}", system.kernel.as_ref().unwrap().log()))
}

/// So many runs have had their turn.
async fn through(system: &System, id: &str, count: u64) {
    let moved = || async { show(system, id).await.filter(|batch| batch.done + batch.failed + batch.skipped >= count) };
    assert!(eventually_within(WITHIN, moved).await.is_some(), "{:?}", show(system, id).await);
}

async fn tasks(system: &System, workflow: &str, status: Option<TaskStatus>) -> Vec<Task> {
    let request = ListTasksRequest {
        caller: Some(alice()),
        workflow: workflow.into(),
        statuses: status.into_iter().map(i32::from).collect(),
        limit: 500,
        ..ListTasksRequest::default()
    };
    system.bus.call(verbs::kernel::LIST, &CallContext::within(Duration::from_secs(5)), &request).await.unwrap().tasks
}

/// Until so many tasks of a workflow stand so.
async fn stand(system: &System, workflow: &str, status: TaskStatus, count: usize) -> Vec<Task> {
    let found = || async { Some(tasks(system, workflow, Some(status)).await).filter(|found| found.len() == count) };
    let stood = eventually_within(WITHIN, found).await;
    stood.unwrap_or_else(|| panic!("not {count} {status:?} tasks of {workflow}"))
}

/// Runs that have failed, since the router refused each once.
async fn failures(system: &System, count: usize) -> Vec<String> {
    system.deploy("say", SAY).await.unwrap();
    system.router.0.lock().unwrap().failures = vec![ErrorCode::BudgetExceeded; count];
    for _ in 0..count {
        system.submit("say", "{}", "").await.unwrap();
    }
    stand(system, "say", TaskStatus::Faulted, count).await.into_iter().map(|task| task.id).collect()
}

/// Each failed run was retried once, and each retry ended well.
async fn retried_once(system: &System, failed: &[String]) {
    let done = stand(system, "say", TaskStatus::Completed, failed.len()).await;
    let mut origins = BTreeSet::new();
    for task in &done {
        let events = system.history(&task.id).await;
        let accepted: Value = serde_json::from_str(&events[0].data_json).unwrap();
        assert_eq!(events[0].kind, "task.accepted", "it queued for its turn");
        origins.insert(accepted["run"]["origin"]["task"].as_str().unwrap().to_owned());
    }
    assert_eq!(origins, failed.iter().cloned().collect::<BTreeSet<_>>());
    assert_eq!(tasks(system, "say", None).await.len(), failed.len() * 2, "none was begun twice");
}

#[tokio::test]
async fn failed_runs_are_retried_together_each_once_across_kill_9() {
    let mut system = System::start().await;
    let failed = failures(&system, 40).await;
    let mut request =
        CreateBatchRequest { rate: 20.0, idempotency_key: "k".into(), ..of("say", BatchOperation::Retry) };
    let dry = create(&system, &CreateBatchRequest { dry_run: true, ..request.clone() }).await.unwrap();
    assert_eq!((dry.id.as_str(), dry.total), ("", 40));
    let batch = create(&system, &request).await.unwrap();
    assert_eq!((batch.state(), batch.total, batch.created_by.as_str()), (BatchState::Running, 40, "alice"));
    for kill in 1..4 {
        through(&system, &batch.id, kill * 8).await;
        system.kill_kernel();
        system.start_kernel().await;
    }
    let ended = over(&system, &batch.id).await;
    assert_eq!((ended.state(), ended.done, ended.failed, ended.skipped), (BatchState::Finished, 40, 0, 0));
    let took = ended.finished_at_ms - batch.created_at_ms;
    assert!(took >= 1_700, "40 runs at 20 a second took {took} ms");
    retried_once(&system, &failed).await;

    // The same key is the same batch; another request under it is refused; a second batch finds nothing left to do.
    let again = create(&system, &request).await.unwrap();
    assert!(again.duplicate && again.id == batch.id);
    request.rate = 30.0;
    assert_eq!(create(&system, &request).await.unwrap_err().code, ErrorCode::Conflict);
    let second = create(&system, &of("say", BatchOperation::Retry)).await.unwrap();
    let second = over(&system, &second.id).await;
    assert_eq!((second.done, second.skipped), (0, 40), "each has been begun anew already");
}

#[tokio::test]
async fn a_batch_moves_to_another_kernel_with_its_partition_and_does_no_run_twice() {
    let postgres = PostgresServer::start().await.unwrap();
    let mut system = System::start_on(Some(postgres.url())).await;
    let mut other = system.joined_by("kernel-1").await;
    let failed = failures(&system, 30).await;
    let request = CreateBatchRequest { rate: 10.0, ..of("say", BatchOperation::Retry) };
    let batch = create(&system, &request).await.unwrap();
    through(&system, &batch.id, 5).await;
    // Whichever of the two has the batch: one of these takes it away.
    system.kill_kernel();
    through(&system, &batch.id, 12).await;
    system.start_kernel().await;
    other.kill().unwrap();
    let ended = over(&system, &batch.id).await;
    assert_eq!((ended.done, ended.failed, ended.skipped), (30, 0, 0));
    retried_once(&system, &failed).await;
}

#[tokio::test]
async fn what_a_batch_begins_waits_for_its_turn() {
    let system = System::start_with(None, "[kernel.fairness.tenants.acme]\nruns_max = 2\n").await;
    failures(&system, 6).await;
    system.router.set_delay(Duration::from_secs(600));
    let batch = create(&system, &of("say", BatchOperation::Retry)).await.unwrap();
    assert_eq!(over(&system, &batch.id).await.done, 6);
    stand(&system, "say", TaskStatus::Running, 2).await;
    stand(&system, "say", TaskStatus::Pending, 4).await;
    // What waits is ended by another batch like what runs.
    let end = create(&system, &of("say", BatchOperation::Terminate)).await.unwrap();
    let end = over(&system, &end.id).await;
    assert_eq!((end.total, end.done), (6, 6));
    stand(&system, "say", TaskStatus::Terminated, 6).await;
}

#[tokio::test]
async fn signals_resets_migrations_and_cancellations_reach_every_run_that_is_meant() {
    let system = System::start().await;
    let body = |last: u32| {
        format!(
            "do:\n  - first: {{set: {{a: 1}}}}\n  - go: {{call: orrery.signal, with: {{name: go}}}}\n  \
             - end: {{set: {{v: {last}}}}}\n  - hold: {{wait: PT1H}}\n"
        )
    };
    system.deploy("ask", &body(1)).await.unwrap();
    for _ in 0..5 {
        system.submit("ask", "{}", "").await.unwrap();
    }
    system.deploy_version("ask", "2.0.0", &body(2)).await.unwrap();
    let at = |pointer: &'static str, count: usize| {
        let system = &system;
        async move {
            let there = || async {
                let found = tasks(system, "ask", Some(TaskStatus::Waiting)).await;
                (found.iter().filter(|task| task.active == [pointer]).count() == count).then_some(())
            };
            assert!(eventually_within(WITHIN, there).await.is_some(), "not {count} at {pointer}");
        }
    };
    at("/do/1/go", 5).await;
    let migrate = CreateBatchRequest { workflow: "ask:2.0.0".into(), ..of("ask", BatchOperation::Migrate) };
    let moved = create(&system, &migrate).await.unwrap();
    assert_eq!(over(&system, &moved.id).await.done, 5);
    assert!(tasks(&system, "ask", None).await.iter().all(|task| task.workflow == "ask:2.0.0"));

    let go = CreateBatchRequest { signal: "go".into(), ..of("ask", BatchOperation::Signal) };
    let sent = create(&system, &go).await.unwrap();
    assert_eq!(over(&system, &sent.id).await.done, 5);
    at("/do/3/hold", 5).await;
    let reset = CreateBatchRequest { pointer: "/do/1/go".into(), ..of("ask", BatchOperation::Reset) };
    let reset = create(&system, &reset).await.unwrap();
    assert_eq!(over(&system, &reset.id).await.done, 5);
    stand(&system, "ask", TaskStatus::Terminated, 5).await;
    at("/do/1/go", 5).await;

    // What cannot be done is named with its reason.
    let nowhere = CreateBatchRequest { pointer: "/do/9/x".into(), ..of("ask", BatchOperation::Reset) };
    let failed = over(&system, &create(&system, &nowhere).await.unwrap().id).await;
    assert_eq!((failed.total, failed.failed, failed.failures.len()), (10, 10, 10));
    assert!(failed.failures[0].reason.contains("/do/9/x") && failed.failures[0].code == "invalid_request");
    let cancel = create(&system, &of("ask", BatchOperation::Cancel)).await.unwrap();
    assert_eq!(over(&system, &cancel.id).await.done, 5);
    stand(&system, "ask", TaskStatus::Cancelled, 5).await;
}

#[tokio::test]
async fn a_batch_is_held_goes_on_and_is_ended_and_a_tenant_has_so_many() {
    let mut system = System::start_with(None, "[kernel.batches]\nactive_max = 2\n").await;
    system.deploy("hold", "do:\n  - hold: {wait: PT1H}\n").await.unwrap();
    for _ in 0..6 {
        system.submit("hold", "{}", "").await.unwrap();
    }
    let slow = CreateBatchRequest { rate: 2.0, ..of("hold", BatchOperation::Terminate) };
    let batch = create(&system, &slow).await.unwrap();
    through(&system, &batch.id, 1).await;
    assert_eq!(change(&system, verbs::kernel::BATCH_PAUSE, &batch.id).await.unwrap().state(), BatchState::Paused);
    system.kill_kernel();
    system.start_kernel().await;
    let held = show(&system, &batch.id).await.unwrap();
    assert_eq!(held.state(), BatchState::Paused);
    create(&system, &CreateBatchRequest { rate: 0.01, ..slow.clone() }).await.unwrap();
    let third = create(&system, &slow).await.unwrap_err();
    assert_eq!(third.code, ErrorCode::RateLimited);
    let list =
        ListBatchesRequest { caller: Some(alice()), states: vec![BatchState::Paused.into()], ..Default::default() };
    let listed = system.bus.call(verbs::kernel::BATCHES, &CallContext::default(), &list).await.unwrap().batches;
    assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [batch.id.as_str()]);
    assert!(show(&system, &batch.id).await.unwrap().done <= held.done + 1, "it went on although it is held");
    assert_eq!(change(&system, verbs::kernel::BATCH_RESUME, &batch.id).await.unwrap().state(), BatchState::Running);
    through(&system, &batch.id, held.done + 1).await;
    assert_eq!(change(&system, verbs::kernel::BATCH_CANCEL, &batch.id).await.unwrap().state(), BatchState::Cancelled);
    let again = change(&system, verbs::kernel::BATCH_RESUME, &batch.id).await.unwrap_err();
    assert_eq!(again.code, ErrorCode::FailedPrecondition);

    // Wrong from the start.
    let refused = |request: CreateBatchRequest| {
        let system = &system;
        async move { create(system, &request).await.unwrap_err().code }
    };
    let nothing = CreateBatchRequest { filter: None, ..of("hold", BatchOperation::Cancel) };
    assert_eq!(refused(nothing).await, ErrorCode::InvalidRequest);
    assert_eq!(refused(of("hold", BatchOperation::Signal)).await, ErrorCode::InvalidRequest);
    let fast = CreateBatchRequest { rate: 5_000.0, ..of("hold", BatchOperation::Cancel) };
    assert_eq!(refused(fast).await, ErrorCode::InvalidRequest);
    let nowhere = CreateBatchRequest { workflow: "hold:9.0.0".into(), ..of("hold", BatchOperation::Migrate) };
    assert_eq!(refused(nowhere).await, ErrorCode::NotFound);
    assert_eq!(change(&system, verbs::kernel::BATCH_PAUSE, "batch_none").await.unwrap_err().code, ErrorCode::NotFound);
}
