//! Taking a document in: its bytes, its text, its pieces, their embeddings; then one transaction and a new index.

use std::collections::HashMap;

use orrery_bus::CallContext;
use orrery_proto::v1::{BlobRef, IngestReply, IngestRequest};
use orrery_types::{Sha256Digest, UnixMillis};
use tokio::task::spawn_blocking;

use super::Api;
use super::request::{self, Asker};
use crate::actors::librarian::Replace;
use crate::domain::chunk::{self, Chunk};
use crate::domain::index::DocumentInfo;
use crate::domain::parse::{self, Format, Parsed};
use crate::domain::passage::{Passage, passages_of};
use crate::error::RetrievalError;
use crate::models::Embedded;
use crate::store::{NewChunk, NewDocument, Replaced};

/// Longest document.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Pieces of one document.
const CHUNKS_MAX: usize = 20_000;

impl Api {
    pub(super) async fn ingest(
        &self,
        context: CallContext,
        request: IngestRequest,
    ) -> Result<IngestReply, RetrievalError> {
        let asker = Asker::of(request.caller)?;
        let collection = asker.collection(&request.collection)?;
        request::document(&request.document)?;
        let access = request::access(request.access)?;
        let blob = request.blob.ok_or(RetrievalError::Unnamed("blob"))?;
        let format = Format::of(&blob.media_type, &request.document)?;
        if let Some(index) = self.index(&collection).await?
            && let Some(old) = index.document(&request.document)
            && !old.is_visible_to(asker.roles.as_deref())
        {
            return Err(RetrievalError::Hidden(request.document));
        }

        let bytes = self.bus.blobs().await?.get(&asker.tenant, &blob, BYTES_MAX).await?;
        let digest = Sha256Digest::of(&bytes).to_string();
        let unchanged =
            self.store.unchanged(collection.clone(), request.document.clone(), digest.clone(), access.clone());
        if let Some(replaced) = unchanged.await? {
            return Ok(reply(collection.name, request.document, digest, replaced));
        }
        let parsed = self.parsed(&context, format, &blob, bytes, &request.document).await?;
        let (parsed, chunks, passages) = pieces(parsed, &request.document).await?;
        let Embedded { vectors, model } = self.embedded(&context, &passages).await?;
        let chunks = chunks.into_iter().zip(vectors).map(|(chunk, (wording, body))| NewChunk { chunk, wording, body });
        let document = NewDocument {
            info: DocumentInfo {
                name: request.document.clone(),
                digest: digest.clone(),
                title: chunk::title_of(&parsed).unwrap_or(&request.document).to_owned(),
                access,
                media_type: blob.media_type,
                added_ms: UnixMillis::now().0,
                model,
            },
            text: parsed.text,
            chunks: chunks.collect(),
            by: asker.principal,
            collection: collection.clone(),
        };
        let remaining = context.remaining()?;
        let replaced = self.librarian.ask_within(Replace(Box::new(document)), remaining).await??;
        metrics::counter!("orrery_retrieval_ingested_total").increment(u64::from(replaced.changed));
        Ok(reply(collection.name, request.document, digest, replaced))
    }

    async fn parsed(
        &self,
        context: &CallContext,
        format: Format,
        blob: &BlobRef,
        bytes: Vec<u8>,
        name: &str,
    ) -> Result<Parsed, RetrievalError> {
        if format == Format::Pdf {
            let lines = self.models.read(context, blob).await?;
            return Ok(spawn_blocking(move || parse::from_lines(&lines)).await?);
        }
        let source = text(bytes, name)?;
        Ok(spawn_blocking(move || parse::parse(format, &source)).await?)
    }

    /// The embeddings of wording and body of each passage. Equal texts are embedded once.
    async fn embedded(
        &self,
        context: &CallContext,
        passages: &[Passage],
    ) -> Result<Embedded<(Vec<f32>, Vec<f32>)>, RetrievalError> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut texts = Vec::new();
        for text in passages.iter().flat_map(|passage| [&passage.wording, &passage.body]) {
            places.entry(text).or_insert_with(|| {
                texts.push(text.clone());
                texts.len() - 1
            });
        }
        let Embedded { vectors, model } = self.models.embed(context, &texts).await?;
        let vector = |text: &str| {
            let place = places.get(text).copied().unwrap_or_default();
            vectors.get(place).cloned().unwrap_or_default()
        };
        let both = |passage: &Passage| (vector(&passage.wording), vector(&passage.body));
        Ok(Embedded { vectors: passages.iter().map(both).collect(), model })
    }
}

/// The text of a document, without a byte-order mark.
fn text(bytes: Vec<u8>, name: &str) -> Result<String, RetrievalError> {
    let text = String::from_utf8(bytes).map_err(|error| RetrievalError::NotUtf8 {
        document: name.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

async fn pieces(parsed: Parsed, name: &str) -> Result<(Parsed, Vec<Chunk>, Vec<Passage>), RetrievalError> {
    let cut = spawn_blocking(move || {
        let chunks = chunk::chunks_of(&parsed);
        // A document over the limit is refused below; its passages are of no use.
        let passages = if chunks.len() > CHUNKS_MAX { Vec::new() } else { passages_of(&chunks) };
        (parsed, chunks, passages)
    });
    let (parsed, chunks, passages) = cut.await?;
    match chunks.len() {
        0 => Err(RetrievalError::Empty(name.to_owned())),
        count if count > CHUNKS_MAX => {
            Err(RetrievalError::TooManyChunks { document: name.to_owned(), chunks: count, limit: CHUNKS_MAX })
        }
        _ => Ok((parsed, chunks, passages)),
    }
}

fn reply(collection: String, document: String, document_digest: String, replaced: Replaced) -> IngestReply {
    let Replaced { changed, version, chunks } = replaced;
    IngestReply { collection, document, document_digest, chunks, changed, collection_version: version }
}
