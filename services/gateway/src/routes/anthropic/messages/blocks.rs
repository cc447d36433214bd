//! Blocks of content, in the platform's shape. One turn may become several messages: what tools answered is a message for
//! each, in the order in which it stands.

use orrery_proto::v1::{ChatMessage, ContentPart, Media, ToolCall, content_part};
use serde_json::{Map, Value};

use crate::http::Failure;
use crate::models::{MediaRules, file_name, from_base64};
use crate::routes::reading::{image_only, missing, object, put, text};

const BLOCKS_MAX: usize = 512;

/// What the model is told beforehand.
pub fn system(system: Option<&Value>) -> Result<Option<ChatMessage>, Failure> {
    let content = match system {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            let mut texts = Vec::with_capacity(blocks.len());
            for (index, block) in blocks.iter().enumerate() {
                let at = format!("system[{index}]");
                let fields = object(block, &at)?;
                if text(fields, "type", &at)? != Some("text") {
                    return Err(Failure::param(&at, format!("{at} is no block of text")));
                }
                texts.push(text(fields, "text", &at)?.ok_or_else(|| missing(&at, "text"))?);
            }
            texts.join("\n\n")
        }
        Some(_) => return Err(Failure::param("system", "system is neither a text nor a list of blocks")),
    };
    Ok((!content.is_empty()).then(|| ChatMessage { role: "system".to_owned(), content, ..ChatMessage::default() }))
}

/// What was said in one turn.
pub fn read(role: &str, content: &Value, at: &str, media: MediaRules<'_>) -> Result<Vec<ChatMessage>, Failure> {
    if !matches!(role, "user" | "assistant" | "system") {
        let wrong = format!("the role {role:?} is not known; use user or assistant");
        return Err(Failure::param(format!("{at}.role"), wrong));
    }
    let mut turn = Turn { role, own: ChatMessage::default(), messages: Vec::new(), parts: Vec::new() };
    match content {
        Value::String(text) => turn.parts.push(said(text)),
        Value::Array(blocks) if blocks.len() <= BLOCKS_MAX => {
            for (index, block) in blocks.iter().enumerate() {
                turn.take(block, &format!("{at}.content[{index}]"), media)?;
            }
        }
        Value::Array(blocks) => {
            let rule = format!("{at}.content holds {} blocks; send at most {BLOCKS_MAX}", blocks.len());
            return Err(Failure::param(format!("{at}.content"), rule));
        }
        _ => {
            let wrong = format!("{at}.content is neither a text nor a list of blocks");
            return Err(Failure::param(format!("{at}.content"), wrong));
        }
    }
    let messages = turn.end();
    if messages.is_empty() {
        return Err(Failure::param(format!("{at}.content"), "the message has no content"));
    }
    Ok(messages)
}

struct Turn<'a> {
    role: &'a str,
    /// What an assistant says, thinks and calls is one message.
    own: ChatMessage,
    messages: Vec<ChatMessage>,
    parts: Vec<ContentPart>,
}

impl Turn<'_> {
    fn take(&mut self, block: &Value, at: &str, media: MediaRules<'_>) -> Result<(), Failure> {
        let fields = object(block, at)?;
        let kind = text(fields, "type", at)?.unwrap_or_default();
        match (kind, self.role) {
            ("tool_use", "assistant") => {
                let call = call(fields, at)?;
                self.own.tool_calls.push(call);
            }
            ("thinking", "assistant") => {
                let thought = text(fields, "thinking", at)?.ok_or_else(|| missing(at, "thinking"))?;
                self.own.reasoning.push_str(thought);
                self.own.reasoning_signature.push_str(text(fields, "signature", at)?.unwrap_or_default());
            }
            // Only its author can read it.
            ("redacted_thinking", "assistant") => {}
            ("tool_result", "user") => {
                self.flush();
                self.messages.push(result(fields, at, media)?);
            }
            ("tool_use" | "thinking" | "redacted_thinking" | "tool_result", _) => {
                let wrong = format!("a block of type {kind:?} cannot be of the role {}", self.role);
                return Err(Failure::param(at, wrong));
            }
            _ => self.parts.push(part(fields, kind, at, media)?),
        }
        Ok(())
    }

    /// Ends a run of parts, which is a message of its own unless an assistant says it.
    fn flush(&mut self) {
        let parts = std::mem::take(&mut self.parts);
        if self.role == "assistant" || parts.is_empty() {
            put(&mut self.own, parts);
        } else {
            let mut message = ChatMessage { role: self.role.to_owned(), ..ChatMessage::default() };
            put(&mut message, parts);
            self.messages.push(message);
        }
    }

    fn end(mut self) -> Vec<ChatMessage> {
        self.flush();
        if self.own != ChatMessage::default() {
            self.own.role = self.role.to_owned();
            self.messages.push(self.own);
        }
        self.messages
    }
}

fn said(text: &str) -> ContentPart {
    ContentPart { kind: Some(content_part::Kind::Text(text.to_owned())) }
}

fn part(fields: &Map<String, Value>, kind: &str, at: &str, media: MediaRules<'_>) -> Result<ContentPart, Failure> {
    let kind = match kind {
        "text" => content_part::Kind::Text(text(fields, "text", at)?.ok_or_else(|| missing(at, "text"))?.to_owned()),
        "image" => {
            let at = format!("{at}.source");
            let file = source(fields, &at, media)?;
            content_part::Kind::Image(image_only(file, &at)?)
        }
        "document" => {
            let name = file_name(text(fields, "title", at)?.unwrap_or_default());
            content_part::Kind::Document(Media { name, ..source(fields, &format!("{at}.source"), media)? })
        }
        other => {
            let wrong = format!(
                "content of type {other:?} is not known; use text, image, document, tool_use, tool_result or thinking"
            );
            return Err(Failure::param(format!("{at}.type"), wrong));
        }
    };
    Ok(ContentPart { kind: Some(kind) })
}

/// Where a file comes from: `base64`, `url`, or, of a document, `text`.
fn source(fields: &Map<String, Value>, at: &str, media: MediaRules<'_>) -> Result<Media, Failure> {
    let source = object(fields.get("source").unwrap_or(&Value::Null), at)?;
    let field = |name: &str| text(source, name, at)?.ok_or_else(|| missing(at, name));
    match text(source, "type", at)?.unwrap_or_default() {
        "base64" => from_base64(field("media_type")?, field("data")?, at),
        "url" => media.by_url(field("url")?, &format!("{at}.url")),
        "text" => {
            let data = field("data")?.as_bytes().to_vec();
            Ok(Media { media_type: "text/plain".to_owned(), data, ..Media::default() })
        }
        other => {
            let wrong = format!("sources of type {other:?} are not supported; send base64, text or a url");
            Err(Failure::param(format!("{at}.type"), wrong))
        }
    }
}

fn call(fields: &Map<String, Value>, at: &str) -> Result<ToolCall, Failure> {
    let field = |name: &str| text(fields, name, at)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(at, name));
    let (id, name) = (field("id")?.to_owned(), field("name")?.to_owned());
    match fields.get("input") {
        Some(input @ Value::Object(_)) => Ok(ToolCall { id, name, arguments_json: input.to_string() }),
        None | Some(Value::Null) => Ok(ToolCall { id, name, arguments_json: "{}".to_owned() }),
        Some(_) => Err(Failure::param(format!("{at}.input"), format!("{at}.input is no object"))),
    }
}

fn result(fields: &Map<String, Value>, at: &str, media: MediaRules<'_>) -> Result<ChatMessage, Failure> {
    let id = text(fields, "tool_use_id", at)?.filter(|id| !id.is_empty()).ok_or_else(|| missing(at, "tool_use_id"))?;
    let tool_failed = match fields.get("is_error") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(failed)) => *failed,
        Some(_) => {
            let param = format!("{at}.is_error");
            return Err(Failure::param(&param, format!("{param} is neither true nor false")));
        }
    };
    let mut message =
        ChatMessage { role: "tool".to_owned(), tool_call_id: id.to_owned(), tool_failed, ..ChatMessage::default() };
    match fields.get("content") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => message.content.clone_from(text),
        Some(Value::Array(blocks)) if blocks.len() <= BLOCKS_MAX => {
            let mut parts = Vec::with_capacity(blocks.len());
            for (index, block) in blocks.iter().enumerate() {
                let at = format!("{at}.content[{index}]");
                let fields = object(block, &at)?;
                parts.push(part(fields, text(fields, "type", &at)?.unwrap_or_default(), &at, media)?);
            }
            put(&mut message, parts);
        }
        Some(_) => {
            let wrong = format!("{at}.content is neither a text nor a list of up to {BLOCKS_MAX} blocks");
            return Err(Failure::param(format!("{at}.content"), wrong));
        }
    }
    Ok(message)
}
