//! Cohere's API, version 2: `chat`, `embed` and `rerank`. Without a `base_url` it is `https://api.cohere.com/v2`.
//!
//! Options of its entry: `embed_for`, what texts are embedded for that no order says it of: `document` (default) or `query`.
//!
//! A `json_schema` format is kept by the vendor's own `response_format`. `reasoning_effort` other than `none` turns thinking
//! on, because the vendor knows no degrees; `reasoning_tokens_max` is its budget. What a model plans before it calls tools
//! is its reasoning here. Of the rate limits the vendor tells what is left of a trial key's calls only.

mod chat_reply;
mod chat_request;
mod embed;
mod rerank;

use std::sync::Arc;

use async_trait::async_trait;
use orrery_config::Secret;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ModelOutput, model_input, model_output};
use orrery_routing::catalogue::Provider as Entry;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::payloads::Payloads;
use crate::sse::SseParser;
use crate::upstream::Upstream;
use crate::{Answer, Order, Pieces, Provider, Quota, Setup, SetupError, chat_stream, estimate, options, quota};
use chat_reply::{Events, Reply};

const BASE_URL: &str = "https://api.cohere.com/v2";

/// A provider that speaks Cohere's interface.
#[derive(Debug)]
pub struct Cohere {
    upstream: Upstream,
    api_key: Option<Secret>,
    embed_for: &'static str,
    payloads: Payloads,
}

impl Cohere {
    pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
        options::only(entry, &["embed_for"])?;
        Ok(Arc::new(Self {
            upstream: Upstream::new(entry, Some(BASE_URL), left)?,
            api_key: setup.api_key(entry)?,
            embed_for: options::one_of(entry, "embed_for", &[("document", "document"), ("query", "query")])?
                .unwrap_or("document"),
            payloads: Payloads::new(setup.bus.clone()),
        }))
    }

    fn post(&self, path: &str, order: &Order, body: &Value) -> RequestBuilder {
        let request = self.upstream.post(path, order.deadline).json(body);
        match &self.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    async fn chat(&self, order: &Order, input: &ChatInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let body = chat_request::body(name, &order.upstream, input, false)?;
        let (reply, quota): (Reply, _) = self.upstream.exchange(self.post("chat", order, &body)).await?;
        let usage = reply.usage();
        let output = reply.output(name)?;
        let usage = usage.unwrap_or_else(|| estimate::chat(order, output.text.len()));
        let models = vec![estimate::identity(name, order, String::new())];
        Ok(Answer { output: ModelOutput { kind: Some(model_output::Kind::Chat(output)) }, models, usage, quota })
    }
}

fn left(headers: &HeaderMap) -> Option<Quota> {
    let requests = quota::text(headers, "x-trial-endpoint-call-remaining")?.parse().ok()?;
    Some(Quota { requests: Some(requests), ..Quota::default() })
}

#[async_trait]
impl Provider for Cohere {
    async fn invoke(&self, mut order: Order) -> Result<Answer, Error> {
        if let Some(model_input::Kind::Chat(input)) = order.input.kind.as_mut() {
            self.payloads.fill(input, order.deadline).await?;
        }
        match order.input.kind.as_ref() {
            Some(model_input::Kind::Chat(input)) => self.chat(&order, input).await,
            Some(model_input::Kind::Embed(input)) => self.embed(&order, input).await,
            Some(model_input::Kind::Rerank(input)) => self.rerank(&order, input).await,
            _ => Err(not_offered(&self.upstream.name)),
        }
    }

    async fn stream(&self, mut order: Order) -> Result<Pieces, Error> {
        let name = self.upstream.name.clone();
        let Some(model_input::Kind::Chat(input)) = order.input.kind.as_mut() else { return Err(not_offered(&name)) };
        self.payloads.fill(input, order.deadline).await?;
        let body = chat_request::body(&name, &order.upstream, input, true)?;
        let response = self.upstream.send(self.post("chat", &order, &body)).await?;
        let quota = self.upstream.quota(&response);
        let body = self.upstream.body(response);
        Ok(chat_stream::pieces(&name, order, body, quota, SseParser::default(), Events::new(&name)))
    }
}

fn not_offered(name: &str) -> Error {
    Error::new(ErrorCode::NoModel, format!("provider {name} offers chat, embeddings and reranking only"))
}
