//! A server that speaks OpenAI's interface, whoever runs it. What one dialect has of its own is behind [`Dialect`].

use std::fmt;

use async_trait::async_trait;
use futures::StreamExt as _;
use orrery_config::Secret;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ChatOutput, ModelOutput, Usage, model_input, model_output};
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response};
use serde::Serialize;

use super::chat_events::ChatEvents;
use super::chat_reply::ChatReply;
use super::chat_request::ChatRequest;
use super::completions::CompletionRequest;
use super::words::{Offer, Words};
use crate::payloads::Payloads;
use crate::quota::text;
use crate::sse::SseParser;
use crate::upstream::Upstream;
use crate::{Answer, Order, Piece, Pieces, Provider, Quota, chat_stream, estimate};

/// What differs in more than words.
pub(crate) trait Dialect: fmt::Debug + Send + Sync {
    /// Below the base, for what is asked of a model.
    fn path(&self, what: &str, _model: &str) -> String {
        what.to_owned()
    }

    /// Puts the key in its place.
    fn authorize(&self, request: RequestBuilder, key: &Secret) -> RequestBuilder {
        request.bearer_auth(key.expose())
    }

    /// The bytes of a conversation's request.
    fn chat_body(&self, _provider: &str, _input: &ChatInput, request: &ChatRequest<'_>) -> Result<Vec<u8>, Error> {
        written(request)
    }
}

/// A request's JSON.
pub(crate) fn written(request: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(request).map_err(|error| Error::internal(&error))
}

/// A provider that speaks OpenAI's interface.
#[derive(Debug)]
pub(crate) struct Server {
    pub upstream: Upstream,
    pub payloads: Payloads,
    pub key: Option<Secret>,
    pub words: Words,
    pub dialect: Box<dyn Dialect>,
}

impl Server {
    pub(super) fn words(&self) -> &Words {
        &self.words
    }

    pub(super) fn post(&self, what: &str, order: &Order) -> RequestBuilder {
        let path = self.dialect.path(what, &order.upstream);
        let mut request = self.upstream.post(&path, order.deadline);
        if let Some(name) = self.words.call_header {
            request = request.header(name, &order.call_id);
        }
        for (name, value) in &self.words.headers {
            request = request.header(*name, value);
        }
        match &self.key {
            Some(key) => self.dialect.authorize(request, key),
            None => request,
        }
    }

    /// Refuses what this server does not do.
    fn offered(&self, offer: Offer) -> Result<(), Error> {
        if self.words.offers.contains(&offer) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::NoModel, format!("provider {} does not offer {}", self.upstream.name, offer.name())))
    }

    async fn answer(&self, order: &mut Order) -> Result<Answer, Error> {
        if let Some(model_input::Kind::Chat(chat)) = &mut order.input.kind {
            self.payloads.fill(chat, order.deadline).await?;
        }
        match order.input.kind.as_ref() {
            Some(model_input::Kind::Chat(input)) => self.chat(order, input).await,
            Some(model_input::Kind::Embed(input)) => {
                self.offered(Offer::Embed)?;
                self.embed(order, input).await
            }
            Some(model_input::Kind::Read(input)) => {
                self.offered(if input.translate { Offer::Translate } else { Offer::Transcribe })?;
                self.listen(order, input).await
            }
            Some(model_input::Kind::Rerank(input)) => {
                self.offered(Offer::Rerank)?;
                self.rerank(order, input).await
            }
            Some(model_input::Kind::Moderate(input)) => {
                self.offered(Offer::Moderate)?;
                self.moderate(order, input).await
            }
            Some(model_input::Kind::Image(input)) => {
                self.offered(Offer::Image)?;
                self.draw(order, input).await
            }
            _ => Err(self.not_offered()),
        }
    }

    fn not_offered(&self) -> Error {
        Error::new(ErrorCode::NoModel, format!("provider {} does not offer what is asked", self.upstream.name))
    }

    fn chat_request(&self, order: &Order, input: &ChatInput, stream: bool) -> Result<RequestBuilder, Error> {
        let (name, model, words) = (&self.upstream.name, &order.upstream, &self.words);
        let (path, body) = if input.raw {
            self.offered(Offer::Raw)?;
            ("completions", written(&CompletionRequest::new(name, model, input, stream, words)?)?)
        } else {
            let request = ChatRequest::new(name, model, input, stream, words)?;
            ("chat/completions", self.dialect.chat_body(name, input, &request)?)
        };
        Ok(self.post(path, order).header(CONTENT_TYPE, "application/json").body(body))
    }

    async fn chat(&self, order: &Order, input: &ChatInput) -> Result<Answer, Error> {
        let request = self.chat_request(order, input, false)?;
        let (reply, quota): (ChatReply, _) = self.upstream.exchange(request).await?;
        self.concluded(order, reply, quota)
    }

    fn concluded(&self, order: &Order, mut reply: ChatReply, quota: Option<Quota>) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let (version, counted) = (reply.version(), reply.usage.take());
        let output = reply.output(name, &order.call_id)?;
        let usage = counted.map_or_else(|| estimate::chat(order, bytes(&output)), Usage::from);
        let models = vec![estimate::identity(name, order, version)];
        Ok(Answer { output: ModelOutput { kind: Some(model_output::Kind::Chat(output)) }, models, usage, quota })
    }

    async fn begin(&self, order: &mut Order) -> Result<Response, Error> {
        let Some(model_input::Kind::Chat(chat)) = &mut order.input.kind else { return Err(self.not_offered()) };
        self.payloads.fill(chat, order.deadline).await?;
        let Some(model_input::Kind::Chat(input)) = &order.input.kind else { return Err(self.not_offered()) };
        self.upstream.send(self.chat_request(order, input, true)?).await
    }

    async fn pieces(&self, mut order: Order) -> Result<Pieces, Error> {
        let name = &self.upstream.name;
        let response = self.begin(&mut order).await?;
        let quota = self.upstream.quota(&response);
        // A server that does not stream answers at once; one that fails may do so in a body of its own, too.
        if text(response.headers(), CONTENT_TYPE.as_str()).is_some_and(|it| it.starts_with("application/json")) {
            let reply: ChatReply = self.upstream.read(&self.upstream.whole(response).await?)?;
            let answer = self.concluded(&order, reply, quota)?;
            let pieces = deltas(&answer).into_iter().map(|delta| Piece::Delta(Box::new(delta)));
            let pieces: Vec<_> = pieces.chain([Piece::Done(Box::new(answer.clone()))]).map(Ok).collect();
            return Ok(futures::stream::iter(pieces).boxed());
        }
        let events = ChatEvents::new(name, &order.call_id);
        let body = self.upstream.body(response);
        Ok(chat_stream::pieces(name, order, body, quota, SseParser::default(), events))
    }
}

/// A whole answer as it would have been streamed in one piece.
fn deltas(answer: &Answer) -> Vec<orrery_proto::v1::ChatDelta> {
    let Some(model_output::Kind::Chat(chat)) = &answer.output.kind else { return Vec::new() };
    let choices = std::iter::once(chat).chain(&chat.others).zip(0_u32..);
    let choices = choices.map(|(choice, index)| orrery_proto::v1::ChatDelta {
        text: choice.text.clone(),
        index,
        tool_calls: (0_u32..).zip(&choice.tool_calls).map(|(index, call)| call_delta(index, call)).collect(),
        logprobs: choice.logprobs.clone(),
        refusal: choice.refusal.clone(),
        reasoning: choice.reasoning.clone(),
        reasoning_signature: choice.reasoning_signature.clone(),
        finish_reason: choice.finish_reason.clone(),
    });
    choices.collect()
}

fn call_delta(index: u32, call: &orrery_proto::v1::ToolCall) -> orrery_proto::v1::ToolCallDelta {
    let (id, name, arguments) = (call.id.clone(), call.name.clone(), call.arguments_json.clone());
    orrery_proto::v1::ToolCallDelta { index, id, name, arguments }
}

/// What an answer holds, for estimates.
fn bytes(output: &ChatOutput) -> usize {
    let one = |choice: &ChatOutput| {
        let calls = choice.tool_calls.iter().map(|call| call.name.len() + call.arguments_json.len());
        choice.text.len() + choice.reasoning.len() + choice.refusal.len() + calls.sum::<usize>()
    };
    one(output) + output.others.iter().map(one).sum::<usize>()
}

/// Servers may repeat what they were sent; the key stands in no error.
fn hidden(key: Option<&str>, error: Error) -> Error {
    match key.filter(|key| error.message.contains(key)) {
        Some(key) => Error { message: error.message.replace(key, "[key]"), ..error },
        None => error,
    }
}

#[async_trait]
impl Provider for Server {
    async fn invoke(&self, mut order: Order) -> Result<Answer, Error> {
        let answer = self.answer(&mut order).await;
        answer.map_err(|error| hidden(self.key.as_ref().map(Secret::expose), error))
    }

    async fn stream(&self, order: Order) -> Result<Pieces, Error> {
        let pieces = self.pieces(order).await;
        let pieces = pieces.map_err(|error| hidden(self.key.as_ref().map(Secret::expose), error))?;
        let key = self.key.clone();
        let pieces = pieces.map(move |piece| piece.map_err(|error| hidden(key.as_ref().map(Secret::expose), error)));
        Ok(pieces.boxed())
    }
}
