//! A conversation in the words of Bedrock's Converse.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, Media, Tool};
use serde_json::{Value, json};

use crate::anthropic::thinking::Thinking;
use crate::conversation::{ANSWER_TOOL, Conversation, Speaker, Word, fields, json_in, number, refuse};
use crate::failure::unsupported;
use crate::media;

/// Part of the names of Claude's models, profiles and ARNs.
const CLAUDE: &str = "anthropic.";

/// How the models of one entry are spoken to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub thinking: Thinking,
    pub native_formats: bool,
}

impl Dialect {
    /// Whether the text will come as the input of a tool.
    pub fn forces_a_tool(self, input: &ChatInput) -> bool {
        input.response_format.as_ref().is_some_and(|format| match format.kind.as_str() {
            "json_object" => true,
            "json_schema" => !self.native_formats,
            _ => false,
        })
    }

    /// The body of a request.
    pub fn request(self, provider: &str, model: &str, input: &ChatInput) -> Result<Value, Error> {
        let is_claude = model.contains(CLAUDE);
        refuse_unsayable(provider, input, is_claude)?;
        let said = Conversation::read(provider, input)?;
        let mut documents = 0;
        let messages = said.turns.iter().map(|turn| {
            let role = if turn.speaker == Speaker::User { "user" } else { "assistant" };
            let content = turn.words.iter().filter_map(|word| block(provider, word, &mut documents).transpose());
            Ok(json!({"role": role, "content": content.collect::<Result<Vec<_>, Error>>()?}))
        });
        let messages = messages.collect::<Result<Vec<_>, Error>>()?;
        let system: Vec<Value> = said.system.iter().map(|text| json!({"text": text})).collect();
        let inference = fields([
            ("maxTokens", (input.max_tokens > 0).then(|| json!(input.max_tokens))),
            ("temperature", input.temperature.map(|value| json!(number(value)))),
            ("topP", input.top_p.map(|value| json!(number(value)))),
            ("stopSequences", (!input.stop.is_empty()).then(|| json!(input.stop))),
        ]);
        let (thinking, effort) = if is_claude { self.thinking.say(provider, input)? } else { (None, None) };
        let additional = fields([
            ("top_k", input.top_k.map(Value::from)),
            ("thinking", thinking),
            ("output_config", effort.map(|effort| json!({"effort": effort}))),
        ]);
        let body = fields([
            ("system", (!system.is_empty()).then_some(Value::Array(system))),
            ("messages", Some(Value::Array(messages))),
            ("inferenceConfig", (!inference.is_empty()).then_some(Value::Object(inference))),
            ("toolConfig", self.tool_config(provider, input)?),
            ("outputConfig", self.output_config(input)?),
            ("additionalModelRequestFields", (!additional.is_empty()).then_some(Value::Object(additional))),
        ]);
        Ok(Value::Object(body))
    }

    fn output_config(self, input: &ChatInput) -> Result<Option<Value>, Error> {
        let Some(format) = input.response_format.as_ref().filter(|format| format.kind == "json_schema") else {
            return Ok(None);
        };
        if !self.native_formats {
            return Ok(None);
        }
        // The vendor wants the schema as text; what is no JSON is refused here.
        let schema = json_in("response_format", &format.schema_json)?.to_string();
        let name = (!format.name.is_empty()).then(|| json!(format.name));
        let schema = fields([("schema", Some(json!(schema))), ("name", name)]);
        Ok(Some(json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}})))
    }

    fn tool_config(self, provider: &str, input: &ChatInput) -> Result<Option<Value>, Error> {
        if self.forces_a_tool(input) {
            if !input.tools.is_empty() {
                return Err(unsupported(provider, "tools beside a response_format that it keeps by a tool"));
            }
            let format = input.response_format.clone().unwrap_or_default();
            let schema = match format.kind.as_str() {
                "json_schema" => json_in("response_format", &format.schema_json)?,
                _ => json!({"type": "object"}),
            };
            let spec =
                json!({"name": ANSWER_TOOL, "description": "Gives the answer.", "inputSchema": {"json": schema}});
            return Ok(Some(json!({"tools": [{"toolSpec": spec}], "toolChoice": {"tool": {"name": ANSWER_TOOL}}})));
        }
        let choice = match input.tool_choice.as_ref().map(|choice| (choice.mode.as_str(), choice.name.as_str())) {
            None => None,
            Some(("auto", _)) => Some(json!({"auto": {}})),
            Some(("required", _)) => Some(json!({"any": {}})),
            Some(("tool", name)) => Some(json!({"tool": {"name": name}})),
            Some(("none", _)) if input.tools.is_empty() => None,
            Some((other, _)) => return Err(unsupported(provider, &format!("the tool choice {other:?} (tool_choice)"))),
        };
        if input.tools.is_empty() {
            return Ok(None);
        }
        let tools = input.tools.iter().map(tool).collect::<Result<Vec<_>, Error>>()?;
        Ok(Some(Value::Object(fields([("tools", Some(Value::Array(tools))), ("toolChoice", choice)]))))
    }
}

fn tool(tool: &Tool) -> Result<Value, Error> {
    let schema = match tool.parameters_json.as_str() {
        "" => json!({"type": "object"}),
        text => json_in("tools", text)?,
    };
    let spec = fields([
        ("name", Some(json!(tool.name))),
        ("description", (!tool.description.is_empty()).then(|| json!(tool.description))),
        ("inputSchema", Some(json!({"json": schema}))),
        ("strict", tool.strict.then(|| json!(true))),
    ]);
    Ok(json!({ "toolSpec": spec }))
}

fn refuse_unsayable(provider: &str, input: &ChatInput, is_claude: bool) -> Result<(), Error> {
    let thinks = !["", "none"].contains(&input.reasoning_effort.as_str()) || input.reasoning_tokens_max > 0;
    refuse(
        provider,
        &[
            (input.seed.is_some(), "a seed (seed)"),
            (input.n > 1, "more than one choice (n)"),
            (input.logprobs, "log probabilities (logprobs)"),
            (input.top_k.is_some() && !is_claude, "a limit on the choice of tokens (top_k) for this model"),
            (thinks && !is_claude, "reasoning (reasoning_effort, reasoning_tokens_max) for this model"),
            (input.frequency_penalty.is_some_and(|it| it != 0.0), "a frequency penalty (frequency_penalty)"),
            (input.presence_penalty.is_some_and(|it| it != 0.0), "a presence penalty (presence_penalty)"),
            (!input.logit_bias.is_empty(), "a bias on tokens (logit_bias)"),
            (input.parallel_tool_calls == Some(false), "only one tool call at a time (parallel_tool_calls)"),
            (input.raw, "a prompt without a conversation (raw)"),
            (!input.extra_json.is_empty(), "parameters of another vendor (extra_json)"),
        ],
    )
}

/// A content block; none for a thought that the vendor would not take back. Documents have names, which must differ.
fn block(provider: &str, word: &Word<'_>, documents: &mut u32) -> Result<Option<Value>, Error> {
    Ok(Some(match word {
        Word::Text(text) => json!({"text": text}),
        Word::Image(media) => {
            let format = image_format(provider, media)?;
            json!({"image": {"format": format, "source": {"bytes": media::base64(provider, "an image", media)?}}})
        }
        Word::Document(media) => {
            *documents += 1;
            let format = document_format(provider, media)?;
            let bytes = media::base64(provider, "a document", media)?;
            let name = document_name(&media.name, *documents);
            json!({"document": {"format": format, "name": name, "source": {"bytes": bytes}}})
        }
        Word::Audio(_) => return Err(unsupported(provider, "sound in a message")),
        Word::Thought { signature: "", .. } => return Ok(None),
        Word::Thought { text, signature } => {
            json!({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}})
        }
        Word::Call { id, name, arguments } => json!({"toolUse": {"toolUseId": id, "name": name, "input": arguments}}),
        Word::Result { id, words, failed, .. } => {
            let content = words.iter().filter_map(|word| block(provider, word, documents).transpose());
            let content = content.collect::<Result<Vec<_>, Error>>()?;
            let status = if *failed { "error" } else { "success" };
            json!({"toolResult": {"toolUseId": id, "content": content, "status": status}})
        }
    }))
}

fn image_format(provider: &str, media: &Media) -> Result<&'static str, Error> {
    // What is there only by address is refused as that.
    media::bytes(provider, "an image", media)?;
    match media::media_type("an image", media)? {
        "image/png" => Ok("png"),
        "image/jpeg" | "image/jpg" => Ok("jpeg"),
        "image/gif" => Ok("gif"),
        "image/webp" => Ok("webp"),
        other => Err(unsupported(provider, &format!("images of the type {other:?}; send PNG, JPEG, GIF or WebP"))),
    }
}

fn document_format(provider: &str, media: &Media) -> Result<&'static str, Error> {
    media::bytes(provider, "a document", media)?;
    match media::media_type("a document", media)? {
        "application/pdf" => Ok("pdf"),
        "text/plain" => Ok("txt"),
        "text/markdown" => Ok("md"),
        "text/html" => Ok("html"),
        "text/csv" => Ok("csv"),
        "application/msword" => Ok("doc"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => Ok("docx"),
        "application/vnd.ms-excel" => Ok("xls"),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Ok("xlsx"),
        other => Err(Error::new(
            ErrorCode::UnsupportedMedia,
            format!(
                "provider {provider} does not take documents of the type {other:?}; send PDF, text or an office format"
            ),
        )),
    }
}

/// The vendor takes letters, digits, single spaces, hyphens and brackets of three kinds.
fn document_name(name: &str, number: u32) -> String {
    let kept = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-()[]".contains(c) { c } else { ' ' });
    let kept: String = kept.collect();
    let words: Vec<&str> = kept.split_whitespace().collect();
    if words.is_empty() { format!("Document {number}") } else { format!("{} ({number})", words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::document_name;

    #[test]
    fn names_of_documents_are_such_as_the_vendor_takes() {
        assert_eq!(document_name("Rechnung  März_2026.pdf", 1), "Rechnung M rz 2026 pdf (1)");
        assert_eq!(document_name("", 2), "Document 2");
    }
}
