//! A panic, an error and a hang, in each strategy: who gets a fresh instance, and who keeps the old one.

use std::time::Duration;

use orrery_supervise::{ChildState, Handle, Heartbeat, Root, SendError, Strategy, SupervisorSpec};

use crate::fixture::{Add, Block, FAULTS, Fault, Victim, instance, tree_where, victim, within};

/// Three victims, the middle one faulty; returns the instances that answer afterwards.
async fn instances_after(strategy: Strategy, fault: Fault) -> [u64; 3] {
    let specs = [victim("first"), victim("second"), victim("third")];
    let handles: Vec<Handle<Victim>> = specs.iter().map(|spec| spec.handle()).collect();
    let root = Root::start(SupervisorSpec::new("tree").strategy(strategy).children(specs)).await.unwrap();
    for handle in &handles {
        assert_eq!(handle.ask(Add(7)).await, Ok(7));
    }

    let told = within(handles[1].ask(fault)).await;
    match fault {
        // The handler returned before the actor stopped, so it could answer.
        Fault::Error | Fault::Hang => assert_eq!(told, Ok(())),
        Fault::Panic => assert!(matches!(told, Err(SendError::Lost { .. })), "{told:?}"),
    }
    let tree = tree_where(&root, |tree| {
        tree.children[1].restarts == 1 && tree.children.iter().all(|child| child.state == ChildState::Running)
    })
    .await;
    let expected = match fault {
        Fault::Panic => "panicked: injected panic",
        Fault::Error => "failed: injected error",
        Fault::Hang => "hung: no progress within the heartbeat limit",
    };
    assert_eq!(tree.children[1].last_error.as_deref(), Some(expected));

    let mut after = [0; 3];
    for (handle, after) in handles.iter().zip(&mut after) {
        *after = instance(handle).await;
        let total = handle.ask(Add(1)).await.unwrap();
        // A fresh instance has forgotten the 7.
        assert_eq!(total, if *after == 1 { 8 } else { 1 });
    }
    root.drain(Duration::from_secs(5)).await;
    after
}

#[actix::test]
async fn one_for_one_replaces_only_the_child_at_fault() {
    for fault in FAULTS {
        assert_eq!(instances_after(Strategy::OneForOne, fault).await, [1, 2, 1], "{fault:?}");
    }
}

#[actix::test]
async fn rest_for_one_replaces_it_and_those_after_it() {
    for fault in FAULTS {
        assert_eq!(instances_after(Strategy::RestForOne, fault).await, [1, 2, 2], "{fault:?}");
    }
}

#[actix::test]
async fn one_for_all_replaces_everyone() {
    for fault in FAULTS {
        assert_eq!(instances_after(Strategy::OneForAll, fault).await, [2, 2, 2], "{fault:?}");
    }
}

#[actix::test]
async fn a_blocked_own_thread_is_left_behind() {
    let spec = victim("blocked").own_thread();
    let handle = spec.handle();
    let root = Root::start(SupervisorSpec::new("tree").child(spec)).await.unwrap();
    let (release, until) = std::sync::mpsc::channel();
    // The thread never comes back to answer; the supervisor answers for it.
    let told = within(handle.ask(Block(until))).await;
    assert!(matches!(told, Err(SendError::Lost { .. })), "{told:?}");
    assert_eq!(instance(&handle).await, 2);
    drop(release);
    root.drain(Duration::from_secs(5)).await;
}

#[actix::test]
async fn a_blocked_shared_thread_is_replaced_for_all_without_blame() {
    let blocker = victim("blocker");
    // Its own heartbeat would never notice in the time of this test.
    let bystander = victim("bystander").heartbeat(Heartbeat::every(Duration::from_secs(3600)));
    let (blocker_handle, bystander_handle) = (blocker.handle(), bystander.handle());
    // One restart is all the budget there is: the bystander's must not count.
    let tree = SupervisorSpec::new("tree").intensity(1, Duration::from_secs(60)).child(blocker).child(bystander);
    let root = Root::start(tree).await.unwrap();
    let (release, until) = std::sync::mpsc::channel();
    let told = within(blocker_handle.ask(Block(until))).await;
    assert!(matches!(told, Err(SendError::Lost { .. })), "{told:?}");
    assert_eq!(instance(&blocker_handle).await, 2);
    assert_eq!(instance(&bystander_handle).await, 2);
    assert!(root.health().live);
    drop(release);
    root.drain(Duration::from_secs(5)).await;
}

#[actix::test]
async fn an_idle_child_is_not_taken_for_a_hung_one() {
    let spec = victim("idle").heartbeat(Heartbeat::every(Duration::from_millis(5)).misses(10));
    let handle = spec.handle();
    let ticker = victim("ticker");
    let ticker_handle = ticker.handle();
    let root = Root::start(SupervisorSpec::new("tree").child(spec).child(ticker)).await.unwrap();
    // Time passes for both: several heartbeat limits of the idle one.
    let (_keep, until) = tokio::sync::oneshot::channel();
    let hold = ticker_handle.ask_within(crate::fixture::Hold(until), Duration::from_millis(150)).await;
    assert!(matches!(hold, Err(SendError::Deadline { .. })));
    assert_eq!(instance(&handle).await, 1);
    root.drain(Duration::from_secs(5)).await;
}
