//! Facts about a search in a knowledge collection, emitted by retrieval.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ModelIdentity;

/// One chunk that the search returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievedChunk {
    /// Id of the chunk.
    pub chunk_id: String,
    /// Digest of its text.
    pub chunk_digest: String,
    /// Name of the document.
    pub document: String,
    /// Digest of the document's bytes.
    pub document_digest: String,
    /// Clause number, may be empty.
    pub clause: String,
    /// The fused score times one million; see [`millionths`].
    pub score_millionths: i64,
}

/// `retrieval.searched`: what was asked of a collection and what came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievalSearched {
    /// Name of the collection.
    pub collection: String,
    /// Its version at the time.
    pub collection_version: u64,
    /// Digest of the query's text.
    pub query_digest: String,
    /// The filter in force, as an object without fractions.
    pub filter: Value,
    /// The chunks, best first.
    pub hits: Vec<RetrievedChunk>,
    /// The model that embedded the query; absent for a purely lexical search.
    pub embedding_model: Option<ModelIdentity>,
}

/// A score in millionths, because records hold no fractions. What is not finite becomes 0.
pub fn millionths(score: f64) -> i64 {
    // The cast saturates.
    let rounded = (score * 1e6).round() as i64;
    if score.is_finite() { rounded } else { 0 }
}
