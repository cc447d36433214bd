//! Collections of documents: add, list, remove, search.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_proto::v1::{
    self, DeleteDocumentRequest, IngestRequest, ListCollectionsRequest, ListDocumentsRequest, SearchFilter,
    SearchRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::answer::{Page, present, time};
use crate::http::{Answer, Call, Failure, Gateway, body, call};

/// Who may see a document.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IngestOptions {
    /// Roles separated by commas; without it all of the tenant.
    access: Option<String>,
}

/// What became of a document.
#[derive(Debug, Serialize, ToSchema)]
pub struct IngestView {
    collection: String,
    document: String,
    /// SHA-256 of the bytes.
    document_digest: String,
    chunks: u32,
    /// False when the same bytes were there.
    changed: bool,
    collection_version: u64,
}

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollectionView {
    name: String,
    version: u64,
    documents: u32,
    chunks: u32,
}

/// A document.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentView {
    name: String,
    digest: String,
    media_type: String,
    chunks: u32,
    added_at: Option<String>,
}

/// A document that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletedView {
    collection: String,
    document: String,
    collection_version: u64,
}

/// A question to a collection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchBody {
    query: String,
    /// 1 to 100; 5 when left out.
    top_k: Option<u32>,
    /// Only these documents.
    #[serde(default)]
    documents: Vec<String>,
    /// Only where a heading contains one of these.
    #[serde(default)]
    sections: Vec<String>,
    /// Share of meaning against words, 0 to 1.
    dense_weight: Option<f32>,
}

/// A passage, with where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitView {
    chunk_id: String,
    chunk_digest: String,
    document: String,
    document_digest: String,
    title: String,
    section_path: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<String>,
    text: String,
    /// Characters of the document's text.
    start: u64,
    end: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    score: f64,
    dense_score: f64,
    lexical_score: f64,
}

/// The model that turned the query into numbers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelView {
    name: String,
    version: String,
    digest: String,
    provider: String,
}

/// Passages, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchView {
    hits: Vec<HitView>,
    collection_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_model: Option<ModelView>,
}

impl From<v1::Hit> for HitView {
    fn from(hit: v1::Hit) -> Self {
        Self {
            chunk_id: hit.chunk_id,
            chunk_digest: hit.chunk_digest,
            document: hit.document,
            document_digest: hit.document_digest,
            title: hit.title,
            section_path: hit.section_path,
            clause: present(hit.clause),
            text: hit.text,
            start: hit.start,
            end: hit.end,
            page: (hit.page > 0).then_some(hit.page),
            score: hit.score,
            dense_score: hit.dense_score,
            lexical_score: hit.lexical_score,
        }
    }
}

impl From<v1::ModelIdentity> for ModelView {
    fn from(model: v1::ModelIdentity) -> Self {
        Self { name: model.name, version: model.version, digest: model.digest, provider: model.provider }
    }
}

/// Adds a document, or replaces it. The body is the document's bytes.
#[utoipa::path(put, path = "/v1/knowledge/{collection}/{document}", tag = "knowledge",
    params(("collection" = String, Path), ("document" = String, Path), IngestOptions),
    request_body(content_type = "application/octet-stream", content = String),
    responses((status = 201, body = IngestView), (status = 200, description = "the same bytes were there", body = IngestView)))]
pub async fn ingest(gateway: Data<Gateway>, call: Call, request: HttpRequest, mut payload: Payload) -> Answer {
    let (collection, document) = (call::name(&request, "collection")?, call::name(&request, "document")?);
    let options: IngestOptions = call::query(&request)?;
    let limit = gateway.config.upload_bytes_max;
    body::announced(&request, limit)?;
    let _place = gateway.uploads.enter()?;
    let mut spool = gateway.uploads.begin().await?;
    let mut left = limit;
    while let Some(chunk) = body::next(&mut payload).await? {
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        left = left.checked_sub(size).ok_or_else(|| body::too_large(limit))?;
        spool.write(&chunk).await?;
    }
    let upload = spool.finish(String::new(), document.clone(), Some(body::media_type(&request))).await?;
    let blob = gateway.uploads.store(&gateway.bus, &call.identity.tenant, upload).await?;
    let access = options.access.unwrap_or_default();
    let access = access.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned).collect();
    let ingest = IngestRequest { caller: call.caller(), collection, document, blob: Some(blob), access };
    // Embedding a long document is a model's work.
    let reply = gateway.bus.call(verbs::retrieval::INGEST, &call.model_context(), &ingest).await?;
    let mut response = if reply.changed { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(IngestView {
        collection: reply.collection,
        document: reply.document,
        document_digest: reply.document_digest,
        chunks: reply.chunks,
        changed: reply.changed,
        collection_version: reply.collection_version,
    }))
}

/// The collections of the tenant.
#[utoipa::path(get, path = "/v1/knowledge", tag = "knowledge", responses((status = 200, body = Page<CollectionView>)))]
pub async fn collections(gateway: Data<Gateway>, call: Call) -> Answer {
    let list = ListCollectionsRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::retrieval::COLLECTIONS, &call.context(), &list).await?;
    let view = |collection: v1::Collection| CollectionView {
        name: collection.name,
        version: collection.version,
        documents: collection.documents,
        chunks: collection.chunks,
    };
    Ok(HttpResponse::Ok().json(Page::all(reply.collections.into_iter().map(view).collect())))
}

/// The documents of a collection.
#[utoipa::path(get, path = "/v1/knowledge/{collection}", tag = "knowledge", params(("collection" = String, Path)),
    responses((status = 200, body = Page<DocumentView>)))]
pub async fn documents(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let list = ListDocumentsRequest { caller: call.caller(), collection: call::name(&request, "collection")? };
    let reply = gateway.bus.call(verbs::retrieval::DOCUMENTS, &call.context(), &list).await?;
    let view = |document: v1::Document| DocumentView {
        name: document.name,
        digest: document.digest,
        media_type: document.media_type,
        chunks: document.chunks,
        added_at: time(document.added_at_ms),
    };
    Ok(HttpResponse::Ok().json(Page::all(reply.documents.into_iter().map(view).collect())))
}

/// Removes a document.
#[utoipa::path(delete, path = "/v1/knowledge/{collection}/{document}", tag = "knowledge",
    params(("collection" = String, Path), ("document" = String, Path)), responses((status = 200, body = DeletedView)))]
pub async fn delete(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let (collection, document) = (call::name(&request, "collection")?, call::name(&request, "document")?);
    let delete =
        DeleteDocumentRequest { caller: call.caller(), collection: collection.clone(), document: document.clone() };
    let reply = gateway.bus.call(verbs::retrieval::DELETE, &call.context(), &delete).await?;
    let collection_version = reply.collection_version;
    Ok(HttpResponse::Ok().json(DeletedView { collection, document, collection_version }))
}

/// Searches a collection by meaning and by words.
#[utoipa::path(post, path = "/v1/knowledge/{collection}/search", tag = "knowledge", params(("collection" = String, Path)),
    request_body = SearchBody, responses((status = 200, body = SearchView)))]
pub async fn search(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let collection = call::name(&request, "collection")?;
    let wanted: SearchBody = body::json(&gateway, &request, payload).await?;
    if wanted.query.trim().is_empty() {
        return Err(Failure::param("query", "the query is empty; write what you look for"));
    }
    let search = SearchRequest {
        caller: call.caller(),
        collection,
        query: wanted.query,
        top_k: wanted.top_k.unwrap_or(0),
        filter: Some(SearchFilter { documents: wanted.documents, sections: wanted.sections }),
        dense_weight: wanted.dense_weight,
        ..SearchRequest::default()
    };
    let reply = gateway.bus.call(verbs::retrieval::SEARCH, &call.context(), &search).await?;
    Ok(HttpResponse::Ok().json(SearchView {
        hits: reply.hits.into_iter().map(HitView::from).collect(),
        collection_version: reply.collection_version,
        embedding_model: reply.embedding_model.map(ModelView::from),
    }))
}
