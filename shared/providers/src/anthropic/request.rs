//! A conversation in Anthropic's words.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, Media};
use serde_json::{Map, Value, json};

use super::thinking::Thinking;
use crate::conversation::{ANSWER_TOOL, Conversation, Speaker, Word, fields, json_in, number, refuse};
use crate::failure::unsupported;
use crate::media;

/// How a `json_schema` format is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structured {
    Native,
    Tool,
}

/// How the models of one entry are spoken to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub thinking: Thinking,
    pub structured: Structured,
}

impl Dialect {
    /// Whether the text will come as the input of a tool.
    pub fn forces_a_tool(self, input: &ChatInput) -> bool {
        input.response_format.as_ref().is_some_and(|format| match format.kind.as_str() {
            "json_object" => true,
            "json_schema" => self.structured == Structured::Tool,
            _ => false,
        })
    }

    /// The body of a request.
    pub fn request(self, provider: &str, model: &str, input: &ChatInput, stream: bool) -> Result<Value, Error> {
        refuse_unsayable(provider, input)?;
        let said = Conversation::read(provider, input)?;
        let messages = said.turns.iter().map(|turn| {
            let role = if turn.speaker == Speaker::User { "user" } else { "assistant" };
            let content = turn.words.iter().filter_map(|word| block(provider, word).transpose());
            Ok(json!({"role": role, "content": content.collect::<Result<Vec<_>, Error>>()?}))
        });
        let (thinking, effort) = self.thinking.say(provider, input)?;
        let (tools, tool_choice) = self.tools(provider, input)?;
        let format = match &input.response_format {
            Some(format) if format.kind == "json_schema" && self.structured == Structured::Native => {
                Some(json!({"type": "json_schema", "schema": json_in("response_format", &format.schema_json)?}))
            }
            _ => None,
        };
        let output_config = fields([("format", format), ("effort", effort.map(Value::from))]);
        let body = fields([
            ("model", Some(json!(model))),
            ("max_tokens", Some(json!(input.max_tokens))),
            ("system", (!said.system.is_empty()).then(|| json!(said.system.join("\n\n")))),
            ("messages", Some(Value::Array(messages.collect::<Result<_, Error>>()?))),
            ("temperature", input.temperature.map(|value| json!(number(value)))),
            ("top_p", input.top_p.map(|value| json!(number(value)))),
            ("top_k", input.top_k.map(Value::from)),
            ("stop_sequences", (!input.stop.is_empty()).then(|| json!(input.stop))),
            ("tools", (!tools.is_empty()).then_some(Value::Array(tools))),
            ("tool_choice", tool_choice),
            ("thinking", thinking),
            ("output_config", (!output_config.is_empty()).then_some(Value::Object(output_config))),
            ("metadata", (!input.user.is_empty()).then(|| json!({"user_id": input.user}))),
            ("stream", Some(json!(stream))),
        ]);
        Ok(Value::Object(body))
    }

    fn tools(self, provider: &str, input: &ChatInput) -> Result<(Vec<Value>, Option<Value>), Error> {
        if self.forces_a_tool(input) {
            if !input.tools.is_empty() {
                return Err(unsupported(provider, "tools beside a response_format that it keeps by a tool"));
            }
            let format = input.response_format.clone().unwrap_or_default();
            let schema = match format.kind.as_str() {
                "json_schema" => json_in("response_format", &format.schema_json)?,
                _ => json!({"type": "object"}),
            };
            let tool = json!({"name": ANSWER_TOOL, "description": "Gives the answer.", "input_schema": schema});
            return Ok((vec![tool], Some(json!({"type": "tool", "name": ANSWER_TOOL}))));
        }
        let tool = |tool: &orrery_proto::v1::Tool| {
            let schema = match tool.parameters_json.as_str() {
                "" => json!({"type": "object"}),
                text => json_in("tools", text)?,
            };
            let description = (!tool.description.is_empty()).then(|| json!(tool.description));
            Ok(Value::Object(fields([
                ("name", Some(json!(tool.name))),
                ("description", description),
                ("input_schema", Some(schema)),
                ("strict", tool.strict.then(|| json!(true))),
            ])))
        };
        let tools = input.tools.iter().map(tool).collect::<Result<Vec<_>, Error>>()?;
        let single = input.parallel_tool_calls == Some(false);
        let choice = input.tool_choice.as_ref().map(|choice| (choice.mode.as_str(), choice.name.as_str()));
        let mut choice: Map<String, Value> = match choice {
            None if tools.is_empty() || !single => return Ok((tools, None)),
            None | Some(("auto", _)) => fields([("type", Some(json!("auto")))]),
            Some(("none", _)) => return Ok((tools, Some(json!({"type": "none"})))),
            Some(("required", _)) => fields([("type", Some(json!("any")))]),
            Some(("tool", name)) => fields([("type", Some(json!("tool"))), ("name", Some(json!(name)))]),
            Some((other, _)) => return Err(unsupported(provider, &format!("the tool choice {other:?}"))),
        };
        if single {
            choice.insert("disable_parallel_tool_use".to_owned(), json!(true));
        }
        Ok((tools, Some(Value::Object(choice))))
    }
}

fn refuse_unsayable(provider: &str, input: &ChatInput) -> Result<(), Error> {
    if input.max_tokens == 0 {
        let message = format!("provider {provider} needs a limit on output; set max_tokens");
        return Err(Error::new(ErrorCode::InvalidRequest, message));
    }
    refuse(
        provider,
        &[
            (input.seed.is_some(), "a seed (seed)"),
            (input.n > 1, "more than one choice (n)"),
            (input.logprobs, "log probabilities (logprobs)"),
            (input.frequency_penalty.is_some_and(|it| it != 0.0), "a frequency penalty (frequency_penalty)"),
            (input.presence_penalty.is_some_and(|it| it != 0.0), "a presence penalty (presence_penalty)"),
            (!input.logit_bias.is_empty(), "a bias on tokens (logit_bias)"),
            (input.raw, "a prompt without a conversation (raw)"),
            (!input.extra_json.is_empty(), "parameters of another vendor (extra_json)"),
        ],
    )
}

/// A content block; none for a thought that the vendor would not take back.
fn block(provider: &str, word: &Word<'_>) -> Result<Option<Value>, Error> {
    Ok(Some(match word {
        Word::Text(text) => json!({"type": "text", "text": text}),
        Word::Image(media) => json!({"type": "image", "source": source(provider, "an image", media)?}),
        Word::Document(media) => {
            let source = if media.media_type == "text/plain" && !media.data.is_empty() {
                let text = std::str::from_utf8(&media.data).map_err(|_| not_text(media))?;
                json!({"type": "text", "media_type": "text/plain", "data": text})
            } else {
                source(provider, "a document", media)?
            };
            let title = (!media.name.is_empty()).then(|| json!(media.name));
            Value::Object(fields([("type", Some(json!("document"))), ("source", Some(source)), ("title", title)]))
        }
        Word::Audio(_) => return Err(unsupported(provider, "sound in a message")),
        Word::Thought { signature: "", .. } => return Ok(None),
        Word::Thought { text, signature } => json!({"type": "thinking", "thinking": text, "signature": signature}),
        Word::Call { id, name, arguments } => json!({"type": "tool_use", "id": id, "name": name, "input": arguments}),
        Word::Result { id, words, failed, .. } => {
            let content = words.iter().filter_map(|word| block(provider, word).transpose());
            Value::Object(fields([
                ("type", Some(json!("tool_result"))),
                ("tool_use_id", Some(json!(id))),
                ("content", Some(Value::Array(content.collect::<Result<_, _>>()?))),
                ("is_error", failed.then(|| json!(true))),
            ]))
        }
    }))
}

/// The vendor fetches https addresses of images and documents itself.
fn source(provider: &str, what: &str, media: &Media) -> Result<Value, Error> {
    if media.data.is_empty() && !media.url.is_empty() {
        return Ok(json!({"type": "url", "url": media.url}));
    }
    let media_type = media::media_type(what, media)?;
    Ok(json!({"type": "base64", "media_type": media_type, "data": media::base64(provider, what, media)?}))
}

fn not_text(media: &Media) -> Error {
    Error::new(ErrorCode::InvalidRequest, format!("the document {:?} is no UTF-8 text", media.name))
}
