//! One contract for the store, run against both databases.

use std::sync::Arc;

use orrery_retrieval::domain::chunk::Chunk;
use orrery_retrieval::domain::index::{DocumentInfo, Index, Model};
use orrery_retrieval::error::RetrievalError;
use orrery_retrieval::store::{CollectionKey, KnowledgeStore, NewChunk, NewDocument, Removal};
use orrery_testkit::PostgresServer;
use orrery_types::TenantId;

fn key(tenant: &str) -> CollectionKey {
    CollectionKey { tenant: TenantId::new(tenant).unwrap(), name: "guide".to_owned() }
}

fn document(tenant: &str, name: &str, texts: &[&str]) -> NewDocument {
    let chunk = |(start, text): (usize, &&str)| NewChunk {
        chunk: Chunk {
            text: (*text).to_owned(),
            section_path: vec!["Naïve".to_owned(), "A \"b\"".to_owned()],
            clause: "A-1".to_owned(),
            start,
            end: start + 1,
            page: 3,
        },
        wording: vec![0.25, -1.5],
        body: vec![start as f32],
    };
    NewDocument {
        collection: key(tenant),
        info: DocumentInfo {
            name: name.to_owned(),
            digest: format!("sha256:{}", texts.join("|")),
            title: "Title".to_owned(),
            access: vec!["auditor".to_owned()],
            media_type: "text/plain".to_owned(),
            added_ms: 7,
            model: Model { name: "words".to_owned(), ..Model::default() },
        },
        text: texts.join("\n"),
        chunks: texts.iter().enumerate().map(chunk).collect(),
        by: "dana".to_owned(),
    }
}

fn texts(index: &Index) -> Vec<&str> {
    index.entries.iter().map(|entry| entry.text.as_str()).collect()
}

async fn index(store: &KnowledgeStore, tenant: &str) -> Index {
    store.index(key(tenant)).await.unwrap().unwrap()
}

async fn holds_the_contract(url: &str) {
    let store = KnowledgeStore::open(url).await.unwrap();
    assert!(store.index(key("acme")).await.unwrap().is_none());

    let first = store.replace(document("acme", "b", &["one", "two"])).await.unwrap();
    assert_eq!((first.changed, first.version, first.chunks), (true, 1, 2));
    store.replace(document("acme", "a", &["zero"])).await.unwrap();
    let before = index(&store, "acme").await;
    assert_eq!((before.version, texts(&before)), (2, vec!["zero", "one", "two"]));
    let entry = &before.entries[2];
    assert_eq!((&entry.wording, &entry.body, entry.start, entry.page), (&vec![0.25, -1.5], &vec![1.0], 1, 3));
    assert_eq!((entry.section_path[1].as_str(), entry.document.access[0].as_str()), ("A \"b\"", "auditor"));
    assert_eq!((entry.document.model.name.as_str(), entry.document.added_ms), ("words", 7));

    // RT-2 and RT-1: ids are stable, and a replaced document leaves nothing of the old one.
    store.replace(document("acme", "b", &["one", "three"])).await.unwrap();
    let after = index(&store, "acme").await;
    assert_eq!((after.version, texts(&after)), (3, vec!["zero", "one", "three"]));
    assert_eq!(after.entries[1].id, before.entries[1].id);
    assert_ne!(after.entries[2].id, before.entries[2].id);
    let followed = store.follow(key("acme"), Arc::new(before.clone()), 3, "b".to_owned()).await.unwrap().unwrap();
    let behind = store.follow(key("acme"), Arc::default(), 3, "b".to_owned()).await.unwrap().unwrap();
    assert_eq!((texts(&followed), texts(&behind), behind.version), (texts(&after), texts(&after), 3));

    let same = store.replace(document("acme", "b", &["one", "three"])).await.unwrap();
    assert_eq!((same.changed, same.version, same.chunks), (false, 3, 2));
    fails_without_a_trace(&store).await;
    keeps_tenants_apart(&store).await;
    removes(&store).await;
    // One record for each change: three documents, one of the rival's, one removal.
    assert_eq!(store.unsent().await.unwrap(), 5);
}

/// A failure in the middle of a replacement leaves the old document, version and records.
async fn fails_without_a_trace(store: &KnowledgeStore) {
    // The limit is checked after the old document was deleted and the version moved on.
    let large = document("acme", "b", &["four"]);
    let chunks = vec![large.chunks[0].clone(); 100_001];
    let result = store.replace(NewDocument { chunks, ..large }).await;
    assert!(matches!(result, Err(RetrievalError::Full { .. })), "{result:?}");
    let index = index(store, "acme").await;
    assert_eq!((index.version, texts(&index)), (3, vec!["zero", "one", "three"]));
}

async fn keeps_tenants_apart(store: &KnowledgeStore) {
    store.replace(document("rival", "b", &["one"])).await.unwrap();
    assert_eq!(texts(&index(store, "rival").await), ["one"]);
    assert_eq!(index(store, "acme").await.entries.len(), 3);
    let ids = |index: Index| index.entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
    assert!(!ids(index(store, "acme").await).contains(&ids(index(store, "rival").await)[0]));
    assert_eq!(store.keys().await.unwrap().len(), 2);
    assert_eq!(store.collections(TenantId::new("rival").unwrap()).await.unwrap(), [key("rival")]);
}

async fn removes(store: &KnowledgeStore) {
    let removal = |document: &str| Removal {
        collection: key("acme"),
        document: document.to_owned(),
        by: "dana".to_owned(),
        at_ms: 8,
    };
    assert_eq!(store.remove(removal("b")).await.unwrap(), 4);
    assert_eq!(texts(&index(store, "acme").await), ["zero"]);
    assert!(matches!(store.remove(removal("b")).await, Err(RetrievalError::UnknownDocument(_))));
    assert_eq!(store.version(key("acme")).await.unwrap(), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_holds_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    holds_the_contract(&format!("sqlite://{}", folder.path().join("retrieval.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_holds_the_contract() {
    let server = PostgresServer::start().await.unwrap();
    holds_the_contract(&server.url()).await;
}
