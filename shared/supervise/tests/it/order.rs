//! Children start in order, each when the one before it is up.

use std::time::Duration;

use orrery_supervise::{ChildState, NodeKind, Root, SupervisorSpec, TaskSpec};

use crate::fixture::{Journal, tree_where, victim, within};

#[actix::test]
async fn the_next_child_waits_until_the_one_before_it_is_ready() {
    let journal = Journal::default();
    let (go, gone) = tokio::sync::watch::channel(false);
    let first = {
        let journal = journal.clone();
        TaskSpec::new("first", move |ctx| {
            let (journal, mut gone) = (journal.clone(), gone.clone());
            async move {
                journal.note("first begun");
                gone.wait_for(|go| *go).await.map_err(|_| "gone")?;
                journal.note("first ready");
                ctx.ready();
                ctx.draining().await;
                Ok::<(), &str>(())
            }
        })
        .wait_ready()
    };
    let second = {
        let journal = journal.clone();
        TaskSpec::new("second", move |ctx| {
            journal.note("second begun");
            async move {
                ctx.draining().await;
                Ok::<(), &str>(())
            }
        })
    };
    let starting = tokio::task::spawn_local(Root::start(SupervisorSpec::new("tree").child(first).child(second)));
    within(async {
        while journal.entries().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!starting.is_finished());
    go.send(true).unwrap();
    let root = within(starting).await.unwrap().unwrap();
    tree_where(&root, |tree| tree.children[1].state == ChildState::Running).await;
    assert_eq!(journal.entries(), ["first begun", "first ready", "second begun"]);
    root.drain(Duration::from_secs(5)).await;
}

#[actix::test]
async fn a_child_that_is_never_ready_runs_into_its_start_timeout() {
    let spec = victim("shy").wait_ready().start_timeout(Duration::from_millis(30));
    let tree = SupervisorSpec::new("tree").intensity(0, Duration::from_secs(60)).child(spec);
    let error = within(Root::start(tree)).await.unwrap_err();
    assert!(error.to_string().contains("start timeout"), "{error}");
}

#[actix::test]
async fn the_tree_is_observable_and_serialisable() {
    let inner = SupervisorSpec::new("inner").child(victim("leaf"));
    let root = Root::start(SupervisorSpec::new("tree").child(victim("actor")).child(inner)).await.unwrap();
    let tree = root.snapshot();
    assert_eq!(tree.kind, NodeKind::Supervisor);
    assert_eq!(tree.children[1].children[0].name, "leaf");
    assert_eq!(tree.children[1].children[0].state, ChildState::Running);
    let json = serde_json::to_string(&tree).unwrap();
    assert!(json.contains(r#""state":"running""#), "{json}");
    assert_eq!(serde_json::from_str::<orrery_supervise::TreeSnapshot>(&json).unwrap(), tree);
    let health = root.health();
    assert!(health.live && health.ready && health.reasons.is_empty(), "{health:?}");
    root.drain(Duration::from_secs(5)).await;
    let health = root.health();
    assert!(health.live && !health.ready, "{health:?}");
}
