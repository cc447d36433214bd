//! A conversation in OpenAI's words.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ChatMessage, ContentPart, Media, Tool, ToolCall, content_part};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::failure::unsupported;

/// How the limit on output is called: `max_tokens` on most servers, `max_completion_tokens` at OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitField {
    MaxTokens,
    MaxCompletionTokens,
}

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
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCallBody<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_call_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
    InputAudio { input_audio: InputAudio },
    File { file: File<'a> },
}

#[derive(Debug, Serialize)]
struct ImageUrl<'a> {
    url: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

#[derive(Debug, Serialize)]
struct InputAudio {
    data: String,
    format: String,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    file_data: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    filename: &'a str,
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
struct ToolCallBody<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Debug, Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
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
        limit: LimitField,
    ) -> Result<Self, Error> {
        let messages = input.messages.iter().map(|message| Message::new(provider, message));
        let limited = |field| (limit == field && input.max_tokens > 0).then_some(input.max_tokens);
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
            stream_options: stream.then_some(StreamOptions { include_usage: true }),
            extra: extra(&input.extra_json)?,
        })
    }
}

impl<'a> Message<'a> {
    fn new(provider: &str, message: &'a ChatMessage) -> Result<Self, Error> {
        let content = if !message.parts.is_empty() {
            let parts = message.parts.iter().map(|part| Part::new(provider, part));
            Some(Content::Parts(parts.collect::<Result<_, _>>()?))
        } else if message.content.is_empty() && !message.tool_calls.is_empty() {
            None
        } else {
            Some(Content::Text(&message.content))
        };
        Ok(Self {
            role: &message.role,
            content,
            name: &message.name,
            tool_calls: message.tool_calls.iter().map(ToolCallBody::new).collect(),
            tool_call_id: &message.tool_call_id,
        })
    }
}

impl<'a> Part<'a> {
    fn new(provider: &str, part: &'a ContentPart) -> Result<Self, Error> {
        match &part.kind {
            Some(content_part::Kind::Text(text)) => Ok(Self::Text { text }),
            Some(content_part::Kind::Image(media)) => {
                let url = if media.url.is_empty() { data_url(media) } else { media.url.clone() };
                Ok(Self::ImageUrl { image_url: ImageUrl { url, detail: &media.detail } })
            }
            Some(content_part::Kind::Audio(media)) => {
                let format = match media.media_type.as_str() {
                    "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
                    "audio/mpeg" | "audio/mp3" => "mp3",
                    other => other.strip_prefix("audio/").unwrap_or(other),
                };
                let input_audio = InputAudio { data: STANDARD.encode(&media.data), format: format.to_owned() };
                Ok(Self::InputAudio { input_audio })
            }
            Some(content_part::Kind::Document(media)) => {
                Ok(Self::File { file: File { file_data: data_url(media), filename: &media.name } })
            }
            None => Err(unsupported(provider, "a content part without content")),
        }
    }
}

fn data_url(media: &Media) -> String {
    format!("data:{};base64,{}", media.media_type, STANDARD.encode(&media.data))
}

impl<'a> ToolBody<'a> {
    fn new(tool: &'a Tool) -> Result<Self, Error> {
        let parameters =
            (!tool.parameters_json.is_empty()).then(|| json_in("tools", &tool.parameters_json)).transpose()?;
        let function = Function { name: &tool.name, description: &tool.description, parameters, strict: tool.strict };
        Ok(Self { kind: "function", function })
    }
}

impl<'a> ToolCallBody<'a> {
    fn new(call: &'a ToolCall) -> Self {
        let function = CalledFunction { name: &call.name, arguments: &call.arguments_json };
        Self { id: &call.id, kind: "function", function }
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

fn json_in(what: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| not_json(what, &error))
}

/// Parameters that only some servers know. They never replace what is said in this project's own terms.
fn extra(text: &str) -> Result<Map<String, Value>, Error> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let mut extra: Map<String, Value> = serde_json::from_str(text).map_err(|error| not_json("extra_json", &error))?;
    for own in ["model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"] {
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
    use orrery_proto::v1::{ResponseFormat, ToolChoice};

    fn written(input: &ChatInput) -> Value {
        let request = ChatRequest::new("p", "m", input, false, LimitField::MaxCompletionTokens).unwrap();
        serde_json::to_value(request).unwrap()
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
