//! Completions of one prompt, OpenAI's older call: the text is continued as it stands, without a template for chats.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use orrery_errors::Error;
use orrery_proto::v1::{
    ChatDelta, ChatInput, ChatMessage, ChatOutput, InvokeReply, InvokeRequest, TokenLogprob, model_input,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::chat::{StreamOptions, UsageObject, finish_reason};
use super::parameters::{extra, seed, stops, unsupported};
use super::{tokens, unix_seconds};
use crate::http::{Answer, Call, Failure, Gateway, body};
use crate::models::{Promise, Terms, Whole, model_name};
use crate::routes::reading::{count, within};
use crate::routes::streaming::{self, Ending, Events, Writer};

/// As OpenAI has it.
const TOKENS_DEFAULT: u32 = 16;
const CHOICES_MAX: u32 = 128;
const TOP_LOGPROBS_MAX: u32 = 5;

/// A prompt to be continued.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CompletionRequest {
    /// A model that `GET /v1/models` lists, or `auto`.
    model: String,
    /// One text, a list of one text, or its tokens in the vocabulary cl100k.
    #[schema(value_type = Object)]
    prompt: Value,
    /// Tokens to answer with at most. Default: 16.
    max_tokens: Option<u32>,
    /// 0 to 2.
    temperature: Option<f32>,
    /// 0 to 1.
    top_p: Option<f32>,
    /// The same seed gives the same answer.
    seed: Option<i64>,
    /// Where to stop: one text, or up to four.
    #[schema(value_type = Object)]
    stop: Option<Value>,
    /// Choices, 1 to 128.
    n: Option<u32>,
    /// -2 to 2.
    frequency_penalty: Option<f32>,
    /// -2 to 2.
    presence_penalty: Option<f32>,
    /// How many of the likeliest tokens are told, 0 to 5.
    logprobs: Option<u32>,
    /// The caller's own end user.
    user: Option<String>,
    /// Refused when true.
    echo: Option<bool>,
    /// Refused.
    suffix: Option<String>,
    /// Refused above 1.
    best_of: Option<u32>,
    /// Whether the answer comes as Server-Sent Events.
    pub stream: Option<bool>,
    /// Of a streamed answer.
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// A continued prompt, whole or, when streamed, in part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Completion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<CompletionChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageObject>,
}

/// One way in which it goes on.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompletionChoice {
    text: String,
    index: u32,
    logprobs: Option<CompletionLogprobs>,
    finish_reason: Option<&'static str>,
}

/// How likely the tokens were.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CompletionLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<f32>,
    top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Where each token begins in the answer, in characters.
    text_offset: Vec<usize>,
}

impl CompletionRequest {
    async fn input(self) -> Result<ChatInput, Failure> {
        if self.echo == Some(true) {
            return Err(unsupported("echo"));
        }
        if self.suffix.is_some_and(|suffix| !suffix.is_empty()) {
            return Err(unsupported("suffix"));
        }
        if self.best_of.is_some_and(|best_of| best_of > 1) {
            return Err(unsupported("best_of"));
        }
        let mut prompts = tokens::texts(&self.prompt, "prompt", 1).await?;
        let prompt = prompts.pop().unwrap_or_default();
        let top_logprobs = count("logprobs", self.logprobs, 0, TOP_LOGPROBS_MAX)?;
        let message = ChatMessage { role: "user".to_owned(), content: prompt, ..ChatMessage::default() };
        Ok(ChatInput {
            messages: vec![message],
            raw: true,
            max_tokens: count("max_tokens", self.max_tokens, 1, u32::MAX)?.unwrap_or(TOKENS_DEFAULT),
            temperature: within("temperature", self.temperature, 0.0, 2.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            seed: seed(self.seed)?,
            stop: stops(self.stop.as_ref())?,
            n: count("n", self.n, 1, CHOICES_MAX)?.unwrap_or(0),
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?,
            presence_penalty: within("presence_penalty", self.presence_penalty, -2.0, 2.0)?,
            logprobs: top_logprobs.is_some(),
            top_logprobs: top_logprobs.unwrap_or(0),
            user: self.user.unwrap_or_default(),
            extra_json: extra(self.rest)?,
            ..ChatInput::default()
        })
    }
}

/// Continues a prompt. `echo`, `suffix`, `best_of` and more than one prompt are refused by name.
#[utoipa::path(post, path = "/v1/completions", tag = "openai", request_body = CompletionRequest,
    responses((status = 200, content((Completion = "application/json"), (String = "text/event-stream")))))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: CompletionRequest = body::json(&gateway, &request, payload).await?;
    let terms = Terms::read(&gateway, &request)?;
    if wanted.stream != Some(true) {
        return Ok(whole(&gateway, &call, &terms, wanted).await?.respond());
    }
    let usage = wanted.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false);
    let parts = Parts::new(wanted.model.clone(), usage);
    let invoke = asked(&call, &terms, wanted).await?;
    let frames = gateway.models.stream(&call, invoke).await?;
    streaming::answer(frames, Promise::default(), parts).await
}

/// The whole completion of a prompt.
pub async fn whole(
    gateway: &Gateway,
    call: &Call,
    terms: &Terms,
    wanted: CompletionRequest,
) -> Result<Whole<Completion>, Failure> {
    let model = wanted.model.clone();
    let invoke = asked(call, terms, wanted).await?;
    let (output, reply) = gateway.models.chat(call, invoke, &Promise::default()).await?;
    Ok(Whole { body: completion(output, &reply, &model), reply })
}

async fn asked(call: &Call, terms: &Terms, wanted: CompletionRequest) -> Result<InvokeRequest, Failure> {
    let model = wanted.model.clone();
    Ok(terms.invocation(call, &model, model_input::Kind::Chat(wanted.input().await?)))
}

fn completion(mut output: ChatOutput, reply: &InvokeReply, asked: &str) -> Completion {
    let others = std::mem::take(&mut output.others);
    let choice = |(index, output): (u32, ChatOutput)| CompletionChoice {
        index,
        finish_reason: Some(finish_reason(&output, false)),
        logprobs: logprobs(output.logprobs, &mut 0),
        text: output.text,
    };
    Completion {
        id: id(),
        object: "text_completion",
        created: unix_seconds(),
        model: model_name(reply, asked),
        choices: (0_u32..).zip(std::iter::once(output).chain(others)).map(choice).collect(),
        usage: Some(reply.usage.unwrap_or_default().into()),
    }
}

fn logprobs(tokens: Vec<TokenLogprob>, offset: &mut usize) -> Option<CompletionLogprobs> {
    if tokens.is_empty() {
        return None;
    }
    let mut told = CompletionLogprobs::default();
    for token in tokens {
        told.text_offset.push(*offset);
        *offset += token.token.chars().count();
        told.token_logprobs.push(token.logprob);
        told.top_logprobs.push(token.top.into_iter().map(|top| (top.token, top.logprob)).collect());
        told.tokens.push(token.token);
    }
    Some(told)
}

fn id() -> String {
    format!("cmpl-{}", Uuid::now_v7().simple())
}

/// A completion in parts.
struct Parts {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    offsets: BTreeMap<u32, usize>,
}

impl Parts {
    fn new(model: String, include_usage: bool) -> Self {
        Self { id: id(), created: unix_seconds(), model, include_usage, offsets: BTreeMap::new() }
    }

    fn part(&self, choices: Vec<CompletionChoice>, usage: Option<UsageObject>, out: &mut Events) {
        let (id, model, created) = (self.id.clone(), self.model.clone(), self.created);
        out.data(&Completion { id, object: "text_completion", created, model, choices, usage });
    }
}

impl Writer for Parts {
    fn open(&mut self, _: &mut Events) {}

    fn delta(&mut self, delta: ChatDelta, out: &mut Events) -> Result<(), Error> {
        if !delta.text.is_empty() || !delta.logprobs.is_empty() {
            let logprobs = logprobs(delta.logprobs, self.offsets.entry(delta.index).or_default());
            let choice = CompletionChoice { text: delta.text, index: delta.index, logprobs, finish_reason: None };
            self.part(vec![choice], None, out);
        }
        Ok(())
    }

    fn done(&mut self, ending: Ending, out: &mut Events) {
        let choices = std::iter::once(&ending.output).chain(&ending.output.others);
        for (index, output) in (0_u32..).zip(choices) {
            let finish_reason = Some(finish_reason(output, false));
            self.part(vec![CompletionChoice { text: String::new(), index, logprobs: None, finish_reason }], None, out);
        }
        if self.include_usage {
            self.part(Vec::new(), Some(ending.reply.usage.unwrap_or_default().into()), out);
        }
        out.text("[DONE]");
    }

    fn fail(&mut self, failure: &Failure, out: &mut Events) {
        out.data(&failure.openai_body());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    async fn read(body: &Value) -> Result<ChatInput, Option<String>> {
        let bytes = serde_json::to_vec(body).unwrap();
        let request: CompletionRequest = body::parse(&bytes).map_err(|failure| failure.param)?;
        request.input().await.map_err(|failure| failure.param)
    }

    #[actix_web::test]
    async fn a_prompt_is_a_text_a_list_of_one_or_tokens() {
        for prompt in [json!("hello world"), json!(["hello world"]), json!([15339, 1917]), json!([[15339, 1917]])] {
            let input = read(&json!({"model": "m", "prompt": prompt})).await.unwrap();
            assert_eq!(input.messages.first().unwrap().content, "hello world");
            assert_eq!((input.raw, input.max_tokens), (true, 16));
        }
        for (extra, param) in [
            (json!({"prompt": ["a", "b"]}), "prompt"),
            (json!({"prompt": null}), "prompt"),
            (json!({"prompt": {"a": 1}}), "prompt"),
            (json!({"echo": true}), "echo"),
            (json!({"suffix": "x"}), "suffix"),
            (json!({"best_of": 2}), "best_of"),
            (json!({"logprobs": 6}), "logprobs"),
            (json!({"logprobs": true}), "logprobs"),
        ] {
            let mut body = json!({"model": "m", "prompt": "x"});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            assert_eq!(read(&body).await.unwrap_err().as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn probabilities_know_where_their_token_stands() {
        let token = |text: &str| TokenLogprob { token: text.to_owned(), logprob: -1.0, ..TokenLogprob::default() };
        let told = logprobs(vec![token("ä"), token("bc"), token("d")], &mut 0).unwrap();
        assert_eq!(told.text_offset, [0, 1, 3]);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,200}") {
            let _read = body::parse::<CompletionRequest>(text.as_bytes());
        }
    }
}
