//! A conversation in OpenAI's words.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, Tool};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::message::Message;
use super::words::{LimitField, Words};
use crate::failure::unsupported;

#[derive(Debug, Serialize)]
pub(crate) struct ChatRequest<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    logit_bias: BTreeMap<&'a str, f32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    logprobs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormatBody<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_effort: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub(super) struct StreamOptions {
    include_usage: bool,
}

impl StreamOptions {
    /// Asks for the count, where the server takes that.
    pub fn new(stream: bool, words: &Words) -> Option<Self> {
        (stream && words.stream_usage).then_some(Self { include_usage: true })
    }
}

/// What the words are missing for.
pub(super) fn refuse(provider: &str, input: &ChatInput, words: &Words) -> Result<(), Error> {
    let missing = [
        (input.top_k.is_some() && !words.top_k, "top_k"),
        (input.reasoning_tokens_max > 0, "a limit on tokens of reasoning (reasoning_tokens_max)"),
        (!input.logit_bias.is_empty() && !words.token_choice, "a bias on tokens (logit_bias)"),
        (input.logprobs && !words.token_choice, "probabilities of tokens (logprobs)"),
    ];
    match missing.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(unsupported(provider, what)),
        None => Ok(()),
    }
}

#[derive(Debug, Serialize)]
struct ToolBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Debug, Serialize)]
struct ResponseFormatBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<JsonSchema<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    schema: Value,
    strict: bool,
}

impl<'a> ChatRequest<'a> {
    /// For `provider`, whose name stands in errors.
    pub fn new(
        provider: &str,
        model: &'a str,
        input: &'a ChatInput,
        stream: bool,
        words: &Words,
    ) -> Result<Self, Error> {
        refuse(provider, input, words)?;
        let messages = input.messages.iter().map(|message| Message::new(provider, message, words));
        let limited = |field| (words.limit == field && input.max_tokens > 0).then_some(input.max_tokens);
        Ok(Self {
            model,
            messages: messages.collect::<Result<_, _>>()?,
            max_tokens: limited(LimitField::MaxTokens),
            max_completion_tokens: limited(LimitField::MaxCompletionTokens),
            temperature: input.temperature,
            top_p: input.top_p,
            top_k: input.top_k,
            seed: input.seed,
            stop: &input.stop,
            n: (input.n > 1).then_some(input.n),
            frequency_penalty: input.frequency_penalty,
            presence_penalty: input.presence_penalty,
            logit_bias: input.logit_bias.iter().map(|(token, bias)| (token.as_str(), *bias)).collect(),
            logprobs: input.logprobs,
            top_logprobs: (input.logprobs && input.top_logprobs > 0).then_some(input.top_logprobs),
            tools: input.tools.iter().map(ToolBody::new).collect::<Result<_, _>>()?,
            tool_choice: input.tool_choice.as_ref().map(|choice| match choice.mode.as_str() {
                "tool" => json!({"type": "function", "function": {"name": choice.name}}),
                mode => json!(mode),
            }),
            parallel_tool_calls: input.parallel_tool_calls,
            response_format: input.response_format.as_ref().map(ResponseFormatBody::new).transpose()?,
            reasoning_effort: &input.reasoning_effort,
            user: &input.user,
            stream,
            stream_options: StreamOptions::new(stream, words),
            extra: extra(&input.extra_json)?,
        })
    }
}

impl<'a> ToolBody<'a> {
    fn new(tool: &'a Tool) -> Result<Self, Error> {
        let parameters =
            (!tool.parameters_json.is_empty()).then(|| json_in("tools", &tool.parameters_json)).transpose()?;
        let function = Function { name: &tool.name, description: &tool.description, parameters, strict: tool.strict };
        Ok(Self { kind: "function", function })
    }
}

impl<'a> ResponseFormatBody<'a> {
    fn new(format: &'a orrery_proto::v1::ResponseFormat) -> Result<Self, Error> {
        let json_schema = match format.kind.as_str() {
            "json_schema" => {
                let name = if format.name.is_empty() { "answer" } else { &format.name };
                Some(JsonSchema {
                    name,
                    schema: json_in("response_format", &format.schema_json)?,
                    strict: format.strict,
                })
            }
            _ => None,
        };
        Ok(Self { kind: &format.kind, json_schema })
    }
}

/// What a caller's parameters of one vendor may not replace: which model, what is said, and what costs.
const OWN: [&str; 8] =
    ["model", "messages", "prompt", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"];

fn json_in(what: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| not_json(what, &error))
}

/// Parameters that only some servers know. They never replace what is said in this project's own terms.
pub(super) fn extra(text: &str) -> Result<Map<String, Value>, Error> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let mut extra: Map<String, Value> = serde_json::from_str(text).map_err(|error| not_json("extra_json", &error))?;
    for own in OWN {
        extra.remove(own);
    }
    Ok(extra)
}

fn not_json(what: &str, error: &serde_json::Error) -> Error {
    Error::new(ErrorCode::InvalidRequest, format!("{what} holds no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openai::words::Thoughts;
    use orrery_proto::v1::{ChatMessage, ContentPart, Media, ResponseFormat, ToolCall, ToolChoice, content_part};

    fn words() -> Words {
        Words { limit: LimitField::MaxCompletionTokens, ..Words::default() }
    }

    fn written(input: &ChatInput) -> Value {
        serde_json::to_value(ChatRequest::new("p", "m", input, false, &words()).unwrap()).unwrap()
    }

    fn refused(input: &ChatInput) -> Error {
        ChatRequest::new("p", "m", input, false, &words()).unwrap_err()
    }

    fn said(message: ChatMessage) -> ChatInput {
        ChatInput { messages: vec![message], ..ChatInput::default() }
    }

    fn media(url: &str) -> Media {
        Media { media_type: "audio/wav".into(), url: url.into(), ..Media::default() }
    }

    #[test]
    fn what_there_is_no_word_for_is_refused_by_name() {
        let part = |kind| said(ChatMessage { parts: vec![ContentPart { kind: Some(kind) }], ..ChatMessage::default() });
        let table = [
            (ChatInput { top_k: Some(4), ..ChatInput::default() }, "top_k"),
            (ChatInput { reasoning_tokens_max: 9, ..ChatInput::default() }, "reasoning_tokens_max"),
            (part(content_part::Kind::Audio(media("https://x.test/a.wav"))), "sound by its address"),
            (part(content_part::Kind::Document(media("https://x.test/a.pdf"))), "a document by its address"),
        ];
        for (input, what) in table {
            let error = refused(&input);
            assert_eq!(error.code, ErrorCode::UnsupportedMedia);
            assert!(error.message.contains(what), "{error}");
        }
        let error = refused(&part(content_part::Kind::Image(media(""))));
        assert_eq!(error.code, ErrorCode::InvalidRequest, "{error}");
    }

    #[test]
    fn earlier_thoughts_are_sent_where_the_server_wants_them() {
        let message = ChatMessage { role: "assistant".into(), reasoning: "hm".into(), ..ChatMessage::default() };
        let input = said(message);
        assert_eq!(written(&input)["messages"][0], json!({"role": "assistant", "content": ""}));
        let words = Words { thoughts: Some(Thoughts::ReasoningContent), ..words() };
        let sent = serde_json::to_value(ChatRequest::new("p", "m", &input, false, &words).unwrap()).unwrap();
        assert_eq!(sent["messages"][0]["reasoning_content"], "hm");
    }

    #[test]
    fn tools_formats_and_parts_are_written_as_openai_reads_them() {
        let image =
            Media { media_type: "image/png".into(), data: vec![1, 2, 3], detail: "low".into(), ..Media::default() };
        let parts = vec![
            ContentPart { kind: Some(content_part::Kind::Text("what is it?".into())) },
            ContentPart { kind: Some(content_part::Kind::Image(image)) },
        ];
        let call = ToolCall { id: "c1".into(), name: "look".into(), arguments_json: "{\"at\":1}".into() };
        let input = ChatInput {
            messages: vec![
                ChatMessage { role: "user".into(), parts, ..ChatMessage::default() },
                ChatMessage { role: "assistant".into(), tool_calls: vec![call], ..ChatMessage::default() },
                ChatMessage {
                    role: "tool".into(),
                    content: "a cat".into(),
                    tool_call_id: "c1".into(),
                    ..ChatMessage::default()
                },
            ],
            max_tokens: 9,
            tools: vec![Tool {
                name: "look".into(),
                parameters_json: "{\"type\":\"object\"}".into(),
                strict: true,
                ..Tool::default()
            }],
            tool_choice: Some(ToolChoice { mode: "tool".into(), name: "look".into() }),
            response_format: Some(ResponseFormat {
                kind: "json_schema".into(),
                name: "x".into(),
                schema_json: "{}".into(),
                strict: true,
            }),
            extra_json: "{\"min_p\":0.1,\"model\":\"other\"}".into(),
            ..ChatInput::default()
        };
        let expected = json!({
            "model": "m", "max_completion_tokens": 9, "min_p": 0.1, "stream": false,
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "what is it?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQID", "detail": "low"}}]},
                {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function",
                    "function": {"name": "look", "arguments": "{\"at\":1}"}}]},
                {"role": "tool", "content": "a cat", "tool_call_id": "c1"},
            ],
            "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": true}}],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}, "strict": true}},
        });
        assert_eq!(written(&input), expected);
    }
}
