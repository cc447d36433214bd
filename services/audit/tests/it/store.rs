//! One contract for the log's store, run against both databases.

use std::sync::Arc;

use orrery_audit::domain::Entry;
use orrery_audit::error::AuditError;
use orrery_audit::store::{DeadLetter, LogStore, LogWriter};
use orrery_proof::{Checkpoint, Hash, NoteSigner, Record, consistency, inclusion};
use orrery_testkit::PostgresServer;
use orrery_types::UnixMillis;
use serde_json::json;

fn entry(id: &str, tenant: &str) -> Entry {
    let record = Record {
        id: id.to_owned(),
        tenant: tenant.to_owned(),
        task_id: "task_1".to_owned(),
        service: "kernel".to_owned(),
        kind: "step.completed".to_owned(),
        at_ms: 1,
        facts: json!({"pointer": "/do/0"}),
    };
    Entry::new(record).unwrap()
}

fn entries(range: std::ops::Range<usize>) -> Vec<Entry> {
    range.map(|number| entry(&format!("r{number}"), if number % 2 == 0 { "even" } else { "odd" })).collect()
}

async fn signed(log: &LogStore, signer: &NoteSigner) -> Checkpoint {
    let head = log.head().await.unwrap();
    let checkpoint = Checkpoint::open(&head.checkpoint, signer.verifier()).unwrap();
    assert_eq!(checkpoint.size, head.size);
    checkpoint
}

async fn holds_the_contract(url: &str) {
    let signer = Arc::new(NoteSigner::generate("log.test").unwrap());
    let open = || async {
        let log = LogStore::open(url).await.unwrap();
        LogWriter::open(log, signer.clone(), entry("opening", "system")).await
    };
    let log = LogStore::open(url).await.unwrap();
    assert!(matches!(log.head().await, Err(AuditError::Starting)));
    let mut writer = open().await.unwrap();
    assert_eq!(signed(&log, &signer).await.root, entry("opening", "system").leaf);

    appends_each_id_once(&mut writer).await;
    let early = signed(&log, &signer).await;
    let mut stale = open().await.unwrap();
    for from in (300..700).step_by(100) {
        writer.append(entries(from..from + 100)).await.unwrap();
    }
    assert!(matches!(stale.append(entries(900..901)).await, Err(AuditError::Fenced)), "A-2");
    let mut writer = open().await.unwrap();
    assert_eq!(writer.append(entries(700..701)).await.unwrap().size, 702);

    let late = signed(&log, &signer).await;
    let path = log.consistency_path(early.size, late.size).await.unwrap();
    consistency::verify((early.size, early.root), (late.size, late.root), &path).unwrap();
    proves_every_leaf(&log, &late).await;
    keeps_tenants_apart(&log).await;
    keeps_a_dead_letter_once(&log).await;

    let other = Arc::new(NoteSigner::generate("log.test").unwrap());
    let refused = LogWriter::open(log, other, entry("opening", "system")).await;
    assert!(matches!(refused, Err(AuditError::OtherKey { .. })));
}

async fn appends_each_id_once(writer: &mut LogWriter) {
    let appended = writer.append(entries(0..200)).await.unwrap();
    assert_eq!((appended.size, appended.fresh, appended.repeated), (201, 200, 0));
    let appended = writer.append(entries(150..300)).await.unwrap();
    assert_eq!((appended.size, appended.fresh, appended.repeated), (301, 100, 50));
    let reused = entry("r7", "somebody-else");
    let appended = writer.append(vec![reused.clone()]).await.unwrap();
    assert_eq!((appended.size, appended.conflicting), (301, vec![reused]));
}

async fn proves_every_leaf(log: &LogStore, checkpoint: &Checkpoint) {
    let leaves: Vec<Hash> =
        std::iter::once(entry("opening", "system")).chain(entries(0..701)).map(|entry| entry.leaf).collect();
    let paths = log.inclusion_paths((0..checkpoint.size).collect(), checkpoint.size).await.unwrap();
    assert_eq!(paths.len(), leaves.len());
    for (index, (leaf, path)) in (0..).zip(leaves.into_iter().zip(paths)) {
        inclusion::verify(leaf, index, checkpoint.size, &path, checkpoint.root).unwrap();
    }
}

async fn keeps_tenants_apart(log: &LogStore) {
    let (page, size) = log.export("odd".to_owned(), 0, 10).await.unwrap();
    assert_eq!((page.len(), size), (10, 702));
    assert!(page.iter().all(|exported| exported.record.tenant == "odd"));
    let (rest, _) = log.export("odd".to_owned(), page[9].index, 1000).await.unwrap();
    assert_eq!(rest.len(), 340);
    assert_eq!(log.task_records("even".to_owned(), "task_1".to_owned()).await.unwrap().len(), 351);
    assert!(log.task_records("nobody".to_owned(), "task_1".to_owned()).await.unwrap().is_empty());
}

async fn keeps_a_dead_letter_once(log: &LogStore) {
    let letter = DeadLetter { subject: "s".to_owned(), reason: "not a record".to_owned(), payload: vec![0, 255] };
    for _ in 0..2 {
        log.bury(letter.clone(), UnixMillis(1)).await.unwrap();
    }
    assert_eq!(log.dead_letters(10).await.unwrap(), [letter]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_holds_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    holds_the_contract(&format!("sqlite://{}", folder.path().join("audit.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_holds_the_contract() {
    let server = PostgresServer::start().await.unwrap();
    holds_the_contract(&server.url()).await;
}
