//! The Open Inference Protocol, version 2, over HTTP, as Triton speaks it: embeddings by `infer`, text by Triton's `generate`
//! extension. Needs a `base_url` up to and with the version, for example `http://triton:8000/v2`; its location may be local.
//! A model's name at the provider may go on with `/versions/<n>`.
//!
//! Options of its entry:
//! - `backend`: what generates text behind Triton, because each names its parameters differently: `vllm` (default) or
//!   `tensorrt_llm`.
//! - `chat_template`, or `chat_template_file`: the Jinja template of the model (as in Hugging Face's `tokenizer_config.json`)
//!   that makes one text of a conversation, by its text or in a file. Without one a prompt (`raw`) or a single message of a
//!   user is taken as it is, and anything else is refused.
//! - `input`, `output`: names of the tensors of an embedding model, texts in (BYTES) and vectors out (FP32); `text` and
//!   `embedding`.
//! - `input_shape`: `column` (default), [texts, 1], as models that Triton batches want it, or `flat`, [texts].
//!
//! A TensorRT-LLM model tells neither counts nor why it ended, so tokens are estimated and it ended of itself.

mod generate;
mod infer;
mod prompt;

use std::sync::Arc;

use async_trait::async_trait;
use orrery_config::Secret;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ModelOutput, model_input, model_output};
use orrery_routing::catalogue::Provider as Entry;
use orrery_types::UnixMillis;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::sse::SseParser;
use crate::upstream::Upstream;
use crate::{Answer, Order, Pieces, Provider, Setup, SetupError, chat_stream, estimate, options};
use generate::{Backend, Events, Generated};
use infer::Tensors;
use prompt::Prompts;

/// A provider that speaks the Open Inference Protocol.
#[derive(Debug)]
pub struct Kserve {
    upstream: Upstream,
    api_key: Option<Secret>,
    backend: Backend,
    prompts: Prompts,
    tensors: Tensors,
}

impl Kserve {
    pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
        let known = ["backend", "chat_template", "chat_template_file", "input", "output", "input_shape"];
        options::only(entry, &known)?;
        let backends = [("vllm", Backend::Vllm), ("tensorrt_llm", Backend::TensorrtLlm)];
        Ok(Arc::new(Self {
            upstream: Upstream::new(entry, None, |_| None)?,
            api_key: setup.api_key(entry)?,
            backend: options::one_of(entry, "backend", &backends)?.unwrap_or(Backend::Vllm),
            prompts: Prompts::new(entry)?,
            tensors: Tensors {
                input: options::text(entry, "input").unwrap_or_else(|| "text".to_owned()),
                output: options::text(entry, "output").unwrap_or_else(|| "embedding".to_owned()),
                is_column: options::one_of(entry, "input_shape", &[("column", true), ("flat", false)])?.unwrap_or(true),
            },
        }))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    fn post(&self, method: &str, order: &Order, body: &Value) -> RequestBuilder {
        let path = format!("models/{}/{method}", order.upstream);
        self.authorized(self.upstream.post(&path, order.deadline)).json(body)
    }

    fn generation(&self, input: &ChatInput, stream: bool) -> Result<Value, Error> {
        let name = &self.upstream.name;
        let prompt = self.prompts.write(name, input)?;
        self.backend.request(name, &prompt, input, stream)
    }

    async fn chat(&self, order: &Order, input: &ChatInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let body = self.generation(input, false)?;
        let (reply, quota): (Generated, _) = self.upstream.exchange(self.post("generate", order, &body)).await?;
        let (version, usage) = (reply.version(), reply.usage());
        let output = reply.output(name)?;
        let usage = usage.unwrap_or_else(|| estimate::chat(order, output.text.len()));
        let models = vec![estimate::identity(name, order, version)];
        Ok(Answer { output: ModelOutput { kind: Some(model_output::Kind::Chat(output)) }, models, usage, quota })
    }
}

#[async_trait]
impl Provider for Kserve {
    async fn invoke(&self, order: Order) -> Result<Answer, Error> {
        match order.input.kind.as_ref() {
            Some(model_input::Kind::Chat(input)) => self.chat(&order, input).await,
            Some(model_input::Kind::Embed(input)) => self.embed(&order, input).await,
            _ => Err(not_offered(&self.upstream.name)),
        }
    }

    async fn stream(&self, order: Order) -> Result<Pieces, Error> {
        let name = self.upstream.name.clone();
        let Some(model_input::Kind::Chat(input)) = order.input.kind.as_ref() else { return Err(not_offered(&name)) };
        let body = self.generation(input, true)?;
        let response = self.upstream.send(self.post("generate_stream", &order, &body)).await?;
        let body = self.upstream.body(response);
        let events = Events::new(&name, self.backend);
        Ok(chat_stream::pieces(&name, order, body, None, SseParser::default(), events))
    }

    async fn ready(&self, deadline: UnixMillis) -> Result<(), Error> {
        let request = self.authorized(self.upstream.get("health/ready", deadline));
        self.upstream.send(request).await.map(|_| ())
    }
}

fn not_offered(name: &str) -> Error {
    Error::new(ErrorCode::NoModel, format!("provider {name} offers chat and embeddings only"))
}
