//! Conversations in the model's own terms: system, user and assistant turns of plain text.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{self, content_part};
use orrery_torch::smollm2::{ChatMessage, ToolCall, calls_text, result_text};
use serde_json::Value;

/// Turns the messages into turns; `tools` is added to the system message. `model` is named in errors.
pub(super) fn turns(
    messages: &[v1::ChatMessage],
    tools: Option<String>,
    model: &str,
) -> Result<Vec<ChatMessage>, Error> {
    if messages.is_empty() {
        return Err(invalid("messages is empty; send at least one".to_owned()));
    }
    let mut turns: Vec<ChatMessage> = Vec::with_capacity(messages.len() + 1);
    for (index, message) in messages.iter().enumerate() {
        let content = text(message, index, model)?;
        let turn = match message.role.as_str() {
            "system" | "developer" => ChatMessage { role: "system".to_owned(), content },
            "user" => ChatMessage { role: "user".to_owned(), content },
            "assistant" => ChatMessage { role: "assistant".to_owned(), content: with_calls(content, message, index)? },
            "tool" => ChatMessage { role: "user".to_owned(), content: result_text(&content, message.tool_failed) },
            other => {
                let message = format!("message {index} has the role {other:?}; use system, user, assistant or tool");
                return Err(invalid(message));
            }
        };
        // What several tools answered is one turn.
        match turns.last_mut() {
            Some(last) if message.role == "tool" && follows_tool(messages, index) => {
                last.content.push('\n');
                last.content.push_str(&turn.content);
            }
            _ => turns.push(turn),
        }
    }
    if let Some(tools) = tools {
        match turns.first_mut() {
            Some(first) if first.role == "system" => first.content = format!("{}\n\n{tools}", first.content),
            _ => turns.insert(0, ChatMessage { role: "system".to_owned(), content: tools }),
        }
    }
    Ok(turns)
}

/// The text of a message, its parts joined by lines.
pub(super) fn text(message: &v1::ChatMessage, index: usize, model: &str) -> Result<String, Error> {
    let mut texts: Vec<&str> = if message.content.is_empty() { Vec::new() } else { vec![&message.content] };
    for part in &message.parts {
        let what = match &part.kind {
            Some(content_part::Kind::Text(text)) => {
                texts.push(text);
                continue;
            }
            Some(content_part::Kind::Image(_)) => "an image",
            Some(content_part::Kind::Audio(_)) => "sound",
            Some(content_part::Kind::Document(_)) => "a document",
            None => return Err(invalid(format!("message {index} has a part of no kind"))),
        };
        let message = format!(
            "the model {model:?} reads text only and message {index} holds {what}; name a model that takes it, or have it read into \
             text first"
        );
        return Err(Error::new(ErrorCode::UnsupportedMedia, message));
    }
    Ok(texts.join("\n"))
}

fn follows_tool(messages: &[v1::ChatMessage], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| messages.get(before));
    before.is_some_and(|before| before.role == "tool")
}

fn with_calls(content: String, message: &v1::ChatMessage, index: usize) -> Result<String, Error> {
    if message.tool_calls.is_empty() {
        return Ok(content);
    }
    let mut calls = Vec::with_capacity(message.tool_calls.len());
    for call in &message.tool_calls {
        let arguments = match call.arguments_json.as_str() {
            "" => Ok(Value::Object(serde_json::Map::new())),
            text => serde_json::from_str(text),
        };
        let arguments = arguments.map_err(|error| {
            invalid(format!("the arguments of the call {:?} in message {index} are not JSON: {error}", call.id))
        })?;
        calls.push(ToolCall { name: call.name.clone(), arguments });
    }
    let calls = calls_text(&calls);
    Ok(if content.is_empty() { calls } else { format!("{content}\n{calls}") })
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(role: &str, content: &str) -> v1::ChatMessage {
        v1::ChatMessage { role: role.into(), content: content.into(), ..Default::default() }
    }

    fn part(kind: content_part::Kind) -> v1::ContentPart {
        v1::ContentPart { kind: Some(kind) }
    }

    fn said(turns: Vec<ChatMessage>) -> Vec<(String, String)> {
        turns.into_iter().map(|turn| (turn.role, turn.content)).collect()
    }

    #[test]
    fn calls_and_what_tools_answered_are_written_in_the_models_format() {
        let call = v1::ToolCall { id: "call_1".into(), name: "f".into(), arguments_json: r#"{"a": 1}"#.into() };
        let asked = v1::ChatMessage {
            tool_calls: vec![call.clone(), v1::ToolCall { arguments_json: String::new(), ..call }],
            ..message("assistant", "")
        };
        let failed = v1::ChatMessage { tool_failed: true, ..message("tool", "no such place") };
        let messages = [message("developer", "Be brief."), message("user", "Hi"), asked, message("tool", "5"), failed];
        let turns = said(turns(&messages, Some("TOOLS".into()), "m").unwrap());
        let expected = [
            ("system", "Be brief.\n\nTOOLS"),
            ("user", "Hi"),
            (
                "assistant",
                "<tool_call>[{\"name\": \"f\", \"arguments\": {\"a\":1}}, {\"name\": \"f\", \"arguments\": {}}]</tool_call>",
            ),
            ("user", "<tool_response>\n5\n</tool_response>\n<tool_response>\nerror: no such place\n</tool_response>"),
        ];
        assert_eq!(turns, expected.map(|(role, content)| (role.to_owned(), content.to_owned())));
    }

    #[test]
    fn tools_make_a_system_message_where_there_is_none() {
        let turns = said(turns(&[message("user", "Hi")], Some("TOOLS".into()), "m").unwrap());
        assert_eq!(turns.first(), Some(&("system".to_owned(), "TOOLS".to_owned())));
    }

    #[test]
    fn parts_of_text_are_joined_and_others_are_refused_by_name() {
        let parts = vec![part(content_part::Kind::Text("one".into())), part(content_part::Kind::Text("two".into()))];
        let joined = turns(&[v1::ChatMessage { parts: parts.clone(), ..message("user", "") }], None, "m").unwrap();
        assert_eq!(said(joined), [("user".to_owned(), "one\ntwo".to_owned())]);

        let picture = part(content_part::Kind::Image(v1::Media::default()));
        let messages =
            [message("user", "Hi"), v1::ChatMessage { parts: [parts, vec![picture]].concat(), ..message("user", "") }];
        let error = turns(&messages, None, "tiny").unwrap_err();
        assert_eq!(error.code, ErrorCode::UnsupportedMedia);
        assert!(error.message.contains("\"tiny\" reads text only and message 1 holds an image"), "{error}");
    }

    #[test]
    fn what_is_no_conversation_is_refused() {
        let broken = v1::ToolCall { arguments_json: "{".into(), ..Default::default() };
        for messages in [
            vec![],
            vec![message("narrator", "Once")],
            vec![v1::ChatMessage { tool_calls: vec![broken], ..message("assistant", "") }],
            vec![v1::ChatMessage { parts: vec![v1::ContentPart::default()], ..message("user", "") }],
        ] {
            assert_eq!(turns(&messages, None, "m").unwrap_err().code, ErrorCode::InvalidRequest);
        }
    }
}
