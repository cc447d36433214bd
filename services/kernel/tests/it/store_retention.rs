//! The contract of retention, held by both databases.

use orrery_kernel::domain::command::{Command, Restart};
use orrery_kernel::domain::command::{Origin, Parent, Run};
use orrery_kernel::domain::retention::Reach;
use orrery_kernel::domain::state::State;
use orrery_kernel::store::{
    ArchiveRow, Before, Committed, Found, KernelStore, Move, Removal, RetentionRow, RunRow, StartKey,
};
use orrery_store::outbox::Message;
use orrery_testkit::PostgresServer;
use orrery_types::TaskId;

use crate::store::{fresh, moved, sleeper};

const END: u64 = 10_000_000;

/// Starts a run, and ends it unless it is to stay under way.
async fn run(store: &KernelStore, before: State, epoch: i64, key: Option<&str>, ends: bool) -> RunRow {
    let definition = sleeper();
    let (started, entry) = moved(&before, &definition, Command::Start, 1_000, epoch, key);
    assert_eq!(store.commit(vec![entry]).await.unwrap(), [Committed::Done]);
    if ends {
        let (_, entry) = moved(&started.state, &definition, Command::Wake, END, epoch, None);
        assert_eq!(store.commit(vec![entry]).await.unwrap(), [Committed::Done]);
    }
    store.run("acme".into(), before.run.id.to_string()).await.unwrap().unwrap()
}

fn named(id: &str, change: impl FnOnce(&mut Run)) -> State {
    let mut run = (*fresh(&sleeper(), id).run).clone();
    change(&mut run);
    State::new(run)
}

async fn expired(store: &KernelStore, reach: Reach, any_ms: i64, keyed_ms: i64) -> Vec<String> {
    let all: Vec<i32> = (0..64).collect();
    let (mut after, mut found) = ((0, String::new()), Vec::new());
    loop {
        let before = Before { any_ms, keyed_ms };
        let page = store.expired(all.clone(), reach.clone(), before, after.clone(), 2).await.unwrap();
        let Some(last) = page.last() else { return found };
        after = (last.finished_ms, last.run.clone());
        found.extend(page.into_iter().map(|it| it.run));
    }
}

fn archive(row: &RunRow) -> ArchiveRow {
    ArchiveRow::of(row, "acme/archive/x.jsonl".into(), "00".into(), 1, 1)
}

async fn holds(store: KernelStore) {
    let cluster = store.beat("one".into()).await.unwrap();
    let seen = cluster.partitions.iter().map(|(id, epoch, _)| (*id, *epoch)).collect::<Vec<_>>();
    let epoch = store.take("one".into(), seen).await.unwrap()[0].1;
    let later = END as i64 + 1;

    // Rules.
    let rule = |workflow: &str, keep_ms| RetentionRow {
        tenant: "acme".into(),
        workflow: workflow.into(),
        keep_ms,
        archive: true,
    };
    assert!(store.set_retention(rule("n", 5), Vec::new()).await.unwrap());
    assert!(store.set_retention(rule("n", 6), Vec::new()).await.unwrap());
    assert_eq!(store.retention().await.unwrap(), [rule("n", 6)]);

    // Whose time is over, page by page, by the rule that reaches it.
    let plain = run(&store, fresh(&sleeper(), "task_a"), epoch, None, true).await;
    let keyed = run(&store, fresh(&sleeper(), "task_b"), epoch, Some("k"), true).await;
    let other = run(&store, named("task_c", |run| run.workflow.1 = "other".into()), epoch, None, true).await;
    run(&store, fresh(&sleeper(), "task_d"), epoch, None, false).await;
    let workflow = Reach::Workflow("acme".into(), "n".into());
    assert_eq!(expired(&store, workflow.clone(), later, later).await, ["task_a", "task_b"]);
    assert_eq!(expired(&store, workflow.clone(), later, later - 1).await, ["task_a"], "its key is kept for longer");
    assert!(expired(&store, workflow, later - 1, later - 1).await.is_empty(), "not before its time");
    assert_eq!(expired(&store, Reach::Tenant("acme".into()), later, later).await, ["task_c"]);
    assert_eq!(expired(&store, Reach::System, later, later).await, ["task_c"]);
    assert!(store.set_retention(rule("", 9), Vec::new()).await.unwrap());
    assert!(expired(&store, Reach::System, later, later).await.is_empty(), "the tenant has a rule of its own");
    assert!(store.remove_retention("acme".into(), "".into(), Vec::new()).await.unwrap());
    assert!(!store.remove_retention("acme".into(), "".into(), Vec::new()).await.unwrap());

    // What still needs a run keeps it.
    let needed = |id: &str| store.needed_by("acme".into(), id.into());
    let origin = Origin { task: TaskId::new("task_a").unwrap(), seq: 1, by: Restart::Fork };
    let before = named("task_e", |run| run.origin = Some(origin));
    let begun = moved(&before, &sleeper(), Command::Start, 1_000, epoch, None).0;
    let events = begun.events.clone();
    let restart = Command::Restart { events, redo: None, by: "a".into(), reason: String::new() };
    let (fork, entry) = moved(&before, &sleeper(), restart, 2_000, epoch, None);
    assert_eq!(store.commit(vec![entry]).await.unwrap(), [Committed::Done]);
    assert!(needed("task_a").await.unwrap().unwrap().contains("began from it"));
    let (_, entry) = moved(&fork.state, &sleeper(), Command::Wake, END * 2, epoch, None);
    assert_eq!(store.commit(vec![entry]).await.unwrap(), [Committed::Done]);
    assert_eq!(needed("task_a").await.unwrap(), None, "the fork is over");
    let parent = Parent { task: TaskId::new("task_d").unwrap(), key: "k".into() };
    run(&store, named("task_f", |run| run.parent = Some(parent)), epoch, None, true).await;
    assert!(needed("task_f").await.unwrap().is_some(), "who started it is not over");
    let message = Message { subject: "s".into(), message_id: "kernel/task_c/1".into(), payload: vec![], created_ms: 1 };
    let definition = sleeper();
    let speaking = fresh(&definition, "task_g");
    let started = moved(&speaking, &definition, Command::Start, 1_000, epoch, None).0;
    let rows = Move::new(&speaking, &started, epoch, vec![message], None::<StartKey>).unwrap();
    store.commit(vec![orrery_kernel::store::Entry::Move(Box::new(rows))]).await.unwrap();
    assert_eq!(
        store.remove_run(other, epoch, None, Vec::new()).await.unwrap(),
        Removal::Kept("what it said is not on the bus yet")
    );

    // Removal is fenced, writes where the archive is, frees the key, and leaves remains that go piece by piece.
    assert_eq!(store.remove_run(plain.clone(), epoch - 1, None, Vec::new()).await.unwrap(), Removal::Fenced);
    assert_eq!(store.load("acme".into(), "task_a".into()).await.unwrap(), Found::Over, "it left no trace");
    let place = archive(&keyed);
    assert_eq!(store.remove_run(keyed.clone(), epoch, Some(place.clone()), Vec::new()).await.unwrap(), Removal::Done);
    assert!(matches!(store.remove_run(keyed, epoch, None, Vec::new()).await.unwrap(), Removal::Kept(_)), "once");
    assert_eq!(store.load("acme".into(), "task_b".into()).await.unwrap(), Found::Nothing);
    assert_eq!(store.archived("acme".into(), "task_b".into()).await.unwrap(), Some(place));
    assert_eq!(store.archived("other".into(), "task_b".into()).await.unwrap(), None);
    assert_eq!(store.started("acme".into(), "k".into()).await.unwrap(), None);
    remains_go(&store).await;
}

async fn remains_go(store: &KernelStore) {
    let left = store.removals((0..64).collect(), 10).await.unwrap();
    assert_eq!(left.iter().map(|it| it.run_id.as_str()).collect::<Vec<_>>(), ["task_b"]);
    let journal = store.journal("task_b".into(), 0, 100).await.unwrap();
    assert!(!journal.is_empty());
    store.drop_journal(journal).await.unwrap();
    assert!(store.journal("task_b".into(), 0, 100).await.unwrap().is_empty());
    assert!(!store.journal("task_a".into(), 0, 100).await.unwrap().is_empty(), "another's stays");
    store.forget_run("task_b".into()).await.unwrap();
    assert!(store.removals((0..64).collect(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn sqlite_keeps_runs_for_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kernel.db").display());
    holds(KernelStore::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn postgresql_keeps_runs_for_their_time() {
    let postgres = PostgresServer::start().await.unwrap();
    holds(KernelStore::open(&postgres.url()).await.unwrap()).await;
}
