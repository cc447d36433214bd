//! A prompt that is continued as it stands, without a chat template: the older `completions`.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ChatMessage, content_part};
use serde::Serialize;
use serde_json::{Map, Value};

use super::chat_request::{StreamOptions, extra, refuse};
use super::words::Words;
use crate::failure::unsupported;

#[derive(Debug, Serialize)]
pub(super) struct CompletionRequest<'a> {
    model: &'a str,
    prompt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    logit_bias: std::collections::BTreeMap<&'a str, f32>,
    /// How many of the likeliest tokens are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl<'a> CompletionRequest<'a> {
    /// For `provider`, whose name stands in errors. Tools and formats belong to conversations and are refused.
    pub fn new(
        provider: &str,
        model: &'a str,
        input: &'a ChatInput,
        stream: bool,
        words: &Words,
    ) -> Result<Self, Error> {
        refuse(provider, input, words)?;
        let foreign = [
            (!input.tools.is_empty(), "tools with a prompt to be continued"),
            (input.response_format.is_some(), "a format with a prompt to be continued"),
            (!input.reasoning_effort.is_empty(), "reasoning_effort with a prompt to be continued"),
        ];
        if let Some((_, what)) = foreign.iter().find(|(asked, _)| *asked) {
            return Err(unsupported(provider, what));
        }
        let [message] = input.messages.as_slice() else {
            let count = input.messages.len();
            let message = format!("a prompt to be continued is one message, not {count}; send one or leave out raw");
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        };
        Ok(Self {
            model,
            prompt: prompt(provider, message)?,
            max_tokens: (input.max_tokens > 0).then_some(input.max_tokens),
            temperature: input.temperature,
            top_p: input.top_p,
            top_k: input.top_k,
            seed: input.seed,
            stop: &input.stop,
            n: (input.n > 1).then_some(input.n),
            frequency_penalty: input.frequency_penalty,
            presence_penalty: input.presence_penalty,
            logit_bias: input.logit_bias.iter().map(|(token, bias)| (token.as_str(), *bias)).collect(),
            logprobs: input.logprobs.then_some(input.top_logprobs),
            user: &input.user,
            stream,
            stream_options: StreamOptions::new(stream, words),
            extra: extra(&input.extra_json)?,
        })
    }
}

fn prompt(provider: &str, message: &ChatMessage) -> Result<String, Error> {
    if message.parts.is_empty() {
        return Ok(message.content.clone());
    }
    let texts = message.parts.iter().map(|part| match &part.kind {
        Some(content_part::Kind::Text(text)) => Ok(text.as_str()),
        _ => Err(unsupported(provider, "anything but text in a prompt to be continued")),
    });
    texts.collect()
}
