//! The calls, over a real bus.

use orrery_bus::{CallContext, subjects, verbs};
use orrery_errors::ErrorCode;
use orrery_proof::facts::Facts;
use orrery_proto::v1::{
    AuditRecord, DeleteDocumentRequest, ListCollectionsRequest, ListDocumentsRequest, SearchFilter, SearchRequest,
};
use prost::Message as _;
use serde_json::Value;

use crate::system::{PATIENCE, System, caller, question, short};

pub const HOME: &str = "# Home policy\n\n## H-2 What is covered\nH-2.1 Storm. We pay for wind and hail.\n\
                        H-2.2 Water. We pay for burst pipes.\n\n## H-3 What is not covered\nH-3.1 Rust and rot.\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_clause_is_found_and_cited() {
    let system = System::start().await;
    let ingested = system.ingest("home.md", HOME, &[]).await.unwrap();
    assert_eq!((ingested.chunks, ingested.changed, ingested.collection_version), (3, true, 1));

    let reply = system.search(question("burst pipes and water", &[])).await.unwrap();
    let hit = &reply.hits[0];
    assert_eq!((hit.clause.as_str(), hit.document.as_str(), hit.title.as_str()), ("H-2.2", "home.md", "Home policy"));
    assert_eq!(hit.section_path, ["Home policy", "H-2 What is covered"]);
    assert_eq!((hit.document_digest.as_str(), reply.collection_version), (ingested.document_digest.as_str(), 1));
    let cited: String = HOME.chars().skip(hit.start as usize).take((hit.end - hit.start) as usize).collect();
    assert_eq!(cited.trim(), hit.text);
    assert_eq!(reply.embedding_model.unwrap().name, "words");

    let filter = SearchFilter { documents: vec![], sections: vec!["not covered".to_owned()] };
    let filtered = SearchRequest { filter: Some(filter), ..question("burst pipes", &[]) };
    let clauses: Vec<_> = system.search(filtered).await.unwrap().hits.into_iter().map(|hit| hit.clause).collect();
    assert_eq!(clauses, ["H-3.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replaced_or_deleted_is_gone_and_the_same_bytes_change_nothing() {
    let system = System::start().await;
    system.ingest("home.md", HOME, &[]).await.unwrap();
    let embedded = system.texts_embedded();
    let again = system.ingest("home.md", HOME, &[]).await.unwrap();
    assert_eq!((again.changed, again.chunks, again.collection_version), (false, 3, 1));
    assert_eq!(system.texts_embedded(), embedded, "the same bytes were embedded again");

    let new = HOME.replace("burst pipes", "leaking tanks");
    let replaced = system.ingest("home.md", &new, &[]).await.unwrap();
    assert_eq!((replaced.changed, replaced.collection_version), (true, 2));
    let texts: Vec<_> =
        system.search(question("burst pipes", &[])).await.unwrap().hits.into_iter().map(|hit| hit.text).collect();
    assert_eq!(texts.len(), 3);
    assert!(!texts.iter().any(|text| text.contains("burst pipes")), "{texts:?}");

    let delete = |document: &str| DeleteDocumentRequest {
        caller: Some(caller("acme", &["admin"])),
        collection: "guide".to_owned(),
        document: document.to_owned(),
    };
    let deleted = system.gateway.call(verbs::retrieval::DELETE, &short(), &delete("home.md")).await.unwrap();
    assert_eq!(deleted.collection_version, 3);
    assert!(system.search(question("storm", &[])).await.unwrap().hits.is_empty());
    let missing = system.gateway.call(verbs::retrieval::DELETE, &short(), &delete("home.md")).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_another_tenants_or_another_roles_documents() {
    let system = System::start().await;
    system.ingest("home.md", HOME, &[]).await.unwrap();
    system.ingest("guide.md", "# Guide\n\nStorm reserves are secret.\n", &["auditor"]).await.unwrap();

    let found = |roles: &'static [&'static str]| {
        let system = &system;
        async move {
            let hits = system.search(question("storm reserves secret", roles)).await.unwrap().hits;
            hits.iter().any(|hit| hit.document == "guide.md")
        }
    };
    assert_eq!((found(&[]).await, found(&["auditor"]).await, found(&["admin"]).await), (false, true, true));
    let list =
        |roles: &[&str]| ListDocumentsRequest { caller: Some(caller("acme", roles)), collection: "guide".to_owned() };
    let outsider = system.gateway.call(verbs::retrieval::DOCUMENTS, &short(), &list(&[])).await.unwrap().documents;
    assert_eq!(outsider.iter().map(|document| document.name.as_str()).collect::<Vec<_>>(), ["home.md"]);
    let auditor = system.gateway.call(verbs::retrieval::DOCUMENTS, &short(), &list(&["auditor"])).await.unwrap();
    assert_eq!(auditor.documents.len(), 2);

    let rival = SearchRequest { caller: Some(caller("rival", &["admin"])), ..question("storm", &[]) };
    assert_eq!(system.search(rival).await.unwrap_err().code, ErrorCode::NotFound);
    let collections = ListCollectionsRequest { caller: Some(caller("rival", &["admin"])) };
    let reply = system.gateway.call(verbs::retrieval::COLLECTIONS, &short(), &collections).await.unwrap();
    assert!(reply.collections.is_empty());
    // A payload of another tenant cannot be named.
    let foreign = system.upload("rival", "x.md", "text/markdown", b"# X\n\nText.\n").await;
    assert_eq!(system.ingest_blob("x.md", foreign, &[]).await.unwrap_err().code, ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_its_reason() {
    let system = System::start().await;
    let ingest = |name: &'static str, media_type: &'static str, bytes: Vec<u8>| {
        let system = &system;
        async move {
            let blob = system.upload("acme", name, media_type, &bytes).await;
            system.ingest_blob(name, blob, &[]).await.unwrap_err()
        }
    };
    let broken = ingest("broken.md", "text/markdown", b"# Good\n\n\xff".to_vec()).await;
    assert_eq!((broken.code, broken.message.contains("byte 8")), (ErrorCode::InvalidMedia, true), "{broken}");
    let empty = ingest("empty.md", "text/markdown", b"\n \n".to_vec()).await;
    assert_eq!(empty.code, ErrorCode::InvalidMedia, "{empty}");
    let picture = ingest("picture.png", "image/png", vec![1, 2, 3]).await;
    assert_eq!(picture.code, ErrorCode::UnsupportedMedia, "{picture}");
    let clauses: String = (0..20_001).map(|number| format!("A-{number} x\n")).collect();
    let pieces = ingest("pieces.md", "text/markdown", clauses.into_bytes()).await;
    assert_eq!(pieces.code, ErrorCode::PayloadTooLarge, "{pieces}");
    // None of these has made a collection.
    assert_eq!(system.search(question("good", &[])).await.unwrap_err().code, ErrorCode::NotFound);

    for (request, code) in [
        (SearchRequest { top_k: 101, ..question("x", &[]) }, ErrorCode::InvalidRequest),
        (SearchRequest { dense_weight: Some(f32::NAN), ..question("x", &[]) }, ErrorCode::InvalidRequest),
        (SearchRequest { task_id: "a b".to_owned(), ..question("x", &[]) }, ErrorCode::InvalidRequest),
        (SearchRequest { caller: None, ..question("x", &[]) }, ErrorCode::InvalidRequest),
        (question(" ", &[]), ErrorCode::InvalidRequest),
    ] {
        assert_eq!(system.search(request).await.unwrap_err().code, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_pages_is_read_by_a_model() {
    let system = System::start().await;
    let pages = "H-1 SCOPE\nH-1.1 Storm. We pay for dam-\nage by wind.\u{c}H-1.2 Glass. We pay for panes.";
    let blob = system.upload("acme", "policy.pdf", "application/pdf", pages.as_bytes()).await;
    system.ingest_blob("policy.pdf", blob, &[]).await.unwrap();
    let hits = system.search(question("panes of glass", &[])).await.unwrap().hits;
    assert_eq!((hits[0].clause.as_str(), hits[0].page), ("H-1.2", 2));
    assert_eq!((hits[1].text.as_str(), hits[1].page), ("H-1.1 Storm. We pay for damage by wind.", 1));
    assert_eq!(hits[1].section_path, ["H-1 SCOPE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_search_and_every_change_leaves_a_record_without_content() {
    let system = System::start().await;
    system.ingest("home.md", HOME, &[]).await.unwrap();
    let task = "task_0199a0b4c0de7000800000000000000a";
    let asked = SearchRequest { task_id: task.to_owned(), ..question("storm over Margate", &[]) };
    let reply = system.search(asked).await.unwrap();
    let records = reported(&system, 2).await;

    let [ingested, searched] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((ingested.kind.as_str(), ingested.task_id.as_str()), ("knowledge.ingested", ""));
    assert_eq!((searched.kind.as_str(), searched.task_id.as_str()), ("retrieval.searched", task));
    assert!(!searched.facts_json.contains("Margate") && !searched.facts_json.contains("wind"));
    let record = orrery_proof::Record {
        id: searched.id.clone(),
        tenant: searched.tenant.clone(),
        task_id: searched.task_id.clone(),
        service: searched.service.clone(),
        kind: searched.kind.clone(),
        at_ms: searched.at_ms,
        facts: serde_json::from_str::<Value>(&searched.facts_json).unwrap(),
    };
    record.to_canonical().unwrap();
    let Facts::RetrievalSearched(facts) = Facts::of(&record).unwrap() else { panic!("other facts") };
    let scores: Vec<i64> = reply.hits.iter().map(|hit| (hit.score * 1e6).round() as i64).collect();
    assert_eq!(facts.hits.iter().map(|hit| hit.score_millionths).collect::<Vec<_>>(), scores);
    assert_eq!((facts.collection_version, facts.hits[0].clause.as_str()), (1, "H-2.1"));
}

/// The first `count` records that the service has published.
async fn reported(system: &System, count: usize) -> Vec<AuditRecord> {
    let audit = system.nats.connect("audit").await.unwrap();
    let spec = orrery_bus::ConsumerSpec {
        stream: subjects::STREAM_AUDIT,
        durable: "test",
        filter: subjects::audit_record("retrieval"),
        ack_wait: PATIENCE,
        pending_max: 100,
    };
    let mut consumer = audit.consume(spec).await.unwrap();
    let mut records = Vec::new();
    while records.len() < count {
        let delivery = tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap();
        records.push(AuditRecord::decode(delivery.payload()).unwrap());
    }
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_an_ingest_and_leaves_nothing() {
    let system = System::start().await;
    let blob = system.upload("acme", "home.md", "text/markdown", HOME.as_bytes()).await;
    let request = orrery_proto::v1::IngestRequest {
        caller: Some(caller("acme", &["admin"])),
        collection: "guide".to_owned(),
        document: "home.md".to_owned(),
        blob: Some(blob),
        access: Vec::new(),
    };
    let context = CallContext::within(std::time::Duration::ZERO);
    let late = system.gateway.call(verbs::retrieval::INGEST, &context, &request).await.unwrap_err();
    assert_eq!(late.code, ErrorCode::DeadlineExceeded);
    assert_eq!(system.search(question("storm", &[])).await.unwrap_err().code, ErrorCode::NotFound);
}
