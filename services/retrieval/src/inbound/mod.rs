//! The calls that the retrieval service answers. Each speaks for one tenant and sees nothing of others; what a caller's
//! roles do not admit is neither found, listed nor counted.

mod documents;
mod ingest;
mod request;
mod search;

use std::sync::Arc;

use orrery_bus::{Bus, Server, verbs};
use orrery_errors::Error;
use orrery_supervise::Handle;

use crate::actors::librarian::{Librarian, Reload, Shelf};
use crate::domain::index::Index;
use crate::error::RetrievalError;
use crate::models::Models;
use crate::store::{CollectionKey, KnowledgeStore};

/// Searches at once; each has a thread while it ranks.
const SEARCHES: usize = 64;
/// Documents being taken in at once; each may hold its bytes, its text and its embeddings.
const INGESTS: usize = 4;
/// Calls of another kind at once.
const CALLS: usize = 64;

/// What the calls need.
#[derive(Debug, Clone)]
pub struct Api {
    /// To read stored payloads from.
    pub bus: Bus,
    /// The truth.
    pub store: KnowledgeStore,
    /// The newest indexes.
    pub shelf: Shelf,
    /// Where changes go.
    pub librarian: Handle<Librarian>,
    /// Embeddings and pages.
    pub models: Models,
}

impl Api {
    /// All calls, ready to be started.
    pub fn server(&self, bus: &Bus) -> Server {
        let (ingest, search, collections) = (self.clone(), self.clone(), self.clone());
        let (documents, delete) = (self.clone(), self.clone());
        Server::new(bus, "retrieval", env!("CARGO_PKG_VERSION"))
            .handle(verbs::retrieval::INGEST, INGESTS, move |context, request| {
                let api = ingest.clone();
                async move { api.ingest(context, request).await.map_err(Error::from) }
            })
            .handle(verbs::retrieval::SEARCH, SEARCHES, move |context, request| {
                let api = search.clone();
                async move { api.search(context, request).await.map_err(Error::from) }
            })
            .handle(verbs::retrieval::COLLECTIONS, CALLS, move |_, request| {
                let api = collections.clone();
                async move { api.collections(request).await.map_err(Error::from) }
            })
            .handle(verbs::retrieval::DOCUMENTS, CALLS, move |_, request| {
                let api = documents.clone();
                async move { api.documents(request).await.map_err(Error::from) }
            })
            .handle(verbs::retrieval::DELETE, CALLS, move |_, request| {
                let api = delete.clone();
                async move { api.delete(request).await.map_err(Error::from) }
            })
    }

    /// RT-4: the index of a collection, never older than the database is now. Another process may have changed it.
    async fn index(&self, key: &CollectionKey) -> Result<Option<Arc<Index>>, RetrievalError> {
        let Some(version) = self.store.version(key.clone()).await? else { return Ok(None) };
        let index = self.shelf.get(key).filter(|index| index.version >= version);
        if index.is_some() {
            return Ok(index);
        }
        self.librarian.ask(Reload(key.clone())).await??;
        Ok(self.shelf.get(key))
    }

    async fn known_index(&self, key: &CollectionKey) -> Result<Arc<Index>, RetrievalError> {
        self.index(key).await?.ok_or_else(|| RetrievalError::UnknownCollection(key.name.clone()))
    }
}
