//! Embeddings behind a lane, and what is computed from them: classification, ranking and the extraction of fields. Texts of
//! several requests are embedded in one run.

use std::collections::HashMap;

use orrery_errors::{Error, ErrorCode};
use orrery_extract::{EmbedFault, Embedder};
use orrery_proto::v1::{ClassifyInput, RerankInput};
use parking_lot::Mutex;

use super::model_error;
use crate::domain::classify::{Classification, classify};
use crate::domain::queue::{BatchLimits, QueueLimits};
use crate::domain::rerank::{Ranked, rerank};
use crate::lanes::{Backend, Ticket};
use orrery_torch::minilm::{Embeddings, MiniLm};

const BYTES_PER_TOKEN: usize = 4;
const QUEUE: QueueLimits = QueueLimits { requests_max: 1024, cost_max: 1 << 20 };
const BATCH: BatchLimits = BatchLimits { requests_max: 64, cost_max: 16 * 1024 };
/// Texts of one request.
const TEXTS_MAX: usize = 2048;
/// Labels of one classification.
const LABELS_MAX: usize = 256;
/// Labels of schemas whose vectors are kept: 6 MiB.
const LABELS_REMEMBERED: usize = 4096;

/// What is asked of the embedding model.
#[derive(Debug)]
pub enum EmbedRequest {
    /// One vector per text.
    Texts(Vec<String>),
    /// The label nearest to a text.
    Classify(ClassifyInput),
    /// The documents nearest to a query.
    Rerank(RerankInput),
    /// Fields out of contents, by layout and by meaning; with the bytes of the contents.
    Extract(Box<orrery_extract::Request>, u64),
}

/// What it answers.
#[derive(Debug)]
pub enum EmbedReply {
    /// One unit vector per text, and the tokens read.
    Vectors(Vec<Vec<f32>>, u64),
    /// The ranking, and the tokens read.
    Classified(Classification, u64),
    /// The documents, best first, and the tokens read.
    Reranked(Vec<Ranked>, u64),
    /// The fields.
    Extracted(Box<orrery_extract::Extraction>),
}

/// The embedding model.
#[derive(Debug)]
pub struct EmbedBackend {
    model: Mutex<MiniLm>,
    /// Vectors of the labels of schemas: the same few schemas come with every document.
    labels: Mutex<HashMap<String, Vec<f32>>>,
}

impl EmbedBackend {
    /// Over a loaded model.
    pub fn new(model: MiniLm) -> Self {
        Self { model: Mutex::new(model), labels: Mutex::default() }
    }

    /// Numbers in one vector.
    pub fn dimension(&self) -> usize {
        self.model.lock().dimension()
    }

    fn embed(&self, texts: &[&str]) -> Result<Embeddings, Error> {
        self.model.lock().embed(texts).map_err(|error| model_error(&error))
    }

    fn classify(&self, input: ClassifyInput) -> Result<EmbedReply, Error> {
        if input.labels.is_empty() || input.labels.len() > LABELS_MAX {
            let message = format!("a classification needs 1 to {LABELS_MAX} labels, not {}", input.labels.len());
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
        let described = |label: &orrery_proto::v1::Label| match label.description.as_str() {
            "" => label.name.clone(),
            description => format!("{}: {description}", label.name),
        };
        let labels: Vec<String> = input.labels.iter().map(described).collect();
        let texts: Vec<&str> = std::iter::once(&input.text).chain(&labels).map(String::as_str).collect();
        let embeddings = self.embed(&texts)?;
        let mut vectors = embeddings.vectors.into_iter();
        let text = vectors.next().unwrap_or_default();
        let labels = input.labels.into_iter().map(|label| label.name).zip(vectors).collect();
        let classification = classify(&text, labels);
        let classification = classification.ok_or_else(|| Error::new(ErrorCode::Internal, "no label was ranked"))?;
        Ok(EmbedReply::Classified(classification, embeddings.tokens as u64))
    }

    fn rerank(&self, input: &RerankInput) -> Result<EmbedReply, Error> {
        if input.query.is_empty() {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                "rerank has no query; say what the documents are ranked by",
            ));
        }
        if input.documents.len() > TEXTS_MAX {
            return Err(too_many("documents are ranked", input.documents.len()));
        }
        let texts: Vec<&str> = std::iter::once(&input.query).chain(&input.documents).map(String::as_str).collect();
        let embeddings = self.embed(&texts)?;
        let ranked = match embeddings.vectors.split_first() {
            Some((query, documents)) => rerank(query, documents, input.top_n as usize),
            None => Vec::new(),
        };
        Ok(EmbedReply::Reranked(ranked, embeddings.tokens as u64))
    }

    fn extract(&self, request: &orrery_extract::Request) -> Result<EmbedReply, Error> {
        let extraction = orrery_extract::extract(request, self);
        extraction.map(|extraction| EmbedReply::Extracted(Box::new(extraction)))
    }

    /// Vectors of labels, computed once.
    fn embed_labels(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let mut labels = self.labels.lock();
        if labels.len() + texts.len() > LABELS_REMEMBERED {
            labels.clear();
        }
        let new: Vec<&str> = texts.iter().copied().filter(|text| !labels.contains_key(*text)).collect();
        if !new.is_empty() {
            let vectors = self.embed(&new)?.vectors;
            labels.extend(new.into_iter().map(str::to_owned).zip(vectors));
        }
        Ok(texts.iter().filter_map(|text| labels.get(*text).cloned()).collect())
    }

    /// All texts of all requests in one run; when that fails, each request by itself, so that one cannot spoil another's.
    fn run_texts(&self, tickets: Vec<(Vec<String>, Ticket<(), EmbedReply>)>) {
        let all: Vec<&str> = tickets.iter().flat_map(|(texts, _)| texts).map(String::as_str).collect();
        let together = self.embed(&all).map(|embeddings| (embeddings.tokens, embeddings.vectors));
        match together {
            Ok((tokens, vectors)) => {
                let share = tokens / all.len().max(1);
                let mut vectors = vectors.into_iter();
                for (texts, ticket) in tickets {
                    let own: Vec<_> = vectors.by_ref().take(texts.len()).collect();
                    ticket.answer(Ok(EmbedReply::Vectors(own, (share * texts.len()) as u64)));
                }
            }
            Err(_) => {
                for (texts, ticket) in tickets {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    let own = self.embed(&texts);
                    ticket.answer(own.map(|own| EmbedReply::Vectors(own.vectors, own.tokens as u64)));
                }
            }
        }
    }
}

impl Embedder for EmbedBackend {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedFault> {
        let embeddings = Self::embed(self, texts).map_err(|error| EmbedFault(error.to_string()))?;
        Ok(embeddings.vectors)
    }

    fn embed_schema(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedFault> {
        self.embed_labels(texts).map_err(|error| EmbedFault(error.to_string()))
    }
}

impl Backend for EmbedBackend {
    type Request = EmbedRequest;
    type Reply = EmbedReply;

    fn cost(&self, request: &EmbedRequest) -> u64 {
        let bytes = match request {
            EmbedRequest::Texts(texts) => texts.iter().map(String::len).sum(),
            EmbedRequest::Classify(input) => {
                input.text.len() + input.labels.iter().map(|l| l.name.len() + l.description.len()).sum::<usize>()
            }
            EmbedRequest::Rerank(input) => input.query.len() + input.documents.iter().map(String::len).sum::<usize>(),
            EmbedRequest::Extract(_, bytes) => usize::try_from(*bytes).unwrap_or(usize::MAX),
        };
        (bytes / BYTES_PER_TOKEN) as u64 + 1
    }

    fn batch_limits(&self) -> BatchLimits {
        BATCH
    }

    fn queue_limits(&self) -> QueueLimits {
        QUEUE
    }

    fn run(&self, batch: Vec<Ticket<EmbedRequest, EmbedReply>>) {
        let mut texts = Vec::new();
        for ticket in batch {
            let (request, ticket) = ticket.split();
            match request {
                EmbedRequest::Texts(own) if own.len() > TEXTS_MAX => {
                    ticket.answer(Err(too_many("texts are embedded", own.len())));
                }
                EmbedRequest::Texts(own) => texts.push((own, ticket)),
                EmbedRequest::Classify(input) => ticket.answer(self.classify(input)),
                EmbedRequest::Rerank(input) => ticket.answer(self.rerank(&input)),
                EmbedRequest::Extract(request, _) => ticket.answer(self.extract(&request)),
            }
        }
        if !texts.is_empty() {
            self.run_texts(texts);
        }
    }
}

fn too_many(what: &str, count: usize) -> Error {
    let message = format!("at most {TEXTS_MAX} {what} at once, not {count}; send them in parts");
    Error::new(ErrorCode::PayloadTooLarge, message)
}
