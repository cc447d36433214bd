//! OpenAI's HTTP interface, as OpenAI, vLLM, Ollama, llama.cpp and others offer it.
//!
//! Options of its entry: `organization`, `project` (sent as headers), `max_tokens` (how the limit on output is called;
//! `max_completion_tokens` at OpenAI itself, `max_tokens` elsewhere).

mod chat_reply;
mod chat_request;
mod embed;

use std::sync::Arc;

use async_trait::async_trait;
use orrery_config::Secret;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ModelOutput, Usage, model_input, model_output};
use orrery_routing::catalogue::Provider as Entry;
use reqwest::RequestBuilder;

use crate::failure::broken;
use crate::sse::SseParser;
use crate::upstream::Upstream;
use crate::{Answer, Order, Pieces, Provider, Quota, Setup, SetupError, chat_stream, estimate};
use chat_reply::{ChatEvents, ChatReply};
use chat_request::{ChatRequest, LimitField};

/// Its own name for a call, by which its bills can be compared.
const CALL_HEADER: &str = "x-client-request-id";

/// A provider that speaks OpenAI's interface.
#[derive(Debug)]
pub struct Openai {
    upstream: Upstream,
    api_key: Option<Secret>,
    headers: Vec<(&'static str, String)>,
    limit: LimitField,
}

impl Openai {
    pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
        let upstream = Upstream::new(entry, None, Quota::openai)?;
        let limit = match entry.options.get("max_tokens").map(String::as_str) {
            Some("max_tokens") => LimitField::MaxTokens,
            Some("max_completion_tokens") => LimitField::MaxCompletionTokens,
            None if upstream.base_url.starts_with("https://api.openai.com") => LimitField::MaxCompletionTokens,
            None => LimitField::MaxTokens,
            Some(other) => {
                let reason = format!("option max_tokens is {other:?}; use max_tokens or max_completion_tokens");
                return Err(SetupError::entry(entry, reason));
            }
        };
        let header = |option, name| entry.options.get(option).map(|value| (name, value.clone()));
        let headers = [header("organization", "openai-organization"), header("project", "openai-project")];
        let api_key = setup.api_key(entry)?;
        Ok(Arc::new(Self { upstream, api_key, headers: headers.into_iter().flatten().collect(), limit }))
    }

    fn post(&self, path: &str, order: &Order) -> RequestBuilder {
        let mut request = self.upstream.post(path, order.deadline).header(CALL_HEADER, &order.call_id);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        match &self.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    async fn chat(&self, order: &Order, input: &ChatInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let body = ChatRequest::new(name, &order.upstream, input, false, self.limit)?;
        let request = self.post("chat/completions", order).json(&body);
        let (mut reply, quota): (ChatReply, _) = self.upstream.exchange(request).await?;
        let (version, counted) = (std::mem::take(&mut reply.model), reply.usage.take());
        let output = reply.output().ok_or_else(|| broken(name, "its reply has no choice"))?;
        let usage = counted.map_or_else(|| estimate::chat(order, output.text.len()), Usage::from);
        let models = vec![estimate::identity(name, order, version)];
        Ok(Answer { output: ModelOutput { kind: Some(model_output::Kind::Chat(output)) }, models, usage, quota })
    }
}

#[async_trait]
impl Provider for Openai {
    async fn invoke(&self, order: Order) -> Result<Answer, Error> {
        match order.input.kind.as_ref() {
            Some(model_input::Kind::Chat(input)) => self.chat(&order, input).await,
            Some(model_input::Kind::Embed(input)) => self.embed(&order, input).await,
            _ => Err(not_offered(&self.upstream.name)),
        }
    }

    async fn stream(&self, order: Order) -> Result<Pieces, Error> {
        let Some(model_input::Kind::Chat(input)) = order.input.kind.as_ref() else {
            return Err(not_offered(&self.upstream.name));
        };
        let name = self.upstream.name.clone();
        let body = ChatRequest::new(&name, &order.upstream, input, true, self.limit)?;
        let response = self.upstream.send(self.post("chat/completions", &order).json(&body)).await?;
        let quota = self.upstream.quota(&response);
        let body = self.upstream.body(response);
        let events = ChatEvents { provider: name.clone() };
        Ok(chat_stream::pieces(&name, order, body, quota, SseParser::default(), events))
    }
}

fn not_offered(name: &str) -> Error {
    Error::new(ErrorCode::NoModel, format!("provider {name} offers chat and embeddings only"))
}
