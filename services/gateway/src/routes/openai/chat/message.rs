//! The messages of a chat, with their parts and calls of tools, in the platform's shape.

use orrery_proto::v1::{ChatMessage, ContentPart, Media, ToolCall, content_part};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::Failure;
use crate::models::{MediaRules, file_name, from_base64};
use crate::routes::reading::{image_only, missing, object, put, text};

const MESSAGES_MAX: usize = 2048;
const PARTS_MAX: usize = 512;

/// What someone said.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Message {
    /// `system`, `developer`, `user`, `assistant`, `tool` or, in the older form, `function`.
    role: String,
    /// A text, or parts: `text`, `image_url`, `input_audio`, `file`.
    #[schema(value_type = Object)]
    content: Option<Value>,
    /// Who speaks, where a role has several.
    name: Option<String>,
    /// Of an assistant.
    #[schema(value_type = Option<Vec<Object>>)]
    tool_calls: Option<Vec<Value>>,
    /// Of a tool: which call this answers.
    tool_call_id: Option<String>,
    /// Of an assistant, in the older form.
    #[schema(value_type = Object)]
    function_call: Option<Value>,
    /// Of an assistant: why it said nothing else.
    refusal: Option<String>,
    /// Of an assistant: what it thought before.
    reasoning_content: Option<String>,
}

/// Reads a conversation; an error names the place in it.
pub fn read_all(messages: Vec<Message>, media: MediaRules<'_>) -> Result<Vec<ChatMessage>, Failure> {
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        let rule = format!("messages holds {}; send 1 to {MESSAGES_MAX}", messages.len());
        return Err(Failure::param("messages", rule));
    }
    // Calls of the older form have no id, so that one is given which the function's answer then finds.
    let mut functions = 0_usize;
    let read = |(index, message): (usize, Message)| message.read(&format!("messages[{index}]"), media, &mut functions);
    messages.into_iter().enumerate().map(read).collect()
}

impl Message {
    fn read(self, at: &str, media: MediaRules<'_>, functions: &mut usize) -> Result<ChatMessage, Failure> {
        let role = match self.role.as_str() {
            // The newer name of the same thing.
            "developer" => "system",
            "function" => "tool",
            role @ ("system" | "user" | "assistant" | "tool") => role,
            other => {
                let wrong = format!("the role {other:?} is not known; use system, user, assistant or tool");
                return Err(Failure::param(format!("{at}.role"), wrong));
            }
        };
        let mut said = ChatMessage { role: role.to_owned(), ..ChatMessage::default() };
        match self.content {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => said.content = text,
            Some(Value::Array(parts)) => put(&mut said, read_parts(&parts, &format!("{at}.content"), media)?),
            Some(_) => {
                let param = format!("{at}.content");
                return Err(Failure::param(&param, format!("{param} is neither a text nor a list of parts")));
            }
        }
        match role {
            "assistant" => {
                said.tool_calls = read_calls(self.tool_calls.as_deref().unwrap_or_default(), at)?;
                if let Some(call) = self.function_call.as_ref().filter(|call| !call.is_null()) {
                    *functions += 1;
                    let at = format!("{at}.function_call");
                    said.tool_calls.push(read_function(call, &format!("call_{functions}"), &at)?);
                }
                said.reasoning = self.reasoning_content.unwrap_or_default();
                if said.content.is_empty() {
                    said.content = self.refusal.unwrap_or_default();
                }
            }
            "tool" if self.role == "function" => said.tool_call_id = format!("call_{functions}"),
            "tool" => {
                said.tool_call_id = self.tool_call_id.filter(|id| !id.is_empty()).ok_or_else(|| {
                    Failure::param(format!("{at}.tool_call_id"), "a message of a tool names the call that it answers")
                })?;
            }
            _ => {}
        }
        said.name = self.name.unwrap_or_default();
        let is_empty = said.content.is_empty() && said.parts.is_empty() && said.tool_calls.is_empty();
        // A tool may have nothing to say, and so may a text that is there; what is missing is told.
        if is_empty && role != "tool" && role != "assistant" {
            return Err(Failure::param(format!("{at}.content"), "the message has no content"));
        }
        Ok(said)
    }
}

fn read_parts(parts: &[Value], at: &str, media: MediaRules<'_>) -> Result<Vec<ContentPart>, Failure> {
    if parts.len() > PARTS_MAX {
        return Err(Failure::param(at, format!("{at} holds {}; send at most {PARTS_MAX}", parts.len())));
    }
    let read = |(index, part)| read_part(part, &format!("{at}[{index}]"), media);
    parts.iter().enumerate().map(read).collect()
}

fn read_part(part: &Value, at: &str, media: MediaRules<'_>) -> Result<ContentPart, Failure> {
    let fields = object(part, at)?;
    let kind = text(fields, "type", at)?.unwrap_or_default();
    let inner = |name: &str| -> Result<(&Map<String, Value>, String), Failure> {
        let param = format!("{at}.{name}");
        Ok((object(fields.get(name).unwrap_or(&Value::Null), &param)?, param))
    };
    let kind = match kind {
        "text" | "refusal" => {
            let said = text(fields, kind, at)?;
            content_part::Kind::Text(said.ok_or_else(|| missing(at, kind))?.to_owned())
        }
        "image_url" => {
            let (image, param) = inner("image_url")?;
            let url = text(image, "url", &param)?.ok_or_else(|| missing(&param, "url"))?;
            let mut file = media.by_url(url, &format!("{param}.url"))?;
            file.detail = detail(image, &param)?;
            content_part::Kind::Image(image_only(file, &format!("{param}.url"))?)
        }
        "input_audio" => {
            let (audio, param) = inner("input_audio")?;
            let data = text(audio, "data", &param)?.ok_or_else(|| missing(&param, "data"))?;
            let format = text(audio, "format", &param)?.ok_or_else(|| missing(&param, "format"))?;
            let media_type = format!("audio/{}", if format == "mp3" { "mpeg" } else { format });
            content_part::Kind::Audio(from_base64(&media_type, data, &format!("{param}.data"))?)
        }
        "file" => {
            let (file, param) = inner("file")?;
            content_part::Kind::Document(read_file(file, &param, media)?)
        }
        other => {
            let wrong = format!("content of type {other:?} is not known; use text, image_url, input_audio or file");
            return Err(Failure::param(at, wrong));
        }
    };
    Ok(ContentPart { kind: Some(kind) })
}

/// How closely an image is looked at.
pub fn detail(image: &Map<String, Value>, at: &str) -> Result<String, Failure> {
    match text(image, "detail", at)?.unwrap_or_default() {
        detail @ ("" | "auto" | "low" | "high") => Ok(detail.to_owned()),
        // A newer name for looking as closely as can be.
        "original" => Ok("high".to_owned()),
        other => {
            Err(Failure::param(format!("{at}.detail"), format!("{at}.detail is {other:?}; use auto, low or high")))
        }
    }
}

/// A document: `file_data` as a `data:` URL, or as the base64 of a PDF.
pub fn read_file(file: &Map<String, Value>, at: &str, media: MediaRules<'_>) -> Result<Media, Failure> {
    if text(file, "file_id", at)?.is_some() {
        let wrong = "files are not kept here; send the file itself as file_data";
        return Err(Failure::param(format!("{at}.file_id"), wrong));
    }
    let name = file_name(text(file, "filename", at)?.unwrap_or_default());
    let data = text(file, "file_data", at)?.ok_or_else(|| missing(at, "file_data"))?;
    let param = format!("{at}.file_data");
    let read = if data.starts_with("data:") {
        media.by_url(data, &param)?
    } else {
        from_base64("application/pdf", data, &param)?
    };
    Ok(Media { name, ..read })
}

fn read_calls(calls: &[Value], at: &str) -> Result<Vec<ToolCall>, Failure> {
    if calls.len() > PARTS_MAX {
        return Err(Failure::param(
            format!("{at}.tool_calls"),
            format!("at most {PARTS_MAX} calls of tools are taken"),
        ));
    }
    let read = |(index, call)| {
        let at = format!("{at}.tool_calls[{index}]");
        let fields = object(call, &at)?;
        let id = text(fields, "id", &at)?.filter(|id| !id.is_empty()).ok_or_else(|| missing(&at, "id"))?;
        if let Some(kind) = text(fields, "type", &at)?.filter(|kind| *kind != "function") {
            let wrong = format!("calls of type {kind:?} are not supported; use function");
            return Err(Failure::param(format!("{at}.type"), wrong));
        }
        read_function(fields.get("function").unwrap_or(&Value::Null), id, &format!("{at}.function"))
    };
    calls.iter().enumerate().map(read).collect()
}

fn read_function(call: &Value, id: &str, at: &str) -> Result<ToolCall, Failure> {
    let fields = object(call, at)?;
    let name = text(fields, "name", at)?.filter(|name| !name.is_empty()).ok_or_else(|| missing(at, "name"))?;
    let arguments_json = text(fields, "arguments", at)?.unwrap_or_default().to_owned();
    Ok(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments_json })
}
