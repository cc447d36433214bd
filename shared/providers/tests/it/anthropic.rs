//! Anthropic's Messages API.

use std::time::Duration;

use orrery_errors::ErrorCode;
use orrery_proto::v1::{ChatInput, ChatMessage, ToolChoice};
use orrery_standins::anthropic::{VENDOR, block, delta, end, error, message as reply, ping, start, stop, text_delta};
use orrery_standins::http::Script;
use serde_json::{Value, json};

use crate::contract::{KEY, suite};
use crate::vendor::{
    Faults, SCHEMA, VendorRig, calls, document_part, linked_image, message, plain, said, tool, with_format, with_tools,
};

fn body(message: &str) -> Value {
    json!({"type": "error", "error": {"type": "api_error", "message": message}})
}

async fn anthropic(options: &[(&str, &str)]) -> VendorRig {
    let faults = Faults {
        overloaded: || Script::Answers(529, vec![], body("Overloaded").to_string()),
        wait: |wait| Script::Answers(429, vec![("retry-after", wait.as_secs().to_string())], body("slow").to_string()),
        refused: || Script::Answers(400, vec![], body("max_tokens: too large").to_string()),
        body,
    };
    let chat = || ChatInput {
        messages: vec![message("system", "be brief"), message("user", "grüße")],
        max_tokens: 16,
        temperature: Some(0.1),
        top_k: Some(5),
        stop: vec!["END".into()],
        user: "u1".into(),
        ..ChatInput::default()
    };
    VendorRig::start(VENDOR, "anthropic", options, faults, chat).await
}

#[tokio::test]
async fn anthropic_keeps_the_contract() {
    suite(&anthropic(&[]).await).await;
}

#[tokio::test]
async fn anthropic_is_sent_what_its_interface_wants() {
    let rig = anthropic(&[("beta", "a-2026,b-2026")]).await;
    rig.server.becomes(Script::Says("hi"));
    rig.asked((rig.chat)()).await.unwrap();
    let request = rig.server.requests().pop().unwrap();
    assert_eq!(request.path, "/v1/messages");
    let heads = ["x-api-key", "anthropic-version", "anthropic-beta"].map(|name| request.header(name));
    assert_eq!(heads, [Some(KEY), Some("2023-06-01"), Some("a-2026,b-2026")]);
    let expected = json!({"model": "m-upstream", "max_tokens": 16, "system": "be brief", "temperature": 0.1, "top_k": 5,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "grüße"}]}],
        "stop_sequences": ["END"], "metadata": {"user_id": "u1"}, "stream": false});
    assert_eq!(request.body, expected);

    let thought = ChatMessage {
        reasoning: "hm".into(),
        reasoning_signature: "sig".into(),
        parts: vec![document_part("text/plain", b"abc"), document_part("application/pdf", b"%PDF")],
        ..message("user", "")
    };
    let mut input = with_tools();
    input.messages[2].reasoning = "hm".into();
    input.messages[2].reasoning_signature = "sig".into();
    input.messages[3].tool_failed = true;
    input.messages.push(thought);
    input.tool_choice = Some(ToolChoice { mode: "required".into(), name: String::new() });
    input.parallel_tool_calls = Some(false);
    rig.asked(input).await.unwrap();
    let sent = rig.last_body();
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "here?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AQID"}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Köln"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "rain"}], "is_error": true},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}, "title": "a.pdf"},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}, "title": "a.pdf"}]},
    ]);
    assert_eq!(sent["messages"], expected);
    assert_eq!(sent["tool_choice"], json!({"type": "any", "disable_parallel_tool_use": true}));
    let tool = json!({"name": "weather", "description": "of a city", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}});
    assert_eq!(sent["tools"], json!([tool]));

    rig.asked(linked_image()).await.unwrap();
    let source = json!({"type": "url", "url": "https://example.org/a.png"});
    assert_eq!(rig.last_body()["messages"][0]["content"][0], json!({"type": "image", "source": source}));
}

#[tokio::test]
async fn anthropic_thinks_by_budget_or_adaptively() {
    let rig = anthropic(&[]).await;
    rig.server.becomes(Script::Says("hi"));
    let effort = |effort: &str| ChatInput { reasoning_effort: effort.into(), max_tokens: 10_000, ..plain() };
    for (input, expected) in [
        (effort("low"), json!({"type": "enabled", "budget_tokens": 2000})),
        (effort("high"), json!({"type": "enabled", "budget_tokens": 8000})),
        (effort("none"), json!({"type": "disabled"})),
        (ChatInput { reasoning_tokens_max: 1500, ..plain() }, json!({"type": "enabled", "budget_tokens": 1500})),
    ] {
        rig.asked(input).await.unwrap();
        assert_eq!(rig.last_body()["thinking"], expected);
    }
    let small = ChatInput { reasoning_effort: "low".into(), max_tokens: 1024, ..plain() };
    rig.refuses_by_name(vec![("raise max_tokens", small), ("reasoning effort", effort("extreme"))]).await;

    let rig = anthropic(&[("thinking", "adaptive")]).await;
    rig.server.becomes(Script::Says("hi"));
    rig.asked(effort("medium")).await.unwrap();
    assert_eq!(rig.last_body()["thinking"], json!({"type": "adaptive"}));
    assert_eq!(rig.last_body()["output_config"], json!({"effort": "medium"}));
    let limited = ChatInput { reasoning_tokens_max: 2000, ..plain() };
    rig.refuses_by_name(vec![("reasoning_tokens_max", limited)]).await;
}

#[tokio::test]
async fn anthropic_answers_with_calls_thoughts_and_counts() {
    let rig = anthropic(&[]).await;
    let content = json!([{"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "let me see"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Köln"}}]);
    let usage = json!({"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7, "output_tokens": 9});
    let whole = rig.answered(with_tools(), &reply(&content, "tool_use", &usage)).await;

    let events = [
        start(
            json!({"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7, "output_tokens": 1}),
        ),
        block(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, &json!({"type": "signature_delta", "signature": "sig"})),
        stop(0),
        block(1, &json!({"type": "text", "text": ""})),
        ping(),
        text_delta(1, "let me "),
        text_delta(1, "see"),
        stop(1),
        block(2, &json!({"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": ""})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": "{\"city\":"})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": " \"Köln\"}"})),
        stop(2),
        end("tool_use", 9),
    ];
    let (_, streamed) = rig.stream_of(with_tools(), events.concat()).await;
    for answer in [whole, streamed.unwrap()] {
        assert_eq!(calls(&answer), [("toolu_1", "weather", json!({"city": "Köln"}))]);
        let said = said(&answer);
        let texts = [&said.text, &said.reasoning, &said.reasoning_signature, &said.finish_reason];
        assert_eq!(texts, ["let me see", "hm", "sig", "tool_calls"]);
        let usage = answer.usage;
        let counts = [usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens, usage.output_tokens];
        assert_eq!(counts, [112, 100, 7, 9]);
        assert_eq!(answer.models[0].version, "claude-x-2026");
    }
}

#[tokio::test]
async fn anthropic_keeps_formats_by_its_own_word_or_by_a_tool() {
    let rig = anthropic(&[]).await;
    rig.server.becomes(Script::Says("{\"a\":1}"));
    rig.asked(with_format("json_schema")).await.unwrap();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(rig.last_body()["output_config"], json!({"format": {"type": "json_schema", "schema": schema}}));

    let rig = anthropic(&[("structured_output", "tool")]).await;
    let content = json!([{"type": "text", "text": "I will answer."}, {"type": "tool_use", "id": "t", "name": "answer", "input": {"a": 1}}]);
    let usage = json!({"input_tokens": 1, "output_tokens": 2});
    let whole = rig.answered(with_format("json_schema"), &reply(&content, "tool_use", &usage)).await;
    let sent = rig.last_body();
    assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": "answer"}));
    assert_eq!(sent["tools"][0]["input_schema"], schema);
    let events = [
        start(json!({"input_tokens": 1})),
        block(0, &json!({"type": "tool_use", "id": "t", "name": "answer", "input": {}})),
        delta(0, &json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(0, &json!({"type": "input_json_delta", "partial_json": "1}"})),
        end("tool_use", 2),
    ];
    let (deltas, streamed) = rig.stream_of(with_format("json_object"), events.concat()).await;
    assert_eq!(deltas, ["{\"a\":", "1}"]);
    assert_eq!(rig.last_body()["tools"][0]["input_schema"], json!({"type": "object"}));
    for answer in [whole, streamed.unwrap()] {
        let said = said(&answer);
        assert_eq!((said.text.as_str(), said.finish_reason.as_str()), ("{\"a\":1}", "stop"));
        assert!(said.tool_calls.is_empty());
    }
    let both = ChatInput { tools: vec![tool()], ..with_format("json_object") };
    rig.refuses_by_name(vec![("tools beside", both)]).await;
}

#[tokio::test]
async fn anthropic_ends_for_reasons() {
    let rig = anthropic(&[]).await;
    for (theirs, ours) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ] {
        let usage = json!({"input_tokens": 1, "output_tokens": 2});
        let answer = rig.answered(plain(), &reply(&json!([]), theirs, &usage)).await;
        assert_eq!(said(&answer).finish_reason, ours);
    }
}

#[tokio::test]
async fn anthropic_tells_what_is_left_of_its_limits() {
    let rig = anthropic(&[]).await;
    let headers = vec![
        ("anthropic-ratelimit-requests-remaining", "0".to_owned()),
        ("anthropic-ratelimit-requests-reset", "2099-01-01T00:00:00Z".to_owned()),
        ("anthropic-ratelimit-input-tokens-remaining", "1000".to_owned()),
    ];
    let whole =
        reply(&json!([{"type": "text", "text": "x"}]), "end_turn", &json!({"input_tokens": 1, "output_tokens": 1}));
    rig.server.becomes(Script::Answers(200, headers.clone(), whole.to_string()));
    let plain_answer = rig.asked(plain()).await.unwrap();
    let events = [start(json!({"input_tokens": 1})), text_delta(0, "x"), end("end_turn", 1)].concat();
    rig.server.becomes(Script::Ends(headers, vec![events]));
    let streamed = rig.streamed(plain()).await.1.unwrap();
    for answer in [plain_answer, streamed] {
        let quota = answer.quota.unwrap();
        assert_eq!((quota.requests, quota.tokens), (Some(0), Some(1000)));
        assert_eq!(quota.pause(), Some(Duration::from_secs(24 * 60 * 60)), "a hint is believed for a day at most");
    }
}

#[tokio::test]
async fn anthropic_streams_survive_cuts_and_break_with_errors() {
    let rig = anthropic(&[]).await;
    let events =
        [start(json!({"input_tokens": 3})), text_delta(0, "schöne "), text_delta(0, "Grüße 🦀"), end("end_turn", 2)];
    rig.survives_any_cut(&events.concat(), &["schöne ", "Grüße 🦀"]).await;
    rig.breaks_as_events_do().await;
    rig.breaks_at("overloaded", error("overloaded_error", "Overloaded"), ErrorCode::Overloaded).await;
    rig.breaks_at("slow", error("rate_limit_error", "slow down"), ErrorCode::RateLimited).await;
    let told = rig.breaks_at("failed", error("api_error", "Internal server error"), ErrorCode::ModelFailed).await;
    assert!(told.to_string().contains("Internal server error"), "{told}");
    rig.breaks_at("nothing more", stop(0), ErrorCode::ModelFailed).await;
}

#[tokio::test]
async fn anthropic_refusals_are_typed_and_what_it_cannot_say_is_named() {
    let rig = anthropic(&[]).await;
    rig.refusals_are_typed_and_keep_secrets().await;
    rig.refuses_by_name(vec![
        ("seed", ChatInput { seed: Some(1), ..plain() }),
        ("(n)", ChatInput { n: 2, ..plain() }),
        ("logprobs", ChatInput { logprobs: true, ..plain() }),
        ("frequency_penalty", ChatInput { frequency_penalty: Some(0.5), ..plain() }),
        ("logit_bias", ChatInput { logit_bias: [("1".to_owned(), 1.0)].into(), ..plain() }),
        ("extra_json", ChatInput { extra_json: "{}".into(), ..plain() }),
        ("raw", ChatInput { raw: true, ..plain() }),
        ("max_tokens", ChatInput { max_tokens: 0, ..plain() }),
    ])
    .await;
}
