//! The journal's contract, held by both databases.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use orrery_kernel::domain::command::{Command, Reply, Run};
use orrery_kernel::domain::definition::{self, Definition};
use orrery_kernel::domain::state::State;
use orrery_kernel::domain::transition::{Transition, transition};
use orrery_kernel::store::{
    Committed, DefinitionRow, Deployed, Entry, Found, Held, KernelStore, Move, Page, RunFilter, StartKey, decode,
    partition_of,
};
use orrery_testkit::PostgresServer;
use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::json;

pub fn sleeper() -> Definition {
    definition::parse("document: {dsl: 1.0.0, namespace: t, name: n, version: 1.0.0}\ndo: [{w: {wait: PT1H}}]\n")
        .unwrap()
}

pub fn fresh(definition: &Definition, id: &str) -> State {
    let (id, tenant) = (TaskId::new(id).unwrap(), TenantId::new("acme").unwrap());
    State::new(Run { seed: 1, ..Run::of(definition, id, tenant, "alice", json!({"a": 1})) })
}

/// The move that a command makes, and its rows.
pub fn moved(
    before: &State,
    definition: &Definition,
    command: Command,
    at: u64,
    epoch: i64,
    key: Option<&str>,
) -> (Transition, Entry) {
    let moved = transition(before, definition, command, UnixMillis(at)).unwrap();
    let key = key.map(|key| StartKey { key: key.into(), request_digest: "d".into() });
    let rows = Move::new(before, &moved, epoch, Vec::new(), key).unwrap();
    (moved, Entry::Move(Box::new(rows)))
}

async fn replayed(store: &KernelStore, id: &str) -> Option<State> {
    match store.load("acme".into(), id.into()).await.unwrap() {
        Found::UnderWay(stored) => {
            let snapshot = stored.snapshot.map(|text| serde_json::from_str(&text).unwrap());
            State::resume(snapshot, stored.events.iter().flat_map(|text| decode(text).unwrap()))
        }
        Found::Over | Found::Nothing => None,
    }
}

async fn holds(store: KernelStore) {
    let (me, all) = ("one".to_owned(), (0..64).collect::<Vec<i32>>());
    let cluster = store.beat(me.clone()).await.unwrap();
    assert_eq!(cluster.members, [(me.clone(), 1)]);
    let seen = cluster.partitions.iter().map(|(id, epoch, _)| (*id, *epoch)).collect::<Vec<_>>();
    let taken = store.take(me.clone(), seen.clone()).await.unwrap();
    assert_eq!(taken.iter().map(|(id, _)| *id).collect::<Vec<_>>(), all);
    assert!(store.take("late".into(), seen).await.unwrap().is_empty(), "who saw an older epoch takes nothing");
    let epoch = taken[0].1;
    let definition = sleeper();

    // A batch: one new run, one under a key that the first of the batch has taken.
    let (a, b) = (fresh(&definition, "task_a"), fresh(&definition, "task_b"));
    let (one, first) = moved(&a, &definition, Command::Start, 1_000, epoch, Some("k"));
    let (_, second) = moved(&b, &definition, Command::Start, 1_000, epoch, Some("k"));
    let outcomes = store.commit(vec![first.clone(), second]).await.unwrap();
    assert_eq!(outcomes[0], Committed::Done);
    assert_eq!(outcomes[1], Committed::Duplicate { run: "task_a".into(), request_digest: "d".into() });
    let again = store.commit(vec![first]).await.unwrap();
    assert_eq!(again, [Committed::Stale], "a start that took effect although its commit was reported as failed");
    assert!(replayed(&store, "task_a").await.unwrap() == one.state, "what is read back is what was committed");
    assert_eq!(store.load("other".into(), "task_a".into()).await.unwrap(), Found::Nothing, "another tenant's");

    // K-9: a new owner fences the old one, whose other moves in the batch are judged by their own partition.
    let partition = partition_of(&one.state.run.tenant, &one.state.run.id);
    assert_eq!(store.take("two".into(), vec![(partition, epoch)]).await.unwrap(), [(partition, epoch + 1)]);
    let (_, stale) = moved(&one.state, &definition, Command::Wake, 10_000_000, epoch, None);
    let other = (0..)
        .map(|index| format!("task_o{index}"))
        .find(|id| partition_of(&one.state.run.tenant, &TaskId::new(id).unwrap()) != partition);
    let (_, other) = moved(&fresh(&definition, &other.unwrap()), &definition, Command::Start, 1_000, epoch, None);
    assert_eq!(store.commit(vec![stale, other.clone()]).await.unwrap(), [Committed::Fenced, Committed::Done]);
    let stored = store.run("acme".into(), "task_a".into()).await.unwrap().unwrap();
    assert_eq!(stored.status, "waiting", "the fenced move left no trace");

    // A move whose place is taken, as after a commit that took effect but was reported as failed, harms no other.
    let (end, woken) = moved(&one.state, &definition, Command::Wake, 10_000_000, epoch + 1, None);
    let cancel = Command::Cancel { by: "alice".into(), reason: String::new() };
    let (other_end, cancelled) = moved(&one.state, &definition, cancel, 10_000_000, epoch + 1, None);
    let third = moved(&fresh(&definition, "task_c"), &definition, Command::Start, 1_000, 0, None).0;
    let third_partition = partition_of(&third.state.run.tenant, &third.state.run.id);
    let third_epoch = if third_partition == partition { epoch + 1 } else { epoch };
    let (_, third) = moved(&fresh(&definition, "task_c"), &definition, Command::Start, 1_000, third_epoch, None);
    let outcomes = store.commit(vec![other, third]).await.unwrap();
    assert_eq!(outcomes, [Committed::Stale, Committed::Done]);

    // The new owner's move is taken; the run is over and no longer timed.
    assert_eq!(store.timers(all.clone(), i64::MAX, 10).await.unwrap().len(), 3);
    assert_eq!(store.timers(vec![partition], 1_000, 10).await.unwrap().len(), 0, "not before it is due");
    assert_eq!(store.commit(vec![woken]).await.unwrap(), [Committed::Done]);
    assert_ne!(end.events.len(), other_end.events.len());
    let late = store.commit(vec![cancelled]).await.unwrap();
    assert_eq!(late, [Committed::Stale], "of two moves that follow one state, however long, one is written");
    assert_eq!(store.timers(all, i64::MAX, 10).await.unwrap().len(), 2);
    assert_eq!(store.load("acme".into(), "task_a".into()).await.unwrap(), Found::Over);
    the_journal_has_no_gap(&store).await;

    // Who signs off leaves its partitions to the others.
    store.forget(me).await.unwrap();
    let cluster = store.beat("two".into()).await.unwrap();
    assert_eq!(cluster.members, [("two".to_owned(), 1)]);
    let owned: Vec<i32> = cluster.partitions.iter().filter(|row| !row.2.is_empty()).map(|row| row.0).collect();
    assert_eq!(owned, [partition]);
    registrations_and_definitions_hold(&store).await;
    let page = Page { before: None, limit: 10 };
    assert_eq!(store.runs("acme".into(), RunFilter::default(), page).await.unwrap().len(), 3);
}

async fn the_journal_has_no_gap(store: &KernelStore) {
    let history = store.journal("task_a".into(), 0, 100).await.unwrap();
    let mut next = 1;
    for row in &history {
        assert_eq!(row.seq, next, "a gap in the journal");
        next += decode(&row.events).unwrap().len() as i64;
    }
    let rest = store.journal("task_a".into(), next - 2, 100).await.unwrap();
    assert_eq!(rest, history[history.len() - 1..], "the row in whose middle the last page ended");
}

async fn registrations_and_definitions_hold(store: &KernelStore) {
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
    assert!(matches!(store.deploy(row("h1"), None).await.unwrap(), Deployed::Created(_)));
    assert!(matches!(store.deploy(row("h1"), None).await.unwrap(), Deployed::Unchanged(_)));
    assert_eq!(store.deploy(row("h2"), None).await.unwrap(), Deployed::Conflicting("h1".into()));
}

/// Moves in the middle of a workflow change nothing but the journal, which has a way of its own on PostgreSQL.
async fn holds_in_the_middle(store: KernelStore) {
    let text = "document: {dsl: 1.0.0, namespace: t, name: n, version: 1.0.0}\ndo: [{a: {call: orrery.uuid}}, {b: {call: orrery.uuid}}]\n";
    let definition = definition::parse(text).unwrap();
    let cluster = store.beat("one".into()).await.unwrap();
    let seen = cluster.partitions.iter().map(|(id, epoch, _)| (*id, *epoch)).collect::<Vec<_>>();
    let epoch = store.take("one".into(), seen).await.unwrap()[0].1;
    let (started, first) = moved(&fresh(&definition, "task_m"), &definition, Command::Start, 1_000, epoch, None);
    assert_eq!(store.commit(vec![first]).await.unwrap(), [Committed::Done]);
    let finish = |pointer: &str| Command::FinishCall {
        key: format!("task_m{pointer}/0/1"),
        outcome: Ok(Reply { output: json!({"uuid": "u"}), decisions: vec![] }),
    };
    let step = |epoch| moved(&started.state, &definition, finish("/do/0/a"), 2_000, epoch, None);
    let (after, stale) = step(epoch - 1);
    assert_eq!(store.commit(vec![stale]).await.unwrap(), [Committed::Fenced]);
    assert!(replayed(&store, "task_m").await.unwrap() == started.state, "the fenced move left no trace");
    assert_eq!(
        store.commit(vec![step(epoch).1, step(epoch - 1).1]).await.unwrap(),
        [Committed::Done, Committed::Fenced]
    );
    assert!(replayed(&store, "task_m").await.unwrap() == after.state);
    assert_eq!(store.commit(vec![step(epoch).1]).await.unwrap(), [Committed::Stale], "its place is taken");
    let stored = store.run("acme".into(), "task_m".into()).await.unwrap().unwrap();
    assert!(stored.seq < after.state.seq as i64, "the row waits");
    assert_eq!(store.active(stored.partition).await.unwrap(), [("acme".to_owned(), "task_m".to_owned())]);
}

/// K-9 has nothing to say of leases: two processes that ask at the same time hold no more than the limit.
async fn holds_no_more_than_the_limit(one: KernelStore, other: KernelStore) {
    let hold = |store: &KernelStore, key: String, now: i64| {
        let (store, queue) = (store.clone(), ("acme".to_owned(), "q".to_owned()));
        async move { store.hold_work(queue, key, 3, (now, now + 100)).await.unwrap() }
    };
    let asked = (0..16).map(|index| hold(if index % 2 == 0 { &one } else { &other }, format!("k{index}"), 1_000));
    let held: Vec<Held> = futures::future::join_all(asked).await;
    let of = |wanted: Held| held.iter().enumerate().filter(move |(_, it)| **it == wanted).map(|(index, _)| index);
    assert_eq!((of(Held::Yes).count(), of(Held::Full).count()), (3, 13), "{held:?}");
    let mine = format!("k{}", of(Held::Yes).next().unwrap());
    assert_eq!(hold(&other, mine.clone(), 1_001).await, Held::Taken);
    one.let_work_go(mine.clone()).await.unwrap();
    assert_eq!(hold(&other, "new".into(), 1_002).await, Held::Yes);
    assert_eq!(hold(&one, mine.clone(), 1_003).await, Held::Full);
    // Who died with a hold keeps others out for a while only.
    assert_eq!(hold(&one, mine, 1_100).await, Held::Yes);
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kernel.db").display());
    holds(KernelStore::open(&url).await.unwrap()).await;
    let url = format!("sqlite://{}", folder.path().join("middle.db").display());
    holds_in_the_middle(KernelStore::open(&url).await.unwrap()).await;
    let url = format!("sqlite://{}", folder.path().join("limit.db").display());
    holds_no_more_than_the_limit(KernelStore::open(&url).await.unwrap(), KernelStore::open(&url).await.unwrap()).await;
}

/// A commit of which nobody heard may still be under way: whoever reads its run back waits for it.
#[tokio::test]
async fn reading_back_waits_for_what_holds_the_partition() {
    let postgres = PostgresServer::start().await.unwrap();
    let store = KernelStore::open(&postgres.url()).await.unwrap();
    store.beat("one".into()).await.unwrap();
    let connect = || PgConnection::establish(&postgres.url()).unwrap();
    let (mut writer, mut observer) = (connect(), connect());
    writer.batch_execute("BEGIN; SELECT id FROM kernel.partitions WHERE id = 5 FOR SHARE").unwrap();
    store.settled(6).await.unwrap();
    let settling = tokio::spawn(async move { store.settled(5).await });
    let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while diesel::sql_query(waiting).execute(&mut observer).unwrap() == 0 {
        assert!(!settling.is_finished(), "it did not wait");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    writer.batch_execute("COMMIT").unwrap();
    settling.await.unwrap().unwrap();
}

#[tokio::test]
async fn postgresql_keeps_the_contract() {
    let postgres = PostgresServer::start().await.unwrap();
    holds(KernelStore::open(&postgres.url()).await.unwrap()).await;
    let postgres = PostgresServer::start().await.unwrap();
    let url = postgres.url();
    holds_in_the_middle(KernelStore::open(&url).await.unwrap()).await;
    holds_no_more_than_the_limit(KernelStore::open(&url).await.unwrap(), KernelStore::open(&url).await.unwrap()).await;
}
