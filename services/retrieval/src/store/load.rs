//! From rows to an index: embeddings are read as they were stored, so that a restart asks no model.

use std::collections::BTreeMap;
use std::sync::Arc;

use diesel::prelude::*;
use orrery_store::AnyConnection;
use orrery_types::TenantId;
use serde::de::DeserializeOwned;

use super::schema::{chunks, collections, documents};
use super::{CollectionKey, KnowledgeStore, from_sql};
use crate::domain::index::{DocumentInfo, Entry, Index};
use crate::domain::vector;
use crate::error::RetrievalError;

/// Readings of a collection that changes meanwhile.
const ATTEMPTS: usize = 5;

#[derive(Queryable, Selectable)]
#[diesel(table_name = documents)]
struct DocumentRow {
    name: String,
    digest: String,
    media_type: String,
    title: String,
    access: String,
    model: String,
    added_ms: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = chunks)]
struct ChunkRow {
    id: String,
    document: String,
    digest: String,
    section_path: String,
    clause: String,
    text: String,
    start_char: i64,
    end_char: i64,
    page: i32,
    wording: Vec<u8>,
    body: Vec<u8>,
}

impl KnowledgeStore {
    /// Every collection of every tenant.
    pub async fn keys(&self) -> Result<Vec<CollectionKey>, RetrievalError> {
        let load = |connection: &mut AnyConnection| {
            let rows = collections::table.select((collections::tenant, collections::name));
            rows.load::<(String, String)>(connection)?.into_iter().map(|(tenant, name)| key(&tenant, name)).collect()
        };
        self.store.read(load).await
    }

    /// The names of a tenant's collections.
    pub async fn collections(&self, tenant: TenantId) -> Result<Vec<CollectionKey>, RetrievalError> {
        let load = move |connection: &mut AnyConnection| {
            let of_tenant = collections::table.filter(collections::tenant.eq(tenant.as_str()));
            let names = of_tenant.order(collections::name).select(collections::name).load::<String>(connection)?;
            Ok(names.into_iter().map(|name| CollectionKey { tenant: tenant.clone(), name }).collect())
        };
        self.store.read(load).await
    }

    /// The version of a collection; `None` when there is none by that name.
    pub async fn version(&self, key: CollectionKey) -> Result<Option<u64>, RetrievalError> {
        self.store.read(move |connection| version(connection, &key)).await
    }

    /// The whole index of a collection at its newest version.
    pub async fn index(&self, key: CollectionKey) -> Result<Option<Index>, RetrievalError> {
        self.store.read(move |connection| index(connection, &key)).await
    }

    /// The index after a change of one document, from the index before it.
    pub async fn follow(
        &self,
        key: CollectionKey,
        before: Arc<Index>,
        version: u64,
        document: String,
    ) -> Result<Option<Index>, RetrievalError> {
        let load = move |connection: &mut AnyConnection| {
            if before.version.saturating_add(1) != version {
                return index(connection, &key);
            }
            let entries = entries(connection, &key, Some(&document))?;
            // Somebody else may have changed the collection while this was read.
            if self::version(connection, &key)? != Some(version) {
                return index(connection, &key);
            }
            Ok(Some(before.with_document(version, &document, entries)))
        };
        self.store.read(load).await
    }
}

fn version(connection: &mut AnyConnection, key: &CollectionKey) -> Result<Option<u64>, RetrievalError> {
    let row = collections::table.find((key.tenant.as_str(), &key.name)).select(collections::version);
    Ok(row.first::<i64>(connection).optional()?.map(from_sql))
}

/// Statements of a reader see different moments; the version before and after them tells whether that mattered.
fn index(connection: &mut AnyConnection, key: &CollectionKey) -> Result<Option<Index>, RetrievalError> {
    for _ in 0..ATTEMPTS {
        let Some(before) = version(connection, key)? else { return Ok(None) };
        let loaded = entries(connection, key, None);
        if version(connection, key)? == Some(before) {
            let entries = loaded?.into_iter().map(Arc::new).collect();
            return Ok(Some(Index { version: before, entries }));
        }
    }
    Err(RetrievalError::Restless(key.name.clone()))
}

/// The chunks of one document, or of all of the collection.
fn entries(
    connection: &mut AnyConnection,
    key: &CollectionKey,
    only: Option<&str>,
) -> Result<Vec<Entry>, RetrievalError> {
    let (tenant, collection) = (key.tenant.as_str(), key.name.as_str());
    let mut wanted_documents = documents::table
        .filter(documents::tenant.eq(tenant).and(documents::collection.eq(collection)))
        .select(DocumentRow::as_select())
        .into_boxed();
    let mut wanted_chunks = chunks::table
        .filter(chunks::tenant.eq(tenant).and(chunks::collection.eq(collection)))
        .order((chunks::document, chunks::ord))
        .select(ChunkRow::as_select())
        .into_boxed();
    if let Some(name) = only {
        wanted_documents = wanted_documents.filter(documents::name.eq(name));
        wanted_chunks = wanted_chunks.filter(chunks::document.eq(name));
    }
    let rows: Vec<DocumentRow> = wanted_documents.load(connection)?;
    let documents = rows.into_iter().map(|row| Ok((row.name.clone(), Arc::new(document(row)?))));
    let documents = documents.collect::<Result<BTreeMap<String, Arc<DocumentInfo>>, RetrievalError>>()?;
    let rows: Vec<ChunkRow> = wanted_chunks.load(connection)?;
    rows.into_iter().map(|row| entry(row, &documents)).collect()
}

fn document(row: DocumentRow) -> Result<DocumentInfo, RetrievalError> {
    Ok(DocumentInfo {
        name: row.name,
        digest: row.digest,
        title: row.title,
        access: from_json(&row.access)?,
        media_type: row.media_type,
        added_ms: from_sql(row.added_ms),
        model: from_json(&row.model)?,
    })
}

fn entry(row: ChunkRow, documents: &BTreeMap<String, Arc<DocumentInfo>>) -> Result<Entry, RetrievalError> {
    let document = documents.get(&row.document);
    let document = document.ok_or_else(|| RetrievalError::Damaged(format!("chunk {} has no document", row.id)))?;
    let section_path: Vec<String> = from_json(&row.section_path)?;
    Ok(Entry {
        id: row.id,
        digest: row.digest,
        document: document.clone(),
        terms: Entry::terms_of(&row.text, &section_path),
        section_path,
        clause: row.clause,
        text: row.text,
        start: from_sql(row.start_char),
        end: from_sql(row.end_char),
        page: u32::try_from(row.page).unwrap_or_default(),
        wording: vector::from_bytes(&row.wording),
        body: vector::from_bytes(&row.body),
    })
}

fn key(tenant: &str, name: String) -> Result<CollectionKey, RetrievalError> {
    let tenant = TenantId::new(tenant).map_err(|error| RetrievalError::Damaged(error.to_string()))?;
    Ok(CollectionKey { tenant, name })
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, RetrievalError> {
    serde_json::from_str(text).map_err(|error| RetrievalError::Damaged(error.to_string()))
}
