//! Requests as clients send them, and as they should not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use orrery_egress::HostRule;
use orrery_proto::v1::{ChatMessage, content_part};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::http::body;
use crate::routes::reading::any_json;

fn read_with(body: &Value, hosts: &[HostRule]) -> Result<ChatInput, Option<String>> {
    let bytes = serde_json::to_vec(body).unwrap();
    let request: ChatRequest = body::parse(&bytes).map_err(|failure| failure.param)?;
    request.input(MediaRules { hosts }).map_err(|failure| failure.param)
}

fn read(body: &Value) -> Result<ChatInput, Option<String>> {
    read_with(body, &[])
}

fn with(extra: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

fn said(messages: Value) -> Result<Vec<ChatMessage>, Option<String>> {
    read(&json!({"model": "m", "messages": messages})).map(|input| input.messages)
}

#[test]
fn texts_and_parts_of_text_say_the_same() {
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    let messages =
        said(json!([{"role": "developer", "content": "be brief"}, {"role": "user", "content": parts}])).unwrap();
    let read: Vec<_> = messages.iter().map(|m| (m.role.as_str(), m.content.as_str())).collect();
    assert_eq!(read, [("system", "be brief"), ("user", "ab")]);
}

#[test]
fn images_sound_and_documents_are_parts() {
    let parts = json!([
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "/tmp/a.pdf"}},
    ]);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": parts}]});
    assert_eq!(read(&body).unwrap_err().as_deref(), Some("messages[0].content[2].image_url.url"));
    let input = read_with(&body, &["images.example".parse().unwrap()]).unwrap();
    let parts: Vec<_> = input.messages[0].parts.iter().map(|part| part.kind.clone().unwrap()).collect();
    let content_part::Kind::Image(image) = &parts[1] else { panic!("{parts:?}") };
    assert_eq!(
        (image.media_type.as_str(), image.detail.as_str(), image.data.as_slice()),
        ("image/png", "low", &b"hi"[..])
    );
    let content_part::Kind::Image(image) = &parts[2] else { panic!("{parts:?}") };
    assert_eq!(image.url, "https://images.example/a.png");
    let content_part::Kind::Audio(audio) = &parts[3] else { panic!("{parts:?}") };
    assert_eq!(audio.media_type, "audio/mpeg");
    let content_part::Kind::Document(document) = &parts[4] else { panic!("{parts:?}") };
    assert_eq!((document.name.as_str(), document.media_type.as_str()), ("a.pdf", "application/pdf"));
}

#[test]
fn tools_are_called_and_answer() {
    let messages = said(json!([
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]))
    .unwrap();
    assert_eq!(messages[1].tool_calls[0].arguments_json, "{\"city\":\"Oslo\"}");
    assert_eq!((messages[2].tool_call_id.as_str(), messages[2].content.as_str()), ("c1", "rain"));
}

#[test]
fn the_older_form_of_tools_says_the_same() {
    let input = read(&json!({
        "model": "m",
        "functions": [{"name": "f", "parameters": {"type": "object"}}],
        "function_call": {"name": "f"},
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        ],
    }))
    .unwrap();
    assert_eq!((input.tools[0].name.as_str(), input.tool_choice.unwrap().name.as_str()), ("f", "f"));
    assert_eq!(input.messages[1].tool_calls[0].id, input.messages[2].tool_call_id);
    assert_eq!(input.messages[2].role, "tool");
}

#[test]
fn parameters_reach_the_models_shape() {
    let input = read(&with(json!({
        "max_tokens": 5, "max_completion_tokens": 7, "temperature": 0.5, "top_p": 0.25, "seed": 3, "n": 2, "stop": ["a", "b"],
        "frequency_penalty": 1.5, "presence_penalty": -1.0, "logit_bias": {"42": -100}, "logprobs": true, "top_logprobs": 2,
        "reasoning_effort": "low", "user": "u1", "parallel_tool_calls": false, "verbosity": "low", "metadata": {"a": "b"},
        "tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "out", "strict": true, "schema": {"type": "object"}}},
    })))
    .unwrap();
    assert_eq!((input.max_tokens, input.n, input.seed, input.top_logprobs), (7, 2, Some(3), 2));
    assert_eq!((input.frequency_penalty, input.presence_penalty), (Some(1.5), Some(-1.0)));
    assert_eq!((input.logit_bias["42"], input.user.as_str(), input.parallel_tool_calls), (-100.0, "u1", Some(false)));
    assert_eq!(input.extra_json, "{\"verbosity\":\"low\"}");
    assert_eq!(input.tool_choice.unwrap().mode, "tool");
    let format = input.response_format.unwrap();
    assert_eq!((format.kind.as_str(), format.name.as_str(), format.strict), ("json_schema", "out", true));
}

#[test]
fn the_parameter_at_fault_is_named() {
    let fault =
        |extra: Value| read(&with(extra.clone())).err().flatten().unwrap_or_else(|| format!("nothing in {extra}"));
    let function = |name: &str| json!({"type": "function", "function": {"name": name}});
    for (extra, param) in [
        (json!({"temperature": 3}), "temperature"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"top_p": -1}), "top_p"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"n": 0}), "n"),
        (json!({"n": 1000}), "n"),
        (json!({"seed": -1}), "seed"),
        (json!({"logprobs": "yes"}), "logprobs"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs"),
        (json!({"frequency_penalty": 2.5}), "frequency_penalty"),
        (json!({"logit_bias": {"x": 1}}), "logit_bias"),
        (json!({"logit_bias": [1]}), "logit_bias"),
        (json!({"reasoning_effort": "heroic"}), "reasoning_effort"),
        (json!({"modalities": ["audio"]}), "modalities"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"stream_options": {"include_usage": 1}}), "stream_options.include_usage"),
        (json!({"tools": [1]}), "tools[0]"),
        (json!({"tools": {}}), "tools"),
        (json!({"tools": [{"type": "retrieval"}]}), "tools[0].type"),
        (json!({"tools": [function("a b")]}), "tools[0].function.name"),
        (json!({"tools": [function("a"), function("a")]}), "tools[1]"),
        (json!({"tools": [function("a")], "tool_choice": function("b")}), "tool_choice"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"functions": [{"name": "f"}], "function_call": {"name": "g"}}), "function_call"),
        (json!({"functions": [], "tools": []}), "functions"),
        (json!({"response_format": {"type": "xml"}}), "response_format.type"),
        (json!({"response_format": "json"}), "response_format"),
        (json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}), "response_format"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": [{"role": 7, "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "ghost", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": [1]}]}), "messages[0].content[0]"),
        (json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}), "messages[0].content[0].text"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id"),
        (json!({"messages": [{"role": "assistant", "tool_calls": [{}]}]}), "messages[0].tool_calls[0].id"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}),
            "messages[0].content[0].file.file_id",
        ),
    ] {
        assert_eq!(fault(extra.clone()), param, "{extra}");
    }
}

#[test]
fn ten_thousand_messages_are_refused_and_two_thousand_are_not() {
    let messages = |count: usize| vec![json!({"role": "user", "content": "x"}); count];
    assert_eq!(said(json!(messages(10_000))).unwrap_err().as_deref(), Some("messages"));
    assert_eq!(said(json!(messages(2_000))).unwrap().len(), 2_000);
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,200}") {
        if let Ok(request) = body::parse::<ChatRequest>(text.as_bytes()) {
            let _read = request.input(MediaRules { hosts: &[] });
        }
    }

    #[test]
    fn no_conversation_breaks_the_reader(content in any_json(), tools in any_json(), format in any_json(), stop in any_json()) {
        let message = json!({"role": "user", "content": content});
        let _read = read(&json!({
            "model": "m", "messages": [message, content], "tools": [tools], "tool_choice": tools,
            "response_format": format, "stop": stop,
        }));
        let _read = said(json!([{"role": "assistant", "content": "x", "tool_calls": [content]}]));
    }
}
