//! Draining: reverse order, accepted work finished, deadlines enforced, waiting senders told.

use std::time::{Duration, Instant};

use orrery_supervise::{ChildState, Root, SendError, SupervisorSpec, TaskSpec};

use crate::fixture::{Add, Hold, Journal, tree_where, victim, within};

fn noted(name: &'static str, journal: &Journal) -> TaskSpec {
    let journal = journal.clone();
    TaskSpec::new(name, move |ctx| {
        let journal = journal.clone();
        async move {
            ctx.draining().await;
            journal.note(format!("{name} draining"));
            // Gives an unordered drain the chance to show itself.
            tokio::time::sleep(Duration::from_millis(10)).await;
            journal.note(format!("{name} ended"));
            Ok::<(), &str>(())
        }
    })
}

#[actix::test]
async fn children_drain_one_by_one_in_reverse_order() {
    let journal = Journal::default();
    let inner = SupervisorSpec::new("inner").child(noted("b", &journal)).child(noted("c", &journal));
    let tree = SupervisorSpec::new("tree").child(noted("a", &journal)).child(inner).child(noted("d", &journal));
    let root = Root::start(tree).await.unwrap();
    let report = within(root.drain(Duration::from_secs(5))).await;
    assert!(report.killed.is_empty());
    let expected: Vec<String> =
        ["d", "c", "b", "a"].iter().flat_map(|name| [format!("{name} draining"), format!("{name} ended")]).collect();
    assert_eq!(journal.entries(), expected);
    assert!(root.snapshot().children.iter().all(|child| child.state == ChildState::Stopped));
}

#[actix::test]
async fn accepted_messages_are_finished_and_new_ones_refused() {
    let spec = victim("busy").no_heartbeat();
    let handle = spec.handle();
    let root = Root::start(SupervisorSpec::new("tree").child(spec)).await.unwrap();
    let (release, until) = tokio::sync::oneshot::channel();
    let hold = handle.try_send(Hold(until)).unwrap();
    let accepted: Vec<_> = (1..=3).map(|n| handle.try_send(Add(n)).unwrap()).collect();

    let draining = tokio::task::spawn_local({
        let root = root.clone();
        async move { root.drain(Duration::from_secs(5)).await }
    });
    tree_where(&root, |tree| tree.children[0].state == ChildState::Draining).await;
    within(async {
        // The state is shown just before the mailbox closes to new messages.
        while !matches!(handle.try_send(Add(9)), Err(SendError::Draining { .. })) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    release.send(()).unwrap();
    within(hold).await.unwrap();
    let totals = within(futures::future::try_join_all(accepted)).await.unwrap();
    assert_eq!(totals, [1, 3, 6]);
    assert!(within(draining).await.unwrap().killed.is_empty());
    assert!(matches!(handle.ask(Add(1)).await, Err(SendError::Stopped { .. })));
}

#[actix::test]
async fn past_its_deadline_a_child_is_killed_and_its_senders_told() {
    let spec = victim("stuck").no_heartbeat().drain_deadline(Duration::from_millis(50));
    let handle = spec.handle();
    let journal = Journal::default();
    let root = Root::start(SupervisorSpec::new("tree").child(noted("before", &journal)).child(spec)).await.unwrap();
    let (_never, until) = tokio::sync::oneshot::channel();
    let stuck = handle.try_send(Hold(until)).unwrap();
    let behind = handle.try_send(Add(1)).unwrap();
    let begun = Instant::now();
    let report = within(root.drain(Duration::from_secs(60))).await;
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(report.killed, ["tree/stuck"]);
    assert!(matches!(within(stuck).await, Err(SendError::Lost { .. })));
    let told = within(behind).await;
    assert!(matches!(told, Err(SendError::Draining { .. } | SendError::Stopped { .. })), "{told:?}");
    assert_eq!(journal.entries(), ["before draining", "before ended"], "the others still drain gently");
}

#[actix::test]
async fn the_deadline_of_the_whole_drain_bounds_each_child() {
    let specs = ["one", "two"].map(|name| {
        TaskSpec::new(name, |_| std::future::pending::<Result<(), &str>>()).drain_deadline(Duration::from_secs(3600))
    });
    let root = Root::start(SupervisorSpec::new("tree").children(specs)).await.unwrap();
    let report = within(root.drain(Duration::from_millis(50))).await;
    assert_eq!(report.killed, ["tree/two", "tree/one"]);
}

#[actix::test]
async fn dropping_the_root_kills_the_tree() {
    let spec = victim("orphan");
    let handle = spec.handle();
    let root = Root::start(SupervisorSpec::new("tree").child(spec)).await.unwrap();
    let mut watch = root.watch();
    drop(root);
    within(watch.wait_for(|tree| tree.children[0].state == ChildState::Stopped)).await.unwrap();
    assert!(matches!(handle.ask(Add(1)).await, Err(SendError::Stopped { .. })));
}
