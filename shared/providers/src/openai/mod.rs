//! OpenAI's HTTP interface, as OpenAI, vLLM, Ollama, llama.cpp and others offer it: chat, plain and streamed, and
//! embeddings. Follows no redirects, so that a key never travels to another host.

mod failure;
mod stream;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::StreamExt as _;
use orrery_config::{Secret, env};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatOutput, EmbedOutput, ModelIdentity, ModelOutput, Usage, model_input, model_output};
use orrery_types::UnixMillis;
use reqwest::{Client, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Answer, Order, Pieces, Provider};
use crate::SetupError;
use failure::{broken, failed_status, failed_transport};
use orrery_routing::catalogue::{Provider as Entry, SecretRef};
use wire::{ChatReply, ChatRequest, EmbedReply, EmbedRequest, UsageBody};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence on an open connection for so long means that the provider is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// A reply larger than this is broken: 2,048 embeddings of 3,072 numbers as text stay below.
const REPLY_BYTES_MAX: usize = 128 << 20;

/// A provider that speaks OpenAI's interface.
#[derive(Debug)]
pub struct Openai {
    name: String,
    base_url: String,
    api_key: Option<Secret>,
    client: Client,
}

impl Openai {
    /// From its entry in the catalogue. Reads the key now, so that a missing one is seen at start.
    pub fn new(entry: &Entry) -> Result<Self, SetupError> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("orrery/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SetupError::Provider { name: entry.name.clone(), reason: error.to_string() })?;
        Ok(Self {
            name: entry.name.clone(),
            base_url: entry.base_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
            api_key: entry.api_key.as_ref().map(|reference| secret(&entry.name, reference)).transpose()?,
            client,
        })
    }

    fn post(&self, path: &str, body: &impl Serialize, deadline: UnixMillis) -> RequestBuilder {
        let request = self.client.post(format!("{}/{path}", self.base_url)).json(body).timeout(remaining(deadline));
        match &self.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| failed_transport(&self.name, &error))?;
        if response.status().is_success() { Ok(response) } else { Err(failed_status(&self.name, response).await) }
    }

    async fn exchange<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let mut body = self.send(request).await?.bytes_stream();
        let mut bytes = BytesMut::new();
        while let Some(part) = body.next().await {
            bytes.extend_from_slice(&part.map_err(|error| failed_transport(&self.name, &error))?);
            if bytes.len() > REPLY_BYTES_MAX {
                return Err(broken(&self.name, format!("its reply is longer than {REPLY_BYTES_MAX} bytes")));
            }
        }
        serde_json::from_slice(&bytes).map_err(|error| broken(&self.name, format!("its reply does not read: {error}")))
    }

    async fn chat(&self, order: &Order, input: &orrery_proto::v1::ChatInput) -> Result<Answer, Error> {
        let body = ChatRequest::new(&order.upstream, input, false);
        let reply: ChatReply = self.exchange(self.post("chat/completions", &body, order.deadline)).await?;
        let Some(choice) = reply.choices.into_iter().next() else {
            return Err(broken(&self.name, "its reply has no choice".to_owned()));
        };
        let text = choice.message.content.unwrap_or_default();
        let finish_reason = choice.finish_reason.unwrap_or_default();
        Ok(chat_answer(&self.name, order, reply.model, text, finish_reason, reply.usage))
    }

    async fn embed(&self, order: &Order, input: &orrery_proto::v1::EmbedInput) -> Result<Answer, Error> {
        let body = EmbedRequest::new(&order.upstream, input);
        let mut reply: EmbedReply = self.exchange(self.post("embeddings", &body, order.deadline)).await?;
        reply.data.sort_by_key(|embedding| embedding.index);
        let dimensions = reply.data.first().map_or(0, |embedding| embedding.embedding.len());
        let complete =
            reply.data.iter().enumerate().all(|(at, one)| one.index == at && one.embedding.len() == dimensions);
        if !complete || reply.data.len() != input.texts.len() || dimensions == 0 {
            return Err(broken(&self.name, format!("it embedded {} of {} texts", reply.data.len(), input.texts.len())));
        }
        let values = reply.data.into_iter().flat_map(|embedding| unit_length(embedding.embedding)).collect();
        let output = EmbedOutput { dimensions: u32::try_from(dimensions).unwrap_or(u32::MAX), values };
        let bytes = input.texts.iter().map(String::len).sum();
        let usage = used(reply.usage, bytes, 0);
        Ok(answer(&self.name, order, reply.model, model_output::Kind::Embed(output), usage))
    }
}

#[async_trait]
impl Provider for Openai {
    async fn invoke(&self, order: Order) -> Result<Answer, Error> {
        match order.input.kind.as_ref() {
            Some(model_input::Kind::Chat(input)) => self.chat(&order, input).await,
            Some(model_input::Kind::Embed(input)) => self.embed(&order, input).await,
            _ => Err(not_offered(&self.name)),
        }
    }

    async fn stream(&self, order: Order) -> Result<Pieces, Error> {
        let Some(model_input::Kind::Chat(input)) = order.input.kind.as_ref() else {
            return Err(not_offered(&self.name));
        };
        let body = ChatRequest::new(&order.upstream, input, true);
        let response = self.send(self.post("chat/completions", &body, order.deadline)).await?;
        Ok(stream::pieces(self.name.clone(), order, response))
    }
}

fn not_offered(name: &str) -> Error {
    Error::new(ErrorCode::NoModel, format!("provider {name} offers chat and embeddings only"))
}

fn remaining(deadline: UnixMillis) -> Duration {
    deadline.since(UnixMillis::now())
}

fn secret(provider: &str, reference: &SecretRef) -> Result<Secret, SetupError> {
    let missing = |place: String, reason: String| SetupError::Secret { name: provider.to_owned(), place, reason };
    match reference {
        SecretRef::Env(name) => env::read(name)
            .map(Secret::new)
            .ok_or_else(|| missing(format!("environment variable {name}"), "it is not set".to_owned())),
        SecretRef::File(path) => match std::fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim())),
            Ok(_) => Err(missing(format!("file {path}"), "it is empty".to_owned())),
            Err(error) => Err(missing(format!("file {path}"), error.to_string())),
        },
    }
}

/// Embeddings are unit length throughout the system; not every server sees to it.
fn unit_length(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
    vector
}

/// What was used, by the provider's count; by the bytes where it does not count, so that no call is free by omission.
fn used(counted: Option<UsageBody>, input_bytes: usize, output_bytes: usize) -> Usage {
    const BYTES_PER_TOKEN: usize = 4;
    let estimate = |bytes: usize| u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX);
    let counted = counted.unwrap_or_else(|| UsageBody {
        prompt_tokens: estimate(input_bytes),
        completion_tokens: estimate(output_bytes),
    });
    Usage { input_tokens: counted.prompt_tokens, output_tokens: counted.completion_tokens, ..Usage::default() }
}

fn chat_answer(
    provider: &str,
    order: &Order,
    version: String,
    text: String,
    finish_reason: String,
    counted: Option<UsageBody>,
) -> Answer {
    let input_bytes = match order.input.kind.as_ref() {
        Some(model_input::Kind::Chat(input)) => input.messages.iter().map(|message| message.content.len()).sum(),
        _ => 0,
    };
    let usage = used(counted, input_bytes, text.len());
    answer(
        provider,
        order,
        version,
        model_output::Kind::Chat(ChatOutput { text, finish_reason, ..ChatOutput::default() }),
        usage,
    )
}

fn answer(provider: &str, order: &Order, version: String, output: model_output::Kind, usage: Usage) -> Answer {
    // What the provider says answered is the closest to a version that it gives.
    let version = if version.is_empty() { order.upstream.clone() } else { version };
    let identity =
        ModelIdentity { name: order.model.clone(), version, digest: String::new(), provider: provider.to_owned() };
    Answer { output: ModelOutput { kind: Some(output) }, models: vec![identity], usage }
}
