//! RT-1: a document changes in one transaction: its old chunks, its new ones, the collection's version and the audit
//! record of it. Whoever crashes in the middle leaves the old state.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use orrery_store::{AnyConnection, outbox};
use orrery_types::Sha256Digest;

use super::schema::{chunks, collections, documents};
use super::{COLLECTION_CHUNKS_MAX, COLLECTIONS_MAX, CollectionKey, DOCUMENTS_MAX, KnowledgeStore, from_sql, to_sql};
use crate::domain::chunk::Chunk;
use crate::domain::index::DocumentInfo;
use crate::domain::vector;
use crate::error::RetrievalError;
use crate::records;

/// A document with everything that searching needs, ready to be stored.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Where it goes.
    pub collection: CollectionKey,
    /// What its chunks share.
    pub info: DocumentInfo,
    /// The text that the chunks' positions refer to.
    pub text: String,
    /// In order.
    pub chunks: Vec<NewChunk>,
    /// The principal who adds it.
    pub by: String,
}

/// A chunk with its embeddings.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// Text and place.
    pub chunk: Chunk,
    /// Embedding of its passage's wording.
    pub wording: Vec<f32>,
    /// Embedding of its passage's body.
    pub body: Vec<f32>,
}

/// A document to be taken away.
#[derive(Debug, Clone)]
pub struct Removal {
    /// From where.
    pub collection: CollectionKey,
    /// Which.
    pub document: String,
    /// The principal who removes it.
    pub by: String,
    /// When.
    pub at_ms: u64,
}

/// What came of adding a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// False when the same bytes were there for the same roles.
    pub changed: bool,
    /// The collection's version now.
    pub version: u64,
    /// Chunks of the document.
    pub chunks: u32,
}

#[derive(Insertable)]
#[diesel(table_name = documents)]
struct DocumentRow<'a> {
    tenant: &'a str,
    collection: &'a str,
    name: &'a str,
    digest: &'a str,
    media_type: &'a str,
    title: &'a str,
    text: &'a str,
    access: String,
    model: String,
    added_ms: i64,
}

#[derive(Insertable)]
#[diesel(table_name = chunks)]
struct ChunkRow<'a> {
    id: String,
    tenant: &'a str,
    collection: &'a str,
    document: &'a str,
    ord: i32,
    digest: String,
    section_path: String,
    clause: &'a str,
    text: &'a str,
    start_char: i64,
    end_char: i64,
    page: i32,
    wording: Vec<u8>,
    body: Vec<u8>,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    version: i64,
}

impl KnowledgeStore {
    /// The document's state when the same bytes are there for the same roles already.
    pub async fn unchanged(
        &self,
        key: CollectionKey,
        name: String,
        digest: String,
        access: Vec<String>,
    ) -> Result<Option<Replaced>, RetrievalError> {
        self.store.read(move |connection| unchanged(connection, &key, &name, &digest, &access)).await
    }

    /// Adds a document in place of the one by its name.
    pub async fn replace(&self, document: NewDocument) -> Result<Replaced, RetrievalError> {
        let replaced = self.store.write(move |connection| replace(connection, &document)).await?;
        self.pump.wake();
        Ok(replaced)
    }

    /// Takes a document away; gives the collection's version.
    pub async fn remove(&self, removal: Removal) -> Result<u64, RetrievalError> {
        let version = self.store.write(move |connection| remove(connection, &removal)).await?;
        self.pump.wake();
        Ok(version)
    }
}

fn unchanged(
    connection: &mut AnyConnection,
    key: &CollectionKey,
    name: &str,
    digest: &str,
    access: &[String],
) -> Result<Option<Replaced>, RetrievalError> {
    let (tenant, collection) = (key.tenant.as_str(), key.name.as_str());
    let row = documents::table
        .find((tenant, collection, name))
        .select((documents::digest, documents::access))
        .first::<(String, String)>(connection)
        .optional()?;
    if row != Some((digest.to_owned(), to_json(access)?)) {
        return Ok(None);
    }
    let of_document = chunks::tenant.eq(tenant).and(chunks::collection.eq(collection)).and(chunks::document.eq(name));
    let count: i64 = chunks::table.filter(of_document).count().get_result(connection)?;
    let version = collections::table.find((tenant, collection)).select(collections::version).first(connection)?;
    let chunks = u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Some(Replaced { changed: false, version: from_sql(version), chunks }))
}

fn replace(connection: &mut AnyConnection, document: &NewDocument) -> Result<Replaced, RetrievalError> {
    let NewDocument { collection: key, info, .. } = document;
    // Another ingest of the same bytes may have come first.
    if let Some(replaced) = unchanged(connection, key, &info.name, &info.digest, &info.access)? {
        return Ok(replaced);
    }
    // First, because it locks the collection against other writers.
    let version = next_version(connection, key)?;
    delete_document(connection, key, &info.name)?;
    check_room(connection, document)?;
    let row = DocumentRow {
        tenant: key.tenant.as_str(),
        collection: &key.name,
        name: &info.name,
        digest: &info.digest,
        media_type: &info.media_type,
        title: &info.title,
        text: &document.text,
        access: to_json(&info.access)?,
        model: to_json(&info.model)?,
        added_ms: to_sql(info.added_ms),
    };
    diesel::insert_into(documents::table).values(&row).execute(connection)?;
    for (ord, chunk) in (0..).zip(&document.chunks) {
        diesel::insert_into(chunks::table).values(&chunk_row(key, info, ord, chunk)?).execute(connection)?;
    }
    outbox::insert(connection, &[records::message(&records::ingested(document, version))])?;
    let chunks = u32::try_from(document.chunks.len()).unwrap_or(u32::MAX);
    Ok(Replaced { changed: true, version, chunks })
}

fn remove(connection: &mut AnyConnection, removal: &Removal) -> Result<u64, RetrievalError> {
    let key = &removal.collection;
    let digest = documents::table
        .find((key.tenant.as_str(), &key.name, &removal.document))
        .select(documents::digest)
        .first::<String>(connection)
        .optional()?;
    let digest = digest.ok_or_else(|| RetrievalError::UnknownDocument(removal.document.clone()))?;
    let version = next_version(connection, key)?;
    delete_document(connection, key, &removal.document)?;
    outbox::insert(connection, &[records::message(&records::removed(removal, version, digest))])?;
    Ok(version)
}

fn next_version(connection: &mut AnyConnection, key: &CollectionKey) -> Result<u64, RetrievalError> {
    let row: Version = diesel::sql_query(
        "INSERT INTO collections (tenant, name, version) VALUES ($1, $2, 1)
         ON CONFLICT (tenant, name) DO UPDATE SET version = collections.version + 1
         RETURNING version",
    )
    .bind::<Text, _>(key.tenant.as_str())
    .bind::<Text, _>(&key.name)
    .get_result(connection)?;
    Ok(from_sql(row.version))
}

fn delete_document(connection: &mut AnyConnection, key: &CollectionKey, name: &str) -> QueryResult<usize> {
    diesel::delete(documents::table.find((key.tenant.as_str(), &key.name, name))).execute(connection)
}

/// Everything in memory has a limit.
fn check_room(connection: &mut AnyConnection, document: &NewDocument) -> Result<(), RetrievalError> {
    let key = &document.collection;
    let (tenant, collection) = (key.tenant.as_str(), key.name.as_str());
    let full = |what, limit| Err(RetrievalError::Full { what, limit });
    let count: i64 = collections::table.filter(collections::tenant.eq(tenant)).count().get_result(connection)?;
    if count > COLLECTIONS_MAX {
        return full("collections of the tenant", COLLECTIONS_MAX);
    }
    let of_collection = documents::tenant.eq(tenant).and(documents::collection.eq(collection));
    let count: i64 = documents::table.filter(of_collection).count().get_result(connection)?;
    if count >= DOCUMENTS_MAX {
        return full("documents of the collection", DOCUMENTS_MAX);
    }
    let of_collection = chunks::tenant.eq(tenant).and(chunks::collection.eq(collection));
    let count: i64 = chunks::table.filter(of_collection).count().get_result(connection)?;
    if count.saturating_add(to_sql(document.chunks.len() as u64)) > COLLECTION_CHUNKS_MAX {
        return full("chunks of the collection", COLLECTION_CHUNKS_MAX);
    }
    Ok(())
}

fn chunk_row<'a>(
    key: &'a CollectionKey,
    info: &'a DocumentInfo,
    ord: i32,
    new: &'a NewChunk,
) -> Result<ChunkRow<'a>, RetrievalError> {
    let chunk = &new.chunk;
    Ok(ChunkRow {
        id: chunk_id(key, &info.name, ord, &chunk.text),
        tenant: key.tenant.as_str(),
        collection: &key.name,
        document: &info.name,
        ord,
        digest: chunk.digest().to_string(),
        section_path: to_json(&chunk.section_path)?,
        clause: &chunk.clause,
        text: &chunk.text,
        start_char: to_sql(chunk.start as u64),
        end_char: to_sql(chunk.end as u64),
        page: i32::try_from(chunk.page).unwrap_or(i32::MAX),
        wording: vector::to_bytes(&new.wording),
        body: vector::to_bytes(&new.body),
    })
}

/// RT-2: the same text at the same place of the same document has the same id for ever. Names hold no control characters.
fn chunk_id(key: &CollectionKey, document: &str, ord: i32, text: &str) -> String {
    let named = [key.tenant.as_str(), &key.name, document, &ord.to_string(), text].join("\0");
    let digits = Sha256Digest::of(named.as_bytes()).to_hex();
    format!("chunk_{}", digits.get(..32).unwrap_or(&digits))
}

fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, RetrievalError> {
    serde_json::to_string(value).map_err(|error| RetrievalError::Damaged(error.to_string()))
}
