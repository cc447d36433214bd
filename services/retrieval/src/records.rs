//! The audit records of this service. They hold digests, names and scores; never a query, a text or a fraction.

use orrery_bus::subjects;
use orrery_proof::facts::{
    self, KnowledgeIngested, ModelIdentity, RetrievalSearched, RetrievedChunk, kind, millionths,
};
use orrery_proto::v1::{AuditRecord, SearchRequest};
use orrery_store::outbox::Message;
use orrery_types::{Sha256Digest, TenantId};
use prost::Message as _;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::index::{Found, Model};
use crate::store::{NewDocument, Removal};

const SERVICE: &str = "retrieval";
/// Not among the kinds that explanations read; it is in the log all the same.
const KNOWLEDGE_REMOVED: &str = "knowledge.removed";

/// A record as the outbox keeps it.
pub(crate) fn message(record: &AuditRecord) -> Message {
    Message {
        subject: subjects::audit_record(SERVICE),
        message_id: record.id.clone(),
        payload: record.encode_to_vec(),
        created_ms: i64::try_from(record.at_ms).unwrap_or(i64::MAX),
    }
}

pub(crate) fn ingested(document: &NewDocument, version: u64) -> AuditRecord {
    let (key, info) = (&document.collection, &document.info);
    let facts = KnowledgeIngested {
        collection: key.name.clone(),
        collection_version: version,
        document: info.name.clone(),
        document_digest: info.digest.clone(),
        chunks: document.chunks.len() as u64,
        by: document.by.clone(),
    };
    record(&key.tenant, "", kind::KNOWLEDGE_INGESTED, info.added_ms, &facts)
}

pub(crate) fn removed(removal: &Removal, version: u64, digest: String) -> AuditRecord {
    let facts = json!({
        "collection": removal.collection.name,
        "collection_version": version,
        "document": removal.document,
        "document_digest": digest,
        "by": removal.by,
    });
    record(&removal.collection.tenant, "", KNOWLEDGE_REMOVED, removal.at_ms, &facts)
}

/// What was searched for and found, at which version.
pub(crate) fn searched(
    tenant: &TenantId,
    request: &SearchRequest,
    (version, model, found): (u64, &Model, &[Found]),
    at_ms: u64,
) -> AuditRecord {
    let facts = RetrievalSearched {
        collection: request.collection.clone(),
        collection_version: version,
        query_digest: Sha256Digest::of(request.query.as_bytes()).to_string(),
        filter: filter(request),
        hits: found.iter().map(retrieved).collect(),
        embedding_model: Some(ModelIdentity {
            name: model.name.clone(),
            version: model.version.clone(),
            digest: model.digest.clone(),
            provider: model.provider.clone(),
        }),
    };
    record(tenant, &request.task_id, kind::RETRIEVAL_SEARCHED, at_ms, &facts)
}

fn retrieved(found: &Found) -> RetrievedChunk {
    RetrievedChunk {
        chunk_id: found.entry.id.clone(),
        chunk_digest: found.entry.digest.clone(),
        document: found.entry.document.name.clone(),
        document_digest: found.entry.document.digest.clone(),
        clause: found.entry.clause.clone(),
        score_millionths: millionths(f64::from(found.score)),
    }
}

fn filter(request: &SearchRequest) -> Value {
    let filter = request.filter.clone().unwrap_or_default();
    json!({"documents": filter.documents, "sections": filter.sections})
}

fn record<T: Serialize>(tenant: &TenantId, task_id: &str, kind: &str, at_ms: u64, facts: &T) -> AuditRecord {
    AuditRecord {
        id: format!("ret_{}", Uuid::now_v7().simple()),
        tenant: tenant.to_string(),
        task_id: task_id.to_owned(),
        service: SERVICE.to_owned(),
        kind: kind.to_owned(),
        at_ms,
        facts_json: facts::to_json(facts),
    }
}
