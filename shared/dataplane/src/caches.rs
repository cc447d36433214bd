//! The cache of answers and what it needs around it: a model on our own machines that turns questions into vectors.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use orrery_bus::{Bus, CallContext, verbs};
use orrery_cache::{Cache, Embedder, Settings};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{EmbedInput, InferenceRequest, ModelInput, model_input, model_output};
use orrery_routing::catalogue::Catalogue;
use parking_lot::Mutex;

/// Answers kept for all calls of a process, in a Redis that all processes share. What of them is kept, the catalogue says.
/// Clones share everything.
#[derive(Debug, Clone)]
pub struct Caches(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    redis_url: String,
    present: ArcSwap<Present>,
    embedder: Arc<LocalEmbedder>,
}

#[derive(Debug)]
struct Present {
    cache: Cache,
    store_deadline: Duration,
}

impl Present {
    fn open(redis_url: &str, store_deadline: Duration, embedder: &Arc<LocalEmbedder>) -> Result<Self, Error> {
        let settings = Settings { store_deadline, ..Settings::default() };
        Ok(Self { cache: Cache::new(redis_url, settings, Some(embedder.clone()))?, store_deadline })
    }
}

impl Caches {
    /// In the Redis at `redis_url`, which need not be there yet; while it is away every question is a miss. Must be called
    /// within a tokio runtime. Fails where the URL is none.
    pub fn open(redis_url: &str, bus: &Bus) -> Result<Self, Error> {
        let embedder = Arc::new(LocalEmbedder { bus: bus.clone(), model: Mutex::default() });
        let present = Present::open(redis_url, Settings::default().store_deadline, &embedder)?;
        let present = ArcSwap::from_pointee(present);
        Ok(Self(Arc::new(Inner { redis_url: redis_url.to_owned(), present, embedder })))
    }

    pub(crate) fn cache(&self) -> Cache {
        self.0.present.load().cache.clone()
    }

    /// Goes on with the settings of a catalogue.
    pub(crate) fn follow(&self, catalogue: &Catalogue) {
        let Inner { redis_url, present, embedder } = self.0.as_ref();
        let store_deadline = Duration::from_millis(catalogue.cache.store_deadline_ms);
        if present.load().store_deadline != store_deadline {
            match Present::open(redis_url, store_deadline, embedder) {
                Ok(other) => present.store(Arc::new(other)),
                Err(error) => tracing::error!(%error, "the cache goes on with its settings from before"),
            }
        }
        let name = catalogue.cache.embedder.as_ref();
        let name = name.and_then(|name| catalogue.models.get(name)).map(|model| model.upstream().to_owned());
        let mut model = embedder.model.lock();
        if model.name != name {
            *model = Embedding { name, identity: String::new() };
        }
    }
}

/// A model of the inference service.
#[derive(Debug)]
struct LocalEmbedder {
    bus: Bus,
    model: Mutex<Embedding>,
}

#[derive(Debug, Default)]
struct Embedding {
    /// Inference's name of it; none where the catalogue names no embedder.
    name: Option<String>,
    /// With its version, once an answer has told it.
    identity: String,
}

#[async_trait]
impl Embedder for LocalEmbedder {
    async fn embed(&self, text: &str) -> Result<Vec<f32>, Error> {
        let Some(model) = self.model.lock().name.clone() else {
            let message = "the catalogue's [cache] names no embedder; name one, or set the mode to exact";
            return Err(Error::new(ErrorCode::FailedPrecondition, message));
        };
        let input =
            EmbedInput { texts: vec![text.to_owned()], input_type: "query".to_owned(), ..EmbedInput::default() };
        let input = Some(ModelInput { kind: Some(model_input::Kind::Embed(input)) });
        let request = InferenceRequest { model: model.clone(), input, ..InferenceRequest::default() };
        let reply = self.bus.call(verbs::inference::INVOKE, &CallContext::default(), &request).await?;
        let made_by = reply.models.first().map(|it| format!("{}:{}@{}", it.name, it.version, it.digest));
        let made_by = made_by.unwrap_or_default();
        let known = {
            let mut present = self.model.lock();
            if present.name.as_ref() != Some(&model) {
                String::new()
            } else {
                std::mem::replace(&mut present.identity, made_by.clone())
            }
        };
        if known != made_by {
            // The question was looked for among vectors of another version; the next one is not.
            let message = "the embedding model's version was not known yet; the next question has neighbours";
            return Err(Error::new(ErrorCode::Unavailable, message));
        }
        match reply.output.and_then(|output| output.kind) {
            Some(model_output::Kind::Embed(output)) => Ok(output.values),
            _ => Err(Error::new(ErrorCode::ModelFailed, format!("{model} answered with no vector"))),
        }
    }

    fn identity(&self) -> String {
        self.model.lock().identity.clone()
    }
}
