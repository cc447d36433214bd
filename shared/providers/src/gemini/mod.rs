//! Google's Gemini API: `generateContent`, `streamGenerateContent` and `batchEmbedContents`. Without a `base_url` it is
//! `https://generativelanguage.googleapis.com/v1beta`. It has no options.
//!
//! `reasoning_effort` is `thinkingBudget` for models of the second generation (by the name, `gemini-2…`) and `thinkingLevel`
//! for later ones; thoughts are summed up in the answer where reasoning was asked for. What an assistant thought before is
//! not sent: the vendor keeps it in the signature of a call instead, which travels in the call's id, behind a `~`. The vendor
//! tells nothing of its rate limits beside `RetryInfo` in refusals.

mod embed;
mod reply;
mod request;

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
use reply::{Events, Reply};

const BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";

/// A provider that speaks Gemini's interface.
#[derive(Debug)]
pub struct Gemini {
    upstream: Upstream,
    api_key: Option<Secret>,
    payloads: Payloads,
}

impl Gemini {
    pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
        options::only(entry, &[])?;
        let upstream = Upstream::new(entry, Some(BASE_URL), |_| None)?;
        Ok(Arc::new(Self { upstream, api_key: setup.api_key(entry)?, payloads: Payloads::new(setup.bus.clone()) }))
    }

    fn post(&self, method: &str, order: &Order, body: &Value) -> RequestBuilder {
        let path = format!("{}:{method}", resource(&order.upstream));
        let request = self.upstream.post(&path, order.deadline).json(body);
        match &self.api_key {
            Some(key) => request.header("x-goog-api-key", key.expose()),
            None => request,
        }
    }

    async fn chat(&self, order: &Order, input: &ChatInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let body = request::chat(name, &order.upstream, input)?;
        let (reply, quota): (Reply, _) = self.upstream.exchange(self.post("generateContent", order, &body)).await?;
        let (version, usage) = (reply.version(), reply.usage());
        let output = Events::new(name, &order.call_id).whole(reply)?;
        let usage = usage.unwrap_or_else(|| estimate::chat(order, output.text.len()));
        let models = vec![estimate::identity(name, order, version)];
        Ok(Answer { output: ModelOutput { kind: Some(model_output::Kind::Chat(output)) }, models, usage, quota })
    }
}

/// The name of a model among the vendor's resources; `tunedModels/…` stays as it is.
fn resource(upstream: &str) -> String {
    if upstream.contains('/') { upstream.to_owned() } else { format!("models/{upstream}") }
}

#[async_trait]
impl Provider for Gemini {
    async fn invoke(&self, mut order: Order) -> Result<Answer, Error> {
        if let Some(model_input::Kind::Chat(input)) = order.input.kind.as_mut() {
            self.payloads.fill(input, order.deadline).await?;
        }
        match order.input.kind.as_ref() {
            Some(model_input::Kind::Chat(input)) => self.chat(&order, input).await,
            Some(model_input::Kind::Embed(input)) => self.embed(&order, input).await,
            _ => Err(not_offered(&self.upstream.name)),
        }
    }

    async fn stream(&self, mut order: Order) -> Result<Pieces, Error> {
        let name = self.upstream.name.clone();
        let Some(model_input::Kind::Chat(input)) = order.input.kind.as_mut() else { return Err(not_offered(&name)) };
        self.payloads.fill(input, order.deadline).await?;
        let body = request::chat(&name, &order.upstream, input)?;
        let response = self.upstream.send(self.post("streamGenerateContent?alt=sse", &order, &body)).await?;
        let events = Events::new(&name, &order.call_id);
        let body = self.upstream.body(response);
        Ok(chat_stream::pieces(&name, order, body, None, SseParser::default(), events))
    }
}

fn not_offered(name: &str) -> Error {
    Error::new(ErrorCode::NoModel, format!("provider {name} offers chat and embeddings only"))
}
