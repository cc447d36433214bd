//! The contract of batches, held by both databases.

use orrery_kernel::domain::batch::{BatchState, Tally};
use orrery_kernel::store::{
    BatchFailureRow, BatchRow, Created, KernelStore, Page, Progress, RunFilter, Written, partition_of_batch,
};
use orrery_store::StoreError;
use orrery_testkit::PostgresServer;
use orrery_types::{BatchId, TenantId};
use serde_json::json;

use crate::store::{fresh, moved, sleeper};

fn row(id: &str, key: &str) -> BatchRow {
    let (tenant, batch) = (TenantId::new("acme").unwrap(), BatchId::new(id).unwrap());
    BatchRow {
        id: id.into(),
        tenant: "acme".into(),
        partition: partition_of_batch(&tenant, &batch),
        idempotency_key: key.into(),
        request_digest: "d".into(),
        operation: json!({"operation": "cancel"}).to_string(),
        filter: json!(RunFilter::default()).to_string(),
        rate: 10_000,
        created_by: "alice".into(),
        reason: String::new(),
        state: BatchState::Running.word().into(),
        after_run: String::new(),
        page: "[]".into(),
        total: 3,
        done: 0,
        failed: 0,
        skipped: 0,
        created_ms: 1,
        updated_ms: 1,
        finished_ms: 0,
    }
}

fn progress(row: &BatchRow, epoch: i64) -> Progress {
    Progress {
        id: row.id.clone(),
        fence: (row.partition, epoch),
        after_run: "task_b".into(),
        page: vec!["task_b".into()],
        tally: Tally { total: 3, done: 1, failed: 1, skipped: 0 },
        failures: vec![BatchFailureRow {
            batch_id: row.id.clone(),
            run_id: "task_a".into(),
            code: "conflict".into(),
            reason: "no".into(),
            at_ms: 2,
        }],
        finished: None,
        now_ms: 2,
    }
}

async fn change(store: &KernelStore, id: &str, to: BatchState) -> Result<Option<BatchRow>, StoreError> {
    let decide = move |row: &BatchRow| match row.state().to(to) {
        Ok(to) => Ok(to.map(|to| (to, Vec::new()))),
        Err(reason) => Err(StoreError::Abandoned(reason)),
    };
    store.change_batch("acme".into(), id.into(), 9, decide).await
}

async fn holds(store: KernelStore) {
    let cluster = store.beat("one".into()).await.unwrap();
    let seen = cluster.partitions.iter().map(|(id, epoch, _)| (*id, *epoch)).collect::<Vec<_>>();
    let epoch = store.take("one".into(), seen).await.unwrap()[0].1;
    let all: Vec<i32> = (0..64).collect();

    // A key makes one batch; a tenant has so many under way, paused ones included; another's do not count.
    let (a, b) = (row("batch_a", "k"), row("batch_b", ""));
    assert_eq!(store.create_batch(a.clone(), 2, Vec::new()).await.unwrap(), Created::New);
    let again = store.create_batch(row("batch_z", "k"), 2, Vec::new()).await.unwrap();
    assert_eq!(again, Created::Seen(Box::new(a.clone())));
    assert_eq!(store.batch_by_key("acme".into(), "k".into()).await.unwrap(), Some(a.clone()));
    assert_eq!(store.batch_by_key("other".into(), "k".into()).await.unwrap(), None);
    assert_eq!(store.create_batch(b.clone(), 2, Vec::new()).await.unwrap(), Created::New);
    assert_eq!(store.create_batch(row("batch_c", ""), 2, Vec::new()).await.unwrap(), Created::Full);
    let other = BatchRow { tenant: "other".into(), ..row("batch_o", "k") };
    assert_eq!(store.create_batch(other, 2, Vec::new()).await.unwrap(), Created::New);
    let many = (0..4).map(|n| store.create_batch(row(&format!("batch_many{n}"), ""), 3, Vec::new()));
    let created = futures::future::join_all(many).await.into_iter().filter(|it| matches!(it, Ok(Created::New))).count();
    assert_eq!(created, 1, "those that come at once see each other");

    // Only the owner of the partition moves a batch on, and not one that was stopped meanwhile to its end.
    assert_eq!(store.advance_batch(progress(&a, epoch - 1)).await.unwrap(), Written::Fenced);
    assert_eq!(store.batch("acme".into(), "batch_a".into()).await.unwrap(), Some(a.clone()), "it left no trace");
    assert_eq!(store.advance_batch(progress(&a, epoch)).await.unwrap(), Written::Done);
    let moved_on = store.batch("acme".into(), "batch_a".into()).await.unwrap().unwrap();
    assert_eq!((moved_on.page.as_str(), moved_on.tally()), (r#"["task_b"]"#, progress(&a, epoch).tally));
    assert_eq!(store.batch_failures("batch_a".into()).await.unwrap(), progress(&a, epoch).failures);
    assert_eq!(change(&store, "batch_a", BatchState::Paused).await.unwrap().unwrap().state, "paused");
    assert_eq!(change(&store, "batch_a", BatchState::Paused).await.unwrap().unwrap().finished_ms, 0);
    let end = Progress { failures: Vec::new(), finished: Some(Vec::new()), ..progress(&a, epoch) };
    assert_eq!(store.advance_batch(end.clone()).await.unwrap(), Written::Done);
    let held = store.batch("acme".into(), "batch_a".into()).await.unwrap().unwrap();
    assert_eq!((held.state.as_str(), held.finished_ms), ("paused", 0), "it is held before its end");
    assert_eq!(change(&store, "batch_a", BatchState::Running).await.unwrap().unwrap().state, "running");
    assert_eq!(store.advance_batch(end).await.unwrap(), Written::Done);
    assert_eq!(store.batch("acme".into(), "batch_a".into()).await.unwrap().unwrap().state, "finished");
    assert!(change(&store, "batch_a", BatchState::Cancelled).await.is_err(), "what is over stays over");
    assert_eq!(change(&store, "batch_b", BatchState::Cancelled).await.unwrap().unwrap().finished_ms, 9);
    assert_eq!(change(&store, "batch_none", BatchState::Cancelled).await.unwrap(), None);

    // Lists.
    let running: Vec<String> = store.batches_running(all, 10).await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(running.len(), 2, "{running:?}");
    let page = |before: Option<&str>, limit| Page { before: before.map(str::to_owned), limit };
    let ids = |rows: Vec<BatchRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let over = vec!["finished".to_owned(), "cancelled".to_owned()];
    assert_eq!(ids(store.batches("acme".into(), over.clone(), page(None, 9)).await.unwrap()), ["batch_b", "batch_a"]);
    assert_eq!(ids(store.batches("acme".into(), over, page(Some("batch_b"), 9)).await.unwrap()), ["batch_a"]);

    // What a filter meets, in order of ids, page by page.
    let definition = sleeper();
    for id in ["task_a", "task_b", "task_c"] {
        let start = orrery_kernel::domain::command::Command::Start;
        let (_, entry) = moved(&fresh(&definition, id), &definition, start, 1_000, epoch, None);
        store.commit(vec![entry]).await.unwrap();
    }
    let waiting = RunFilter { statuses: vec!["waiting".into()], created_before: Some(1_001), ..RunFilter::default() };
    assert_eq!(store.count_runs("acme".into(), waiting.clone()).await.unwrap(), 3);
    assert_eq!(store.count_runs("other".into(), waiting.clone()).await.unwrap(), 0);
    let ids = |after: &str, limit| store.run_ids("acme".into(), waiting.clone(), after.into(), limit);
    assert_eq!(ids("", 2).await.unwrap(), ["task_a", "task_b"]);
    assert_eq!(ids("task_b", 2).await.unwrap(), ["task_c"]);
    let before = RunFilter { created_before: Some(1_000), ..waiting };
    assert_eq!(store.count_runs("acme".into(), before).await.unwrap(), 0);
}

#[tokio::test]
async fn sqlite_keeps_batches() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kernel.db").display());
    holds(KernelStore::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn postgresql_keeps_batches() {
    let postgres = PostgresServer::start().await.unwrap();
    holds(KernelStore::open(&postgres.url()).await.unwrap()).await;
}
