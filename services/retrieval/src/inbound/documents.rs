//! What is there, and taking a document away.

use orrery_proto::v1::{
    Collection, DeleteDocumentReply, DeleteDocumentRequest, Document, ListCollectionsReply, ListCollectionsRequest,
    ListDocumentsReply, ListDocumentsRequest,
};
use orrery_types::UnixMillis;

use super::Api;
use super::request::Asker;
use crate::actors::librarian::Remove;
use crate::error::RetrievalError;
use crate::store::Removal;

impl Api {
    pub(super) async fn collections(
        &self,
        request: ListCollectionsRequest,
    ) -> Result<ListCollectionsReply, RetrievalError> {
        let asker = Asker::of(request.caller)?;
        let mut collections = Vec::new();
        for key in self.store.collections(asker.tenant.clone()).await? {
            let Some(index) = self.index(&key).await? else { continue };
            let documents = index.documents(asker.roles.as_deref());
            collections.push(Collection {
                name: key.name,
                version: index.version,
                documents: u32::try_from(documents.len()).unwrap_or(u32::MAX),
                chunks: documents.values().map(|(_, chunks)| chunks).sum(),
            });
        }
        Ok(ListCollectionsReply { collections })
    }

    pub(super) async fn documents(&self, request: ListDocumentsRequest) -> Result<ListDocumentsReply, RetrievalError> {
        let asker = Asker::of(request.caller)?;
        let index = self.known_index(&asker.collection(&request.collection)?).await?;
        let documents = index.documents(asker.roles.as_deref()).into_values().map(|(document, chunks)| Document {
            name: document.name.clone(),
            digest: document.digest.clone(),
            media_type: document.media_type.clone(),
            chunks,
            added_at_ms: document.added_ms,
        });
        Ok(ListDocumentsReply { documents: documents.collect() })
    }

    pub(super) async fn delete(&self, request: DeleteDocumentRequest) -> Result<DeleteDocumentReply, RetrievalError> {
        let asker = Asker::of(request.caller)?;
        let collection = asker.collection(&request.collection)?;
        let index = self.known_index(&collection).await?;
        let visible = index.document(&request.document).is_some_and(|old| old.is_visible_to(asker.roles.as_deref()));
        if !visible {
            return Err(RetrievalError::UnknownDocument(request.document));
        }
        let removal =
            Removal { collection, document: request.document, by: asker.principal, at_ms: UnixMillis::now().0 };
        let collection_version = self.librarian.ask(Remove(removal)).await??;
        Ok(DeleteDocumentReply { collection_version })
    }
}
