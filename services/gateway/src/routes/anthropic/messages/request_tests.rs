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
    let request: MessagesRequest = body::parse(&bytes).map_err(|failure| failure.param)?;
    request.input(MediaRules { hosts: &[] }).map_err(|failure| failure.param)
}

fn with(extra: Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 2000, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

#[test]
fn a_conversation_with_tools_becomes_the_platforms() {
    let input = read(&with(json!({
        "system": [{"type": "text", "text": "be brief"}, {"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "t2", "name": "weather", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": [{"type": "text", "text": "no such"}]},
                {"type": "text", "text": "and?"}]},
        ],
        "tools": [{"name": "weather", "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": true},
        "metadata": {"user_id": "u1"}, "top_k": 5, "stop_sequences": ["x"],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    })))
    .unwrap();
    let roles: Vec<&str> = input.messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    assert_eq!(input.messages[0].content, "be brief\n\nbe kind");
    let said = &input.messages[2];
    assert_eq!([&said.content, &said.reasoning, &said.reasoning_signature], ["let me see", "hm", "s"]);
    assert_eq!((said.tool_calls[0].arguments_json.as_str(), said.tool_calls.len()), ("{\"city\":\"Oslo\"}", 2));
    assert_eq!((input.messages[3].tool_call_id.as_str(), input.messages[4].tool_failed), ("t1", true));
    assert_eq!((input.user.as_str(), input.top_k, input.parallel_tool_calls), ("u1", Some(5), Some(false)));
    assert_eq!((input.reasoning_tokens_max, input.max_tokens), (1024, 2000));
    assert_eq!(input.tool_choice.unwrap().name, "weather");
}

#[test]
fn images_and_documents_are_parts() {
    let input = read(&with(json!({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}},
    ]}]})))
    .unwrap();
    let kinds: Vec<_> = input.messages[0].parts.iter().map(|part| part.kind.clone().unwrap()).collect();
    assert!(matches!(&kinds[1], content_part::Kind::Image(image) if image.data == b"hi"), "{kinds:?}");
    assert!(matches!(&kinds[2], content_part::Kind::Document(file) if file.name == "a.pdf"), "{kinds:?}");
    assert!(matches!(&kinds[3], content_part::Kind::Document(file) if file.media_type == "text/plain"), "{kinds:?}");
}

#[test]
fn forms_of_answers_are_read_from_both_places() {
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    let newer = read(&with(json!({"output_config": {"effort": "max", "format": format}}))).unwrap();
    assert_eq!(
        (newer.response_format.unwrap().schema_json.as_str(), newer.reasoning_effort.as_str()),
        ("{\"type\":\"object\"}", "high")
    );
    assert!(read(&with(json!({"output_format": format}))).unwrap().response_format.is_some());
}

#[test]
fn the_parameter_at_fault_is_named() {
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (extra, param) in [
        (json!({"max_tokens": null}), "max_tokens"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": "many"}), "max_tokens"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": vec![json!({"role": "user", "content": "x"}); 10_000]}), "messages"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0]"),
        (user(json!([])), "messages[0].content"),
        (user(json!(7)), "messages[0].content"),
        (user(json!([7])), "messages[0].content[0]"),
        (user(json!([{"type": "video"}])), "messages[0].content[0].type"),
        (user(json!([{"type": "text"}])), "messages[0].content[0].text"),
        (user(json!([{"type": "tool_use", "id": "a", "name": "b", "input": {}}])), "messages[0].content[0]"),
        (user(json!([{"type": "tool_result"}])), "messages[0].content[0].tool_use_id"),
        (
            user(json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}])),
            "messages[0].content[0].source.type",
        ),
        (
            user(json!([{"type": "image", "source": {"type": "url", "url": "https://images.example/a.png"}}])),
            "messages[0].content[0].source.url",
        ),
        (
            user(json!([{"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": "aGk="}}])),
            "messages[0].content[0].source",
        ),
        (json!({"system": 7}), "system"),
        (json!({"system": [{"type": "image"}]}), "system[0]"),
        (json!({"tools": [{"name": "a b"}]}), "tools[0].name"),
        (json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), "tools[0].type"),
        (json!({"tools": [{"name": "a", "input_schema": []}]}), "tools[0].input_schema"),
        (json!({"tool_choice": {"type": "any"}}), "tool_choice"),
        (json!({"tool_choice": {"type": "tool", "name": "x"}}), "tool_choice.name"),
        (json!({"tool_choice": {"type": "some"}}), "tool_choice.type"),
        (json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 5}}), "thinking.budget_tokens"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}), "thinking.budget_tokens"),
        (json!({"thinking": {"type": "deep"}}), "thinking.type"),
        (json!({"stop_sequences": [""]}), "stop_sequences"),
        (json!({"output_config": {"format": {"type": "xml"}}}), "output_config.format"),
        (json!({"mcp_servers": [{"url": "x"}]}), "mcp_servers"),
        (json!({"container": "c"}), "container"),
    ] {
        let body = with(extra);
        assert_eq!(read(&body).unwrap_err().as_deref(), Some(param), "{param}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,200}") {
        if let Ok(request) = body::parse::<MessagesRequest>(text.as_bytes()) {
            let _read = request.input(MediaRules { hosts: &[] });
        }
    }

    #[test]
    fn no_conversation_breaks_the_reader(content in any_json(), system in any_json(), role in "user|assistant|system") {
        let _read = read(&with(json!({"messages": [{"role": role, "content": content}]})));
        let _read = read(&with(json!({"messages": [{"role": role, "content": [content]}], "system": system})));
    }
}
