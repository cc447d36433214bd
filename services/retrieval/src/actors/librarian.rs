//! The actor that owns the indexes. Every change goes through it, one at a time: first the transaction, then the new
//! index. Readers take immutable indexes from the [`Shelf`] and never wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use orrery_errors::Error;
use orrery_supervise::{ActorSpec, Heartbeat};
use parking_lot::RwLock;

use crate::domain::index::Index;
use crate::error::RetrievalError;
use crate::store::{CollectionKey, KnowledgeStore, NewDocument, Removal, Replaced};

/// A commit of a large document on a slow disk must not pass for a hang.
const HEARTBEAT: Duration = Duration::from_secs(5);
const MISSES: u32 = 12;
/// Reading everything at the start.
const START: Duration = Duration::from_secs(120);
/// Changes waiting.
const MAILBOX: usize = 64;

/// The newest index of each collection, as the librarian published it.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Arc<RwLock<HashMap<CollectionKey, Arc<Index>>>>);

impl Shelf {
    /// The index of a collection, if there is one by that name.
    pub fn get(&self, key: &CollectionKey) -> Option<Arc<Index>> {
        self.0.read().get(key).cloned()
    }

    #[allow(clippy::cast_precision_loss)] // gauges are floats
    fn put(&self, key: CollectionKey, index: Index) {
        let (collections, chunks) = {
            let mut shelf = self.0.write();
            shelf.insert(key, Arc::new(index));
            (shelf.len(), shelf.values().map(|index| index.entries.len()).sum::<usize>())
        };
        metrics::gauge!("orrery_retrieval_collections").set(collections as f64);
        metrics::gauge!("orrery_retrieval_chunks").set(chunks as f64);
    }
}

/// Adds a document in place of the one by its name.
#[derive(Debug, Message)]
#[rtype(result = "Result<Replaced, Error>")]
pub struct Replace(pub Box<NewDocument>);

/// Takes a document away; answers the collection's version.
#[derive(Debug, Message)]
#[rtype(result = "Result<u64, Error>")]
pub struct Remove(pub Removal);

/// Reads a collection again that another process has changed.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Reload(pub CollectionKey);

/// Owns the indexes.
#[derive(Debug, Clone)]
pub struct Librarian {
    store: KnowledgeStore,
    shelf: Shelf,
}

/// The supervised librarian. It is up once every collection is on the shelf.
pub fn spec(store: KnowledgeStore, shelf: Shelf) -> ActorSpec<Librarian> {
    let open = move || {
        let librarian = Librarian { store: store.clone(), shelf: shelf.clone() };
        async move {
            let began = Instant::now();
            let keys = librarian.store.keys().await?;
            let collections = keys.len();
            for key in keys {
                librarian.reload(key).await?;
            }
            let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(collections.count = collections, elapsed_ms, "the collections are on the shelf");
            Ok::<_, RetrievalError>(librarian)
        }
    };
    ActorSpec::try_new("librarian", open)
        .mailbox(MAILBOX)
        .start_timeout(START)
        .heartbeat(Heartbeat::every(HEARTBEAT).misses(MISSES))
        .ask_deadline(HEARTBEAT * MISSES)
}

impl Librarian {
    async fn reload(&self, key: CollectionKey) -> Result<(), RetrievalError> {
        if let Some(index) = self.store.index(key.clone()).await? {
            self.shelf.put(key, index);
        }
        Ok(())
    }

    async fn replace(&self, document: NewDocument) -> Result<Replaced, RetrievalError> {
        let (key, name) = (document.collection.clone(), document.info.name.clone());
        let replaced = self.store.replace(document).await?;
        if replaced.changed {
            self.publish(key, replaced.version, name).await?;
        }
        Ok(replaced)
    }

    async fn remove(&self, removal: Removal) -> Result<u64, RetrievalError> {
        let (key, name) = (removal.collection.clone(), removal.document.clone());
        let version = self.store.remove(removal).await?;
        self.publish(key, version, name).await?;
        Ok(version)
    }

    /// Puts the index after a committed change on the shelf.
    async fn publish(&self, key: CollectionKey, version: u64, document: String) -> Result<(), RetrievalError> {
        let before = self.shelf.get(&key).unwrap_or_default();
        if let Some(index) = self.store.follow(key.clone(), before, version, document).await? {
            self.shelf.put(key, index);
        }
        Ok(())
    }
}

impl Actor for Librarian {
    type Context = Context<Self>;
}

impl Handler<Replace> for Librarian {
    type Result = AtomicResponse<Self, Result<Replaced, Error>>;

    fn handle(&mut self, Replace(document): Replace, _: &mut Self::Context) -> Self::Result {
        let librarian = self.clone();
        let work = async move { librarian.replace(*document).await.map_err(Error::from) };
        AtomicResponse::new(Box::pin(work.into_actor(self)))
    }
}

impl Handler<Remove> for Librarian {
    type Result = AtomicResponse<Self, Result<u64, Error>>;

    fn handle(&mut self, Remove(removal): Remove, _: &mut Self::Context) -> Self::Result {
        let librarian = self.clone();
        let work = async move { librarian.remove(removal).await.map_err(Error::from) };
        AtomicResponse::new(Box::pin(work.into_actor(self)))
    }
}

impl Handler<Reload> for Librarian {
    type Result = AtomicResponse<Self, Result<(), Error>>;

    fn handle(&mut self, Reload(key): Reload, _: &mut Self::Context) -> Self::Result {
        let librarian = self.clone();
        let work = async move { librarian.reload(key).await.map_err(Error::from) };
        AtomicResponse::new(Box::pin(work.into_actor(self)))
    }
}
