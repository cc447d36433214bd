//! Amazon Bedrock: `Converse` and `ConverseStream` for chat, `InvokeModel` for the embeddings of Titan and Cohere. Without a
//! `base_url` it is `https://bedrock-runtime.<region>.amazonaws.com`. A model's name at the provider is a model's id, an
//! inference profile's or an ARN.
//!
//! Keys of its entry: `api_key` is a Bedrock API key (a bearer token); or else `secrets` holds `access_key_id`,
//! `secret_access_key` and, where they are short-lived, `session_token`, by which requests are signed (SigV4).
//!
//! Options of its entry:
//! - `region`: required.
//! - `thinking`: how Claude thinks; `budget` (default) or `adaptive`, as with Anthropic itself. Other models are not asked to.
//! - `structured_output`: how a `json_schema` format is kept. `native` (default): by `outputConfig.textFormat`; `tool`: for
//!   models without that, by a tool that the model is forced to call and whose input becomes the text. `json_object` is always
//!   kept by the tool.
//!
//! Thoughts of earlier turns are sent with their signature only. The vendor tells nothing of its rate limits.

mod embed;
mod reply;
mod request;
mod sign;
mod stream;

use std::sync::Arc;

use async_trait::async_trait;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ModelOutput, model_input, model_output};
use orrery_routing::catalogue::Provider as Entry;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::anthropic::thinking::{self, Thinking};
use crate::event_stream::EventStream;
use crate::payloads::Payloads;
use crate::upstream::Upstream;
use crate::{Answer, Order, Pieces, Provider, Setup, SetupError, chat_stream, estimate, options};
use reply::Reply;
use request::Dialect;
use sign::Credentials;
use stream::Events;

/// What stands unescaped in a segment of a path (RFC 3986, section 2.3), as signatures want it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A provider that speaks Bedrock's interface.
#[derive(Debug)]
pub struct Bedrock {
    upstream: Upstream,
    credentials: Credentials,
    dialect: Dialect,
    payloads: Payloads,
}

impl Bedrock {
    pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
        options::only(entry, &["region", "thinking", "structured_output"])?;
        let region = entry.options.get("region");
        let region = region.ok_or_else(|| SetupError::entry(entry, "kind \"bedrock\" needs the option region"))?;
        let default_url = format!("https://bedrock-runtime.{region}.amazonaws.com");
        Ok(Arc::new(Self {
            upstream: Upstream::new(entry, Some(&default_url), |_| None)?,
            credentials: Credentials::new(entry, setup, region)?,
            dialect: Dialect {
                thinking: options::one_of(entry, "thinking", &thinking::MODES)?.unwrap_or(Thinking::Budget),
                native_formats: options::one_of(entry, "structured_output", &[("native", true), ("tool", false)])?
                    .unwrap_or(true),
            },
            payloads: Payloads::new(setup.bus.clone()),
        }))
    }

    /// A signed request to a model.
    fn post(&self, method: &str, order: &Order, body: &Value) -> Result<RequestBuilder, Error> {
        let path = format!("model/{}/{method}", utf8_percent_encode(&order.upstream, SEGMENT));
        let request = self.upstream.post(&path, order.deadline).header("content-type", "application/json");
        let url = format!("{}/{path}", self.upstream.base_url);
        self.credentials.sign(request, &url, body.to_string())
    }

    /// The conversation with its stored media in place.
    async fn chat<'a>(&self, order: &'a mut Order) -> Result<&'a ChatInput, Error> {
        let deadline = order.deadline;
        let Some(model_input::Kind::Chat(input)) = order.input.kind.as_mut() else {
            return Err(not_offered(&self.upstream.name));
        };
        self.payloads.fill(input, deadline).await?;
        Ok(input)
    }

    async fn converse(&self, mut order: Order) -> Result<Answer, Error> {
        let (name, upstream) = (&self.upstream.name, order.upstream.clone());
        let input = self.chat(&mut order).await?;
        let as_tool = self.dialect.forces_a_tool(input);
        let body = self.dialect.request(name, &upstream, input)?;
        let (reply, quota): (Reply, _) = self.upstream.exchange(self.post("converse", &order, &body)?).await?;
        let usage = reply.usage();
        let output = reply.output(name, as_tool)?;
        let usage = usage.unwrap_or_else(|| estimate::chat(&order, output.text.len()));
        let models = vec![estimate::identity(name, &order, String::new())];
        Ok(Answer { output: ModelOutput { kind: Some(model_output::Kind::Chat(output)) }, models, usage, quota })
    }
}

#[async_trait]
impl Provider for Bedrock {
    async fn invoke(&self, order: Order) -> Result<Answer, Error> {
        match order.input.kind.as_ref() {
            Some(model_input::Kind::Embed(input)) => self.embed(&order, input).await,
            _ => self.converse(order).await,
        }
    }

    async fn stream(&self, mut order: Order) -> Result<Pieces, Error> {
        let (name, upstream) = (self.upstream.name.clone(), order.upstream.clone());
        let input = self.chat(&mut order).await?;
        let events = Events::new(&name, self.dialect.forces_a_tool(input));
        let body = self.dialect.request(&name, &upstream, input)?;
        let response = self.upstream.send(self.post("converse-stream", &order, &body)?).await?;
        let body = self.upstream.body(response);
        Ok(chat_stream::pieces(&name, order, body, None, EventStream::default(), events))
    }
}

fn not_offered(name: &str) -> Error {
    Error::new(ErrorCode::NoModel, format!("provider {name} offers chat and embeddings only"))
}
