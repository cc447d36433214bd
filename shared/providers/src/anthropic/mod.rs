//! Anthropic's Messages API. Without a `base_url` it is `https://api.anthropic.com/v1`.
//!
//! Options of its entry:
//! - `version`: the `anthropic-version` header; `2023-06-01`.
//! - `beta`: the `anthropic-beta` header, a list with commas; none.
//! - `thinking`: what `reasoning_effort` becomes. `budget` (default): a share of `max_tokens`, as models before Claude 4.6
//!   want it; `adaptive`: the model decides by `output_config.effort`, as later models want it.
//! - `structured_output`: how a `json_schema` format is kept. `native` (default): by `output_config.format`; `tool`: for models
//!   without that, by a tool that the model is forced to call and whose input becomes the text.
//!
//! `json_object`, which the vendor has no word for, is always kept by the forced tool. A refusal of the model is the finish
//! reason `content_filter`. Thoughts of earlier turns are sent with their signature only, because the vendor takes none
//! without; redacted ones are neither shown nor sent.

mod quota;
mod reply;
mod request;
mod stream;
pub(crate) mod thinking;

use std::sync::Arc;

use async_trait::async_trait;
use orrery_config::Secret;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ModelOutput, model_input, model_output};
use orrery_routing::catalogue::Provider as Entry;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::payloads::Payloads;
use crate::sse::SseParser;
use crate::upstream::Upstream;
use crate::{Answer, Order, Pieces, Provider, Setup, SetupError, chat_stream, estimate, options};
use reply::Message;
use request::{Dialect, Structured};
use stream::Events;
use thinking::Thinking;

const BASE_URL: &str = "https://api.anthropic.com/v1";
const VERSION: &str = "2023-06-01";

/// A provider that speaks Anthropic's interface.
#[derive(Debug)]
pub struct Anthropic {
    upstream: Upstream,
    api_key: Option<Secret>,
    version: String,
    beta: Option<String>,
    dialect: Dialect,
    payloads: Payloads,
}

impl Anthropic {
    pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
        options::only(entry, &["version", "beta", "thinking", "structured_output"])?;
        let dialect = Dialect {
            thinking: options::one_of(entry, "thinking", &thinking::MODES)?.unwrap_or(Thinking::Budget),
            structured: options::one_of(
                entry,
                "structured_output",
                &[("native", Structured::Native), ("tool", Structured::Tool)],
            )?
            .unwrap_or(Structured::Native),
        };
        Ok(Arc::new(Self {
            upstream: Upstream::new(entry, Some(BASE_URL), quota::read)?,
            api_key: setup.api_key(entry)?,
            version: options::text(entry, "version").unwrap_or_else(|| VERSION.to_owned()),
            beta: options::text(entry, "beta"),
            dialect,
            payloads: Payloads::new(setup.bus.clone()),
        }))
    }

    fn post(&self, order: &Order, body: &Value) -> RequestBuilder {
        let mut request = self.upstream.post("messages", order.deadline).header("anthropic-version", &self.version);
        if let Some(beta) = &self.beta {
            request = request.header("anthropic-beta", beta);
        }
        if let Some(key) = &self.api_key {
            request = request.header("x-api-key", key.expose());
        }
        request.json(body)
    }

    /// The conversation with its stored media in place.
    async fn chat<'a>(&self, order: &'a mut Order) -> Result<&'a ChatInput, Error> {
        let deadline = order.deadline;
        let Some(model_input::Kind::Chat(input)) = order.input.kind.as_mut() else {
            return Err(Error::new(ErrorCode::NoModel, format!("provider {} offers chat only", self.upstream.name)));
        };
        self.payloads.fill(input, deadline).await?;
        Ok(input)
    }
}

#[async_trait]
impl Provider for Anthropic {
    async fn invoke(&self, mut order: Order) -> Result<Answer, Error> {
        let (name, upstream) = (&self.upstream.name, order.upstream.clone());
        let input = self.chat(&mut order).await?;
        let as_tool = self.dialect.forces_a_tool(input);
        let body = self.dialect.request(name, &upstream, input, false)?;
        let (reply, quota): (Message, _) = self.upstream.exchange(self.post(&order, &body)).await?;
        let (version, usage) = (reply.model.clone(), reply.usage.counted());
        let output = reply.output(name, as_tool)?;
        let usage = usage.unwrap_or_else(|| estimate::chat(&order, output.text.len()));
        let models = vec![estimate::identity(name, &order, version)];
        Ok(Answer { output: ModelOutput { kind: Some(model_output::Kind::Chat(output)) }, models, usage, quota })
    }

    async fn stream(&self, mut order: Order) -> Result<Pieces, Error> {
        let (name, upstream) = (self.upstream.name.clone(), order.upstream.clone());
        let input = self.chat(&mut order).await?;
        let events = Events::new(&name, self.dialect.forces_a_tool(input));
        let body = self.dialect.request(&name, &upstream, input, true)?;
        let response = self.upstream.send(self.post(&order, &body)).await?;
        let quota = self.upstream.quota(&response);
        let body = self.upstream.body(response);
        Ok(chat_stream::pieces(&name, order, body, quota, SseParser::default(), events))
    }
}
