//! Requests as clients send them, and as they should not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use orrery_proto::v1::content_part;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::http::body;
use crate::routes::reading::any_json;

fn read(body: &Value) -> Result<ChatInput, Option<String>> {
    let bytes = serde_json::to_vec(body).unwrap();
    let request: ResponsesRequest = body::parse(&bytes).map_err(|failure| failure.param)?;
    request.input(MediaRules { hosts: &[] }).map_err(|failure| failure.param)
}

fn with(extra: Value) -> Value {
    let mut body = json!({"model": "m", "input": "hi"});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

#[test]
fn items_become_messages_and_what_belongs_together_is_one() {
    let input = read(&with(json!({"instructions": "be brief", "input": [
        {"role": "user", "content": "weather?"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "sun"}]},
    ]})))
    .unwrap();
    let roles: Vec<&str> = input.messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool"]);
    let said = &input.messages[2];
    assert_eq!((said.reasoning.as_str(), said.content.as_str(), said.tool_calls.len()), ("hm", "let me see", 2));
    assert_eq!((input.messages[4].content.as_str(), input.messages[4].tool_call_id.as_str()), ("sun", "c2"));
}

#[test]
fn files_are_parts_and_parameters_have_their_places() {
    let input = read(&with(json!({
        "input": [{"role": "user", "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        ]}],
        "text": {"format": {"type": "json_schema", "name": "out", "strict": true, "schema": {"type": "object"}}, "verbosity": "low"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "function", "name": "f"},
        "reasoning": {"effort": "high", "summary": "auto"}, "max_output_tokens": 9, "store": false, "include": ["x"],
    })))
    .unwrap();
    let parts = &input.messages[0].parts;
    assert!(matches!(&parts[1].kind, Some(content_part::Kind::Image(image)) if image.detail == "low"), "{parts:?}");
    assert!(matches!(&parts[2].kind, Some(content_part::Kind::Document(file)) if file.name == "a.pdf"), "{parts:?}");
    assert_eq!(input.response_format.unwrap().schema_json, "{\"type\":\"object\"}");
    assert_eq!((input.tool_choice.unwrap().name.as_str(), input.reasoning_effort.as_str()), ("f", "high"));
    assert_eq!((input.max_tokens, input.extra_json.as_str()), (9, "{\"verbosity\":\"low\"}"));
}

#[test]
fn the_parameter_at_fault_is_named() {
    for (extra, param) in [
        (json!({"input": ""}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": vec![json!({"role": "user", "content": "x"}); 10_000]}), "input"),
        (json!({"input": [7]}), "input[0]"),
        (json!({"input": [{"role": "ghost", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"role": "user", "content": [{"type": "video"}]}]}), "input[0].content[0].type"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/a"}]}]}),
            "input[0].content[0].image_url",
        ),
        (json!({"input": [{"type": "item_reference", "id": "x"}]}), "input[0].type"),
        (json!({"input": [{"type": "function_call", "name": "f"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "output": "x"}]}), "input[0].call_id"),
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "x"}}), "prompt"),
        (json!({"background": true}), "background"),
        (json!({"truncation": "auto"}), "truncation"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"text": 1}), "text"),
        (json!({"text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"text": {"format": {"type": "json_schema", "name": "x"}}}), "text.format"),
        (json!({"reasoning": {"effort": "heroic"}}), "reasoning.effort"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"temperature": "hot"}), "temperature"),
    ] {
        let body = with(extra);
        assert_eq!(read(&body).unwrap_err().as_deref(), Some(param), "{param}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,200}") {
        if let Ok(request) = body::parse::<ResponsesRequest>(text.as_bytes()) {
            let _read = request.input(MediaRules { hosts: &[] });
        }
    }

    #[test]
    fn no_conversation_breaks_the_reader(item in any_json(), text in any_json()) {
        let _read = read(&with(json!({"input": item, "text": text})));
        let _read = read(&with(json!({"input": [item, {"role": "user", "content": [item]}, {"type": "reasoning", "summary": [item]}]})));
    }
}
