//! Crash loops: backoff between restarts, the budget beyond which a supervisor fails, and where the failure goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_supervise::{
    ActorSpec, Backoff, ChildState, ExitStatus, Restart, Root, SendError, StartError, Strategy, SupervisorSpec,
};
use parking_lot::Mutex;

use crate::fixture::{Add, Fault, Victim, instance, tree_where, victim, within};

const HOUR: Duration = Duration::from_secs(3600);

/// A victim whose factory fails every time, and the moments at which it was tried.
fn never_born() -> (ActorSpec<Victim>, Arc<Mutex<Vec<Instant>>>) {
    let tries = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&tries);
    let spec = ActorSpec::try_new("never", move || {
        noted.lock().push(Instant::now());
        async { Err::<Victim, _>("no database") }
    });
    (spec.backoff(Backoff { initial: Duration::from_millis(20), jitter: 0.0, ..Backoff::default() }), tries)
}

#[actix::test]
async fn restarts_back_off_and_then_the_root_fails() {
    let (spec, tries) = never_born();
    let handle = spec.handle();
    let error = within(Root::start(SupervisorSpec::new("tree").intensity(4, HOUR).child(spec))).await.unwrap_err();
    let StartError::Failed(failure) = error else { panic!("{error}") };
    assert!(failure.to_string().contains("tree/never"), "{failure}");
    assert!(failure.to_string().contains("no database"), "{failure}");
    let tries = tries.lock().clone();
    assert_eq!(tries.len(), 5, "one start and four restarts");
    for (pair, least_ms) in tries.windows(2).zip([20, 40, 80, 160]) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(least_ms));
    }
    assert!(matches!(handle.ask(Add(1)).await, Err(SendError::Stopped { .. })));
}

#[actix::test]
async fn a_crash_loop_uses_up_the_budget_in_each_strategy() {
    for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll] {
        let specs = [victim("steady"), victim("looping")];
        let handles = specs.each_ref().map(|spec| spec.handle());
        let tree = SupervisorSpec::new("tree").strategy(strategy).intensity(3, HOUR).children(specs);
        let root = Root::start(tree).await.unwrap();
        for expected in 1..=4 {
            assert_eq!(instance(&handles[1]).await, expected);
            let _ = handles[1].ask(Fault::Panic).await;
        }
        let failure = within(root.failed()).await;
        assert!(matches!(failure.status, ExitStatus::Failed(_)));
        assert!(!root.health().live);
        assert!(matches!(handles[0].ask(Add(1)).await, Err(SendError::Stopped { .. })));
    }
}

#[actix::test]
async fn a_failed_supervisor_is_restarted_whole_by_its_parent() {
    let specs = [victim("faulty"), victim("sibling")];
    let outside = victim("outside");
    let handles = specs.each_ref().map(|spec| spec.handle());
    let outside_handle = outside.handle();
    let inner = SupervisorSpec::new("inner")
        .intensity(1, HOUR)
        .backoff(Backoff::constant(Duration::from_millis(5)))
        .children(specs);
    let root = Root::start(SupervisorSpec::new("tree").child(outside).child(inner)).await.unwrap();

    let _ = handles[0].ask(Fault::Panic).await;
    assert_eq!(instance(&handles[0]).await, 2);
    assert_eq!(instance(&handles[1]).await, 1);
    let _ = handles[0].ask(Fault::Panic).await;
    let tree =
        tree_where(&root, |tree| tree.children[1].restarts == 1 && tree.children[1].state == ChildState::Running).await;

    assert!(tree.children[1].last_error.as_ref().unwrap().contains("tree/inner/faulty"));
    assert_eq!(instance(&handles[0]).await, 3);
    assert_eq!(instance(&handles[1]).await, 2, "the sibling came back with its supervisor");
    assert_eq!(instance(&outside_handle).await, 1, "the rest of the tree did not notice");
    root.drain(Duration::from_secs(5)).await;
}

#[actix::test]
async fn failures_climb_to_the_root_when_every_budget_is_used_up() {
    let faulty = victim("faulty");
    let handle = faulty.handle();
    let inner = SupervisorSpec::new("inner")
        .intensity(0, HOUR)
        .backoff(Backoff::constant(Duration::from_millis(5)))
        .child(faulty);
    let root = Root::start(SupervisorSpec::new("tree").intensity(1, HOUR).child(inner)).await.unwrap();
    let _ = handle.ask(Fault::Panic).await;
    assert_eq!(instance(&handle).await, 2);
    let _ = handle.ask(Fault::Panic).await;
    let failure = within(root.failed()).await;
    assert!(failure.to_string().contains("injected panic"), "{failure}");
    let health = root.health();
    assert!(!health.live && !health.ready, "{health:?}");
}

#[actix::test]
async fn transient_and_temporary_children_end_when_they_should() {
    let transient = victim("transient").restart(Restart::Transient);
    let temporary = victim("temporary").restart(Restart::Temporary);
    let handles = [transient.handle(), temporary.handle()];
    let root = Root::start(SupervisorSpec::new("tree").child(transient).child(temporary)).await.unwrap();

    let _ = handles[0].ask(Fault::Panic).await;
    assert_eq!(instance(&handles[0]).await, 2, "a transient child returns from a fault");
    let _ = handles[1].ask(Fault::Panic).await;
    let tree = tree_where(&root, |tree| tree.children[1].state == ChildState::Failed).await;
    assert_eq!(tree.children[1].restarts, 0);
    assert!(matches!(handles[1].ask(Add(1)).await, Err(SendError::Stopped { .. })));
    assert!(!root.health().ready, "a child that failed for good keeps the service from being ready");
    root.drain(Duration::from_secs(5)).await;
}
