//! The journal's contract, held by both databases.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_kernel::domain::command::{Command, Run};
use orrery_kernel::domain::definition::{self, Definition};
use orrery_kernel::domain::state::State;
use orrery_kernel::domain::transition::{Transition, transition};
use orrery_kernel::store::{
    Committed, DefinitionRow, Deployed, KernelStore, Move, Page, RunFilter, StartKey, partition_of,
};
use orrery_testkit::PostgresServer;
use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::json;

fn sleeper() -> Definition {
    definition::parse("document: {dsl: 1.0.0, namespace: t, name: n, version: 1.0.0}\ndo: [{w: {wait: PT1H}}]\n")
        .unwrap()
}

fn start(definition: &Definition, id: &str) -> Transition {
    let run = Run {
        id: TaskId::new(id).unwrap(),
        tenant: TenantId::new("acme").unwrap(),
        workflow: ("t".into(), "n".into(), "1.0.0".into()),
        definition: definition.hash,
        submitted_by: "alice".into(),
        roles: vec![],
        input: Arc::new(json!({"a": 1})),
        attachments: BTreeMap::new(),
        deadline_at: None,
        seed: 1,
        parent: None,
        depth: 0,
        traceparent: String::new(),
            priority: 0,
    };
    transition(&State::new(run), definition, Command::Start, UnixMillis(1_000)).unwrap()
}

fn rows(moved: &Transition, epoch: i64, key: Option<&str>) -> Move {
    let key = key.map(|key| StartKey { key: key.into(), request_digest: "d".into() });
    Move::new(&moved.state, &moved.events, epoch, Vec::new(), key).unwrap()
}

async fn holds(store: KernelStore) {
    let all: Vec<i32> = (0..64).collect();
    let first = store.recover(all.clone()).await.unwrap();
    assert!(first.states.is_empty());
    let epoch = first.epochs[0].1;
    let definition = sleeper();

    // A batch: one new run, one under a key that the first of the batch has taken.
    let (one, two) = (start(&definition, "task_a"), start(&definition, "task_b"));
    let outcomes = store.commit(vec![rows(&one, epoch, Some("k")), rows(&two, epoch, Some("k"))]).await.unwrap();
    assert_eq!(outcomes[0], Committed::Done);
    assert_eq!(outcomes[1], Committed::Duplicate { run: "task_a".into(), request_digest: "d".into() });

    // K-9: a new owner fences the old one, whose other moves in the batch are judged by their own partition.
    let partition = partition_of(&one.state.run.tenant, &one.state.run.id);
    let mine = store.recover(vec![partition]).await.unwrap();
    assert_eq!(mine.epochs, [(partition, epoch + 1)]);
    assert!(mine.states == [one.state.clone()], "the recovered state is the committed one");
    let woken = transition(&one.state, &definition, Command::Wake, UnixMillis(10_000_000)).unwrap();
    let other = (0..)
        .map(|index| format!("task_o{index}"))
        .find(|id| partition_of(&one.state.run.tenant, &TaskId::new(id).unwrap()) != partition);
    let other = start(&definition, &other.unwrap());
    let outcomes = store.commit(vec![rows(&woken, epoch, None), rows(&other, epoch, None)]).await.unwrap();
    assert_eq!(outcomes, [Committed::Fenced, Committed::Done]);
    let stored = store.run("acme".into(), "task_a".into()).await.unwrap().unwrap();
    assert_eq!(stored.status, "waiting", "the fenced move left no trace");

    // The new owner's move is taken; the run is over and no longer recovered nor timed.
    assert_eq!(store.timers().await.unwrap().len(), 2);
    assert_eq!(store.commit(vec![rows(&woken, epoch + 1, None)]).await.unwrap(), [Committed::Done]);
    let timers = store.timers().await.unwrap();
    assert_eq!(timers.len(), 1);
    assert_eq!(store.recover(vec![partition]).await.unwrap().states.len(), 0);
    let history = store.history("task_a".into(), 0, 100).await.unwrap();
    assert_eq!(history.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=history.len() as i64).collect::<Vec<_>>());

    // Registrations: idempotent, and only those before count.
    let register = |run: &str, at| store.register("acme".into(), "plate".into(), "v".into(), run.into(), at);
    assert!(register("task_a", 1).await.unwrap().is_empty());
    assert_eq!(register("task_b", 2).await.unwrap(), ["task_a"]);
    assert!(register("task_a", 3).await.unwrap().is_empty());

    // Definitions never change.
    let row = |hash: &str| DefinitionRow {
        tenant: "acme".into(),
        namespace: "t".into(),
        name: "n".into(),
        version: "1.0.0".into(),
        hash: hash.into(),
        title: "n".into(),
        source: "s".into(),
        deployed_ms: 1,
    };
    assert!(matches!(store.deploy(row("h1")).await.unwrap(), Deployed::Created(_)));
    assert!(matches!(store.deploy(row("h1")).await.unwrap(), Deployed::Unchanged(_)));
    assert_eq!(store.deploy(row("h2")).await.unwrap(), Deployed::Conflicting("h1".into()));
    let page = Page { before: None, limit: 10 };
    assert_eq!(store.runs("acme".into(), RunFilter::default(), page).await.unwrap().len(), 2);
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kernel.db").display());
    holds(KernelStore::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn postgresql_keeps_the_contract() {
    let postgres = PostgresServer::start().await.unwrap();
    holds(KernelStore::open(&postgres.url()).await.unwrap()).await;
}
