//! The calls that the service answers. Proto types stop here.

use std::sync::Arc;

use orrery_bus::{Blobs, Bus, CallContext, FrameSender, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    self, ChatDelta, InferenceFrame, InferenceReply, InferenceRequest, ListLoadedModelsReply, ListLoadedModelsRequest,
    ModelInput, ModelOutput, inference_frame, model_input, model_output,
};
use tokio::sync::mpsc;

use crate::lanes::{Backend, Lane};
use crate::models::{
    ChatBackend, ChatReply, ChatRequest, EmbedBackend, EmbedReply, EmbedRequest, Loaded, OwnedInput, ReadBackend,
    ReadKind, State,
};
use orrery_content::{Content, ModelIdentity};

/// Calls at once; what waits for a model is bounded by its lane.
const CALLS: usize = 512;
/// Parts of an answer on their way to a slow reader; at the bound the model waits.
const DELTAS: usize = 64;

/// The lanes of the models that are there.
#[derive(Clone)]
#[allow(missing_debug_implementations)] // lanes hold tensors
pub struct Lanes {
    /// Text generation.
    pub chat: Option<Lane<ChatBackend>>,
    /// Embedding, classification and extraction.
    pub embed: Option<Lane<EmbedBackend>>,
    /// Pictures and documents.
    pub vision: Lane<ReadBackend>,
    /// Recordings.
    pub speech: Lane<ReadBackend>,
    /// Long recordings; short ones do not wait for them.
    pub long_speech: Lane<ReadBackend>,
    /// Text and records.
    pub plain: Lane<ReadBackend>,
}

/// Answers calls by asking the lanes.
#[allow(missing_debug_implementations)] // lanes hold tensors
pub struct Inbound {
    lanes: Lanes,
    loaded: Arc<Loaded>,
    blobs: Blobs,
    device: String,
    payload_bytes_max: u64,
}

impl Inbound {
    /// Over the lanes of what was loaded.
    pub fn new(lanes: Lanes, loaded: Arc<Loaded>, blobs: Blobs, device: String, payload_bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { lanes, loaded, blobs, device, payload_bytes_max })
    }

    /// The server of all calls.
    pub fn server(self: &Arc<Self>, bus: &Bus) -> Server {
        let (invoke, stream, models) = (self.clone(), self.clone(), self.clone());
        Server::new(bus, "inference", env!("CARGO_PKG_VERSION"))
            .handle(verbs::inference::INVOKE, CALLS, move |context, request| {
                let inbound = invoke.clone();
                async move { inbound.invoke(&context, request).await }
            })
            .handle_stream(verbs::inference::STREAM, CALLS, move |context, request, frames| {
                let inbound = stream.clone();
                async move { inbound.stream(&context, request, frames).await }
            })
            .handle(verbs::inference::MODELS, CALLS, move |_context, _request: ListLoadedModelsRequest| {
                let listed = models.list();
                async move { Ok(listed) }
            })
    }

    async fn invoke(&self, context: &CallContext, request: InferenceRequest) -> Result<InferenceReply, Error> {
        let started = std::time::Instant::now();
        let call = Call { context, model: &request.model, priority: request.priority };
        let mut reply = match kind_of(request.input)? {
            model_input::Kind::Chat(input) => self.chat(&call, input, None).await?,
            model_input::Kind::Embed(input) => self.embed(&call, input).await?,
            model_input::Kind::Classify(input) => self.classify(&call, input).await?,
            model_input::Kind::Extract(input) => self.extract(&call, &input).await?,
            model_input::Kind::Read(input) => self.read(&call, input).await?,
            model_input::Kind::Rerank(input) => self.rerank(&call, input).await?,
            model_input::Kind::Moderate(_) => return Err(no_local_model("moderates texts", "moderate")),
            model_input::Kind::Image(_) => return Err(no_local_model("makes pictures", "image")),
        };
        if let Some(usage) = &mut reply.usage {
            usage.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        }
        Ok(reply)
    }

    async fn stream(
        &self,
        context: &CallContext,
        request: InferenceRequest,
        frames: FrameSender<InferenceFrame>,
    ) -> Result<(), Error> {
        let call = Call { context, model: &request.model, priority: request.priority };
        let model_input::Kind::Chat(input) = kind_of(request.input)? else {
            return Err(Error::new(ErrorCode::InvalidRequest, "only chat streams; ask for the rest with invoke"));
        };
        let (sender, mut deltas) = mpsc::channel(DELTAS);
        let forward = async {
            while let Some(delta) = deltas.recv().await {
                frames.send(&InferenceFrame { kind: Some(inference_frame::Kind::Delta(delta)) }).await?;
            }
            Ok::<(), Error>(())
        };
        let (done, ()) = tokio::try_join!(self.chat(&call, input, Some(sender)), forward)?;
        frames.send(&InferenceFrame { kind: Some(inference_frame::Kind::Done(done)) }).await
    }

    async fn chat(
        &self,
        call: &Call<'_>,
        input: v1::ChatInput,
        deltas: Option<mpsc::Sender<ChatDelta>>,
    ) -> Result<InferenceReply, Error> {
        let (lane, identity) = present(&self.lanes.chat, self.loaded.chat.as_ref(), "chat")?;
        call.check_model(identity)?;
        let request = ChatRequest::new(input, &identity.name, deltas)?;
        let ChatReply { output, input_tokens, output_tokens } = call.submit(lane, request).await?;
        let usage = v1::Usage { input_tokens, output_tokens, ..v1::Usage::default() };
        Ok(reply(model_output::Kind::Chat(output), vec![wire_identity(identity)], usage))
    }

    async fn embed(&self, call: &Call<'_>, input: v1::EmbedInput) -> Result<InferenceReply, Error> {
        let (lane, identity) = present(&self.lanes.embed, self.loaded.embed.as_ref(), "embed")?;
        call.check_model(identity)?;
        if let Some((backend, _)) = &self.loaded.embed {
            check_dimensions(input.dimensions, backend.dimension(), &identity.name)?;
        }
        let EmbedReply::Vectors(vectors, tokens) = call.submit(lane, EmbedRequest::Texts(input.texts)).await? else {
            return Err(mismatched());
        };
        let dimensions = vectors.first().map_or(0, Vec::len);
        let output = v1::EmbedOutput {
            dimensions: u32::try_from(dimensions).unwrap_or(u32::MAX),
            values: vectors.into_iter().flatten().collect(),
        };
        Ok(reply(model_output::Kind::Embed(output), vec![wire_identity(identity)], input_tokens(tokens)))
    }

    async fn rerank(&self, call: &Call<'_>, input: v1::RerankInput) -> Result<InferenceReply, Error> {
        let (lane, identity) = present(&self.lanes.embed, self.loaded.embed.as_ref(), "rerank")?;
        call.check_model(identity)?;
        let EmbedReply::Reranked(ranked, tokens) = call.submit(lane, EmbedRequest::Rerank(input)).await? else {
            return Err(mismatched());
        };
        let results = ranked
            .into_iter()
            .map(|it| v1::Ranked { index: u32::try_from(it.index).unwrap_or(u32::MAX), score: it.score })
            .collect();
        let output = model_output::Kind::Rerank(v1::RerankOutput { results });
        Ok(reply(output, vec![wire_identity(identity)], input_tokens(tokens)))
    }

    async fn classify(&self, call: &Call<'_>, input: v1::ClassifyInput) -> Result<InferenceReply, Error> {
        let (lane, identity) = present(&self.lanes.embed, self.loaded.embed.as_ref(), "classify")?;
        let EmbedReply::Classified(outcome, tokens) = call.submit(lane, EmbedRequest::Classify(input)).await? else {
            return Err(mismatched());
        };
        let json = to_json(&outcome)?;
        Ok(reply(model_output::Kind::ClassificationJson(json), vec![wire_identity(identity)], input_tokens(tokens)))
    }

    async fn extract(&self, call: &Call<'_>, input: &v1::ExtractInput) -> Result<InferenceReply, Error> {
        let (lane, identity) = present(&self.lanes.embed, self.loaded.embed.as_ref(), "extract")?;
        let contents = format!("[{}]", input.contents_json.join(","));
        let request = orrery_extract::Request::parse(&contents, &input.schema_json)?;
        let submitted = EmbedRequest::Extract(Box::new(request), contents.len() as u64);
        let EmbedReply::Extracted(extraction) = call.submit(lane, submitted).await? else {
            return Err(mismatched());
        };
        let json = to_json(&*extraction)?;
        Ok(reply(model_output::Kind::ExtractionJson(json), vec![wire_identity(identity)], v1::Usage::default()))
    }

    async fn read(&self, call: &Call<'_>, input: v1::ReadInput) -> Result<InferenceReply, Error> {
        if input.translate {
            return Err(no_local_model("translates speech", "translate"));
        }
        let blob = input.blob.ok_or_else(|| Error::new(ErrorCode::InvalidRequest, "read names no payload"))?;
        let (tenant, _) = blob.key.split_once('/').unwrap_or_default();
        let tenant = tenant.parse().map_err(|error| Error::new(ErrorCode::InvalidRequest, format!("{error}")))?;
        let bytes = self.blobs.get(&tenant, &blob, self.payload_bytes_max).await?;
        let schema = match input.schema_json.as_str() {
            "" => None,
            text => Some(serde_json::from_str(text).map_err(|error| {
                Error::new(ErrorCode::InvalidRequest, format!("the schema of read is not JSON: {error}"))
            })?),
        };
        let lane = match ReadKind::of(&self.loaded.registry, &bytes, &blob.media_type)? {
            ReadKind::Vision => &self.lanes.vision,
            ReadKind::Speech => &self.lanes.speech,
            ReadKind::LongSpeech => &self.lanes.long_speech,
            ReadKind::Plain => &self.lanes.plain,
        };
        let content = call.submit(lane, OwnedInput { bytes, media_type: blob.media_type, schema }).await?;
        let usage = v1::Usage {
            audio_ms: content.duration_ms.unwrap_or(0),
            pages: content.pages.len() as u64,
            ..v1::Usage::default()
        };
        let models = content.models.iter().map(wire_identity).collect();
        Ok(reply(model_output::Kind::ContentJson(to_json(&WithText::of(&content))?), models, usage))
    }

    fn list(&self) -> ListLoadedModelsReply {
        let listed = self.loaded.listed.iter().map(|model| v1::LoadedModel {
            identity: Some(wire_identity(&model.identity)),
            task: model.task.as_str().to_owned(),
            device: self.device.clone(),
            state: if model.state == State::Ready { "ready" } else { "failed" }.to_owned(),
            error: match &model.state {
                State::Ready => String::new(),
                State::Failed(reason) => reason.clone(),
            },
            weights_bytes: model.size_bytes,
            limits_json: model.limits_json.clone(),
        });
        ListLoadedModelsReply { models: listed.collect() }
    }
}

/// What every kind of call has.
struct Call<'a> {
    context: &'a CallContext,
    model: &'a str,
    priority: u32,
}

impl Call<'_> {
    async fn submit<B: Backend>(&self, lane: &Lane<B>, request: B::Request) -> Result<B::Reply, Error> {
        lane.submit(request, self.priority, self.context.deadline).await
    }

    fn check_model(&self, identity: &ModelIdentity) -> Result<(), Error> {
        if self.model.is_empty() || self.model == identity.name {
            return Ok(());
        }
        let message = format!("the model {:?} is not loaded for this; {:?} is", self.model, identity.name);
        Err(Error::new(ErrorCode::NoModel, message))
    }
}

/// Content as the kernel sees it: with its text joined.
#[derive(serde::Serialize)]
struct WithText<'a> {
    #[serde(flatten)]
    content: &'a Content,
    text: String,
}

impl<'a> WithText<'a> {
    fn of(content: &'a Content) -> Self {
        Self { content, text: content.text() }
    }
}

fn no_local_model(does: &str, capability: &str) -> Error {
    let message = format!(
        "no local model {does}; add a model of a provider that does, with the capability {capability:?}, to the router's catalogue"
    );
    Error::new(ErrorCode::NoModel, message)
}

fn check_dimensions(asked: u32, own: usize, model: &str) -> Result<(), Error> {
    if asked == 0 || asked as usize == own {
        return Ok(());
    }
    let message = format!(
        "the model {model:?} makes vectors of {own} dimensions, not {asked}; leave dimensions out or name another model"
    );
    Err(Error::new(ErrorCode::InvalidRequest, message))
}

fn kind_of(input: Option<ModelInput>) -> Result<model_input::Kind, Error> {
    let kind = input.and_then(|input| input.kind);
    kind.ok_or_else(|| Error::new(ErrorCode::InvalidRequest, "the request says nothing of what the model should do"))
}

fn present<'a, B: Backend, T>(
    lane: &'a Option<Lane<B>>,
    loaded: Option<&'a (T, ModelIdentity)>,
    what: &str,
) -> Result<(&'a Lane<B>, &'a ModelIdentity), Error> {
    match (lane, loaded) {
        (Some(lane), Some((_, identity))) => Ok((lane, identity)),
        _ => Err(Error::new(
            ErrorCode::NoModel,
            format!("no model for {what} could be loaded; `orrery model list` says why"),
        )),
    }
}

fn reply(kind: model_output::Kind, models: Vec<v1::ModelIdentity>, usage: v1::Usage) -> InferenceReply {
    InferenceReply { output: Some(ModelOutput { kind: Some(kind) }), models, usage: Some(usage), queue_ms: 0 }
}

fn input_tokens(tokens: u64) -> v1::Usage {
    v1::Usage { input_tokens: tokens, ..v1::Usage::default() }
}

fn wire_identity(identity: &ModelIdentity) -> v1::ModelIdentity {
    v1::ModelIdentity {
        name: identity.name.clone(),
        version: identity.version.clone(),
        digest: identity.digest.clone(),
        provider: "local".to_owned(),
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::internal(&error))
}

fn mismatched() -> Error {
    Error::new(ErrorCode::Internal, "a lane answered another question than it was asked")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn vectors_come_in_the_models_own_size_only() {
        assert!(check_dimensions(0, 384, "m").is_ok() && check_dimensions(384, 384, "m").is_ok());
        let error = check_dimensions(256, 384, "m").unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert!(error.message.contains("384 dimensions, not 256"), "{error}");
    }
}
