//! Limits over several kernels: those of tenants, workflows and queues hold over all of them together, and are divided anew when
//! one goes.

use std::time::Duration;

use orrery_bus::{CallContext, verbs};
use orrery_proto::v1::{CancelTaskRequest, LeaseWorkReply, LeaseWorkRequest, ListTasksRequest, Task, TaskStatus};
use orrery_testkit::{PostgresServer, Process, eventually_within};
use orrery_types::TenantId;
use prost::Message as _;

use crate::system::{System, WITHIN, alice};

const CONFIG: &str = "[kernel.fairness.tenants.acme]\nruns_max = 4\n[kernel.fairness.queues.q]\nleases_max = 3\n";
const TASKS: usize = 20;

async fn two_kernels() -> (PostgresServer, System, Process) {
    let postgres = PostgresServer::start().await.unwrap();
    let system = System::start_with(Some(postgres.url()), CONFIG).await;
    let other = system.joined_by("kernel-1").await;
    (postgres, system, other)
}

async fn with_status(system: &System, status: TaskStatus) -> Vec<Task> {
    let request =
        ListTasksRequest { caller: Some(alice()), statuses: vec![status.into()], limit: 100, ..Default::default() };
    let context = CallContext::within(Duration::from_secs(5));
    system.bus.call(verbs::kernel::LIST, &context, &request).await.map(|reply| reply.tasks).unwrap_or_default()
}

/// Until so many run and so many are pending.
async fn come_to(system: &System, running: usize, pending: usize) {
    let found = || async {
        (with_status(system, TaskStatus::Running).await.len(), with_status(system, TaskStatus::Pending).await.len())
    };
    let come = || async { (found().await == (running, pending)).then_some(()) };
    let come = eventually_within(WITHIN, come).await;
    assert!(come.is_some(), "{:?} run and are pending, not {:?}", found().await, (running, pending));
}

#[tokio::test]
async fn a_tenants_limit_is_divided_and_whole_again_when_a_kernel_is_gone() {
    let (_postgres, system, mut other) = two_kernels().await;
    system
        .deploy("say", "do:\n  - say: {call: orrery.generate, with: {messages: [{role: user, content: x}]}}\n")
        .await
        .unwrap();
    system.router.set_delay(Duration::from_secs(600));
    let mut begun = 0;
    for index in 0..TASKS {
        let started = || async { system.submit("say", "{}", &format!("t{index}")).await.ok() };
        let task = eventually_within(WITHIN, started).await.expect("a start");
        begun += usize::from(task.status() != TaskStatus::Pending);
    }
    assert_eq!(begun, 4, "each of two kernels may run two");
    come_to(&system, 4, TASKS - 4).await;

    // Those of the kernel that is gone go on elsewhere and count there: at no time do more run than may.
    let divided = || system.logs().matches("divided anew").count();
    let before = divided();
    other.kill().unwrap();
    let whole = || async {
        let running = with_status(&system, TaskStatus::Running).await.len();
        assert!(running <= 4, "{running} run");
        (divided() > before).then_some(())
    };
    assert!(eventually_within(WITHIN, whole).await.is_some(), "it has a part of the limits still:\n{}", system.logs());
    come_to(&system, 4, TASKS - 4).await;
    for task in with_status(&system, TaskStatus::Running).await.into_iter().take(2) {
        let request = CancelTaskRequest { caller: Some(alice()), task_id: task.id, reason: "enough".into() };
        let cancelled =
            || async { system.bus.call(verbs::kernel::CANCEL, &CallContext::default(), &request).await.ok() };
        eventually_within(WITHIN, cancelled).await.expect("a cancellation");
    }
    // With a half of the limit none would begin.
    come_to(&system, 4, TASKS - 6).await;
}

#[tokio::test]
async fn a_queues_limit_is_exact_over_all_kernels() {
    let (_postgres, system, _other) = two_kernels().await;
    system.deploy("w", "do:\n  - w: {call: orrery.work, with: {queue: q}}\n").await.unwrap();
    for index in 0..12 {
        let started = || async { system.submit("w", "{}", &format!("w{index}")).await.ok() };
        eventually_within(WITHIN, started).await.expect("a start");
    }
    let worker = system.nats.connect("tenant-acme").await.unwrap();
    let request = LeaseWorkRequest { queue: "q".into(), worker: "test".into() };
    let subject = verbs::worker::LEASE.subject_of(&TenantId::new("acme").unwrap());
    let lease = || async {
        let reply = worker.client().request(subject.clone(), request.encode_to_vec().into()).await.ok()?;
        LeaseWorkReply::decode(reply.payload).ok()?.work
    };
    let mut held = 0;
    for _ in 0..4 {
        let asked = futures::future::join_all((0..12).map(|_| lease())).await;
        held += asked.iter().filter(|work| work.is_some()).count();
        assert!(held <= 3, "{held} steps are held");
    }
    let full = || async { lease().await.is_some().then_some(()) };
    while held < 3 {
        eventually_within(WITHIN, full).await.expect("a step");
        held += 1;
    }
    assert!(lease().await.is_none(), "three are held");
}
