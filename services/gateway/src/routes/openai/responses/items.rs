//! The items of a conversation, in the platform's shape. What an assistant thought, said and called one after the other is one
//! message.

use orrery_proto::v1::{ChatMessage, ContentPart, Media, ToolCall, content_part};
use serde_json::{Map, Value};

use super::super::chat::{detail, read_file};
use crate::http::Failure;
use crate::models::{MediaRules, file_name, from_base64};
use crate::routes::reading::{image_only, missing, object, put, text};

const ITEMS_MAX: usize = 2048;
const PARTS_MAX: usize = 512;

/// Reads a conversation; an error names the place in it.
pub fn read(input: &Value, media: MediaRules<'_>) -> Result<Vec<ChatMessage>, Failure> {
    match input {
        Value::String(text) if !text.is_empty() => {
            Ok(vec![ChatMessage { role: "user".to_owned(), content: text.clone(), ..ChatMessage::default() }])
        }
        Value::Array(items) if !items.is_empty() && items.len() <= ITEMS_MAX => {
            let mut messages = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                take(item, &format!("input[{index}]"), media, &mut messages)?;
            }
            Ok(messages)
        }
        _ => Err(Failure::param("input", format!("input is neither a text nor a list of 1 to {ITEMS_MAX} items"))),
    }
}

fn take(item: &Value, at: &str, media: MediaRules<'_>, messages: &mut Vec<ChatMessage>) -> Result<(), Failure> {
    let fields = object(item, at)?;
    let field = |name: &str| text(fields, name, at)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(at, name));
    match text(fields, "type", at)?.unwrap_or("message") {
        "message" => {
            let said = message(fields, at, media)?;
            match messages.last_mut() {
                // Its thoughts came before.
                Some(last) if said.role == "assistant" && thinks_only(last) => {
                    last.content = said.content;
                    last.parts = said.parts;
                }
                _ => messages.push(said),
            }
        }
        "function_call" => {
            let arguments_json = text(fields, "arguments", at)?.unwrap_or_default().to_owned();
            let call = ToolCall { id: field("call_id")?.to_owned(), name: field("name")?.to_owned(), arguments_json };
            called(messages, call);
        }
        "function_call_output" => {
            let mut said = ChatMessage {
                role: "tool".to_owned(),
                tool_call_id: field("call_id")?.to_owned(),
                ..ChatMessage::default()
            };
            fill(&mut said, fields.get("output"), &format!("{at}.output"), media)?;
            messages.push(said);
        }
        "reasoning" => {
            let thought = thoughts(fields, at)?;
            messages.push(ChatMessage { role: "assistant".to_owned(), reasoning: thought, ..ChatMessage::default() });
        }
        other => {
            let wrong = format!(
                "items of type {other:?} are not supported; use message, function_call, function_call_output or reasoning"
            );
            return Err(Failure::param(format!("{at}.type"), wrong));
        }
    }
    Ok(())
}

fn thinks_only(message: &ChatMessage) -> bool {
    message.role == "assistant"
        && message.content.is_empty()
        && message.parts.is_empty()
        && message.tool_calls.is_empty()
}

/// Adds a call to the assistant's message that is still going on, or begins one.
fn called(messages: &mut Vec<ChatMessage>, call: ToolCall) {
    match messages.last_mut() {
        Some(last) if last.role == "assistant" => last.tool_calls.push(call),
        _ => messages.push(ChatMessage {
            role: "assistant".to_owned(),
            tool_calls: vec![call],
            ..ChatMessage::default()
        }),
    }
}

fn message(fields: &Map<String, Value>, at: &str, media: MediaRules<'_>) -> Result<ChatMessage, Failure> {
    let role = match text(fields, "role", at)?.unwrap_or_default() {
        "developer" => "system",
        role @ ("system" | "user" | "assistant") => role,
        other => {
            let wrong = format!("the role {other:?} is not known; use system, user or assistant");
            return Err(Failure::param(format!("{at}.role"), wrong));
        }
    };
    let mut said = ChatMessage { role: role.to_owned(), ..ChatMessage::default() };
    fill(&mut said, fields.get("content"), &format!("{at}.content"), media)?;
    if said.content.is_empty() && said.parts.is_empty() && role != "assistant" {
        return Err(Failure::param(format!("{at}.content"), "the message has no content"));
    }
    Ok(said)
}

fn fill(said: &mut ChatMessage, content: Option<&Value>, at: &str, media: MediaRules<'_>) -> Result<(), Failure> {
    match content {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) => {
            said.content.clone_from(text);
            Ok(())
        }
        Some(Value::Array(parts)) if parts.len() <= PARTS_MAX => {
            let read = |(index, value)| part(value, &format!("{at}[{index}]"), media);
            put(said, parts.iter().enumerate().map(read).collect::<Result<_, _>>()?);
            Ok(())
        }
        Some(_) => Err(Failure::param(at, format!("{at} is neither a text nor a list of up to {PARTS_MAX} parts"))),
    }
}

fn part(part: &Value, at: &str, media: MediaRules<'_>) -> Result<ContentPart, Failure> {
    let fields = object(part, at)?;
    let field = |name: &str| text(fields, name, at)?.ok_or_else(|| missing(at, name));
    let kind = match text(fields, "type", at)?.unwrap_or_default() {
        "input_text" | "output_text" | "text" => content_part::Kind::Text(field("text")?.to_owned()),
        "refusal" => content_part::Kind::Text(field("refusal")?.to_owned()),
        "input_image" => {
            let param = format!("{at}.image_url");
            let mut file = media.by_url(field("image_url")?, &param)?;
            file.detail = detail(fields, at)?;
            content_part::Kind::Image(image_only(file, &param)?)
        }
        "input_file" => match text(fields, "file_url", at)? {
            Some(url) => {
                let name = file_name(text(fields, "filename", at)?.unwrap_or_default());
                content_part::Kind::Document(Media { name, ..media.by_url(url, &format!("{at}.file_url"))? })
            }
            None => content_part::Kind::Document(read_file(fields, at, media)?),
        },
        "input_audio" => {
            let param = format!("{at}.input_audio");
            let audio = object(fields.get("input_audio").unwrap_or(&Value::Null), &param)?;
            let data = text(audio, "data", &param)?.ok_or_else(|| missing(&param, "data"))?;
            let format = text(audio, "format", &param)?.ok_or_else(|| missing(&param, "format"))?;
            let media_type = format!("audio/{}", if format == "mp3" { "mpeg" } else { format });
            content_part::Kind::Audio(from_base64(&media_type, data, &format!("{param}.data"))?)
        }
        other => {
            let wrong = format!(
                "content of type {other:?} is not known; use input_text, input_image, input_file or input_audio"
            );
            return Err(Failure::param(format!("{at}.type"), wrong));
        }
    };
    Ok(ContentPart { kind: Some(kind) })
}

/// What was thought: as it was, or else in summary. What is encrypted only its author can read.
fn thoughts(fields: &Map<String, Value>, at: &str) -> Result<String, Failure> {
    for list in ["content", "summary"] {
        let at = format!("{at}.{list}");
        let parts = match fields.get(list) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(parts)) => parts,
            Some(_) => return Err(Failure::param(&at, format!("{at} is no list"))),
        };
        let mut texts = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let at = format!("{at}[{index}]");
            texts.push(text(object(part, &at)?, "text", &at)?.ok_or_else(|| missing(&at, "text"))?);
        }
        if !texts.is_empty() {
            return Ok(texts.join("\n\n"));
        }
    }
    Ok(String::new())
}
