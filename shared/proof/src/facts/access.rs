//! Facts about who came in and what was brought in, emitted by the gateway and retrieval. They belong to no task.

use serde::{Deserialize, Serialize};

/// `auth.denied`: a request was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthDenied {
    /// The principal, if the key was known; else empty.
    pub principal: String,
    /// The error code.
    pub reason: String,
    /// Method and route template, for example `POST /v1/tasks`.
    pub route: String,
}

/// `apikey.created`: a key was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    /// Id of the key, never the key.
    pub key_id: String,
    /// For whom.
    pub principal: String,
    /// With which roles.
    pub roles: Vec<String>,
    /// By whom.
    pub created_by: String,
}

/// `knowledge.ingested`: a document came into a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnowledgeIngested {
    pub collection: String,
    /// Its version after the change.
    pub collection_version: u64,
    pub document: String,
    pub document_digest: String,
    pub chunks: u64,
    /// By whom.
    pub by: String,
}
