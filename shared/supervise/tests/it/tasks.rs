//! Plain tasks are supervised like actors: panic, error and silence each end in a fresh run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orrery_supervise::{Backoff, ChildState, Heartbeat, Root, SupervisorSpec, TaskContext, TaskSpec};

use crate::fixture::{FAULTS, Fault, tree_where};

/// Fails in the given way on its first run and behaves on the second.
fn faulty_once(fault: Fault) -> TaskSpec {
    let runs = Arc::new(AtomicU64::new(0));
    TaskSpec::new("task", move |ctx: TaskContext| {
        let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            match fault {
                Fault::Panic if first => panic!("injected panic"),
                Fault::Error if first => return Err("injected error"),
                Fault::Hang if first => std::future::pending().await,
                _ => {}
            }
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            loop {
                tokio::select! {
                    () = ctx.draining() => return Ok(()),
                    _ = ticks.tick() => ctx.beat(),
                }
            }
        }
    })
    .heartbeat(Heartbeat::every(Duration::from_millis(50)).misses(3))
    .backoff(Backoff::constant(Duration::from_millis(5)))
}

#[actix::test]
async fn a_task_is_run_again_after_each_fault() {
    for fault in FAULTS {
        let root = Root::start(SupervisorSpec::new("tree").child(faulty_once(fault))).await.unwrap();
        let tree =
            tree_where(&root, |tree| tree.children[0].restarts == 1 && tree.children[0].state == ChildState::Running)
                .await;
        let error = tree.children[0].last_error.clone().unwrap();
        let expected = match fault {
            Fault::Panic => "panicked",
            Fault::Error => "failed: injected error",
            Fault::Hang => "hung",
        };
        assert!(error.starts_with(expected), "{error}");
        assert!(root.drain(Duration::from_secs(5)).await.killed.is_empty());
    }
}
