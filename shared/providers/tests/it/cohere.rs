//! Cohere's API, version 2.

use orrery_errors::ErrorCode;
use orrery_proto::v1::{ChatInput, ChatMessage, EmbedInput, RerankInput, ToolChoice, model_input, model_output};
use orrery_standins::cohere::{VENDOR, end, event, message as reply, start, usage, word};
use orrery_standins::http::{Script, named};
use serde_json::{Value, json};

use crate::contract::{KEY, LONG, order, suite};
use crate::vendor::{
    Faults, SCHEMA, VendorRig, calls, document_part, linked_image, message, plain, said, with_format, with_tools,
};

fn body(message: &str) -> Value {
    json!({"id": "e1", "message": message})
}

async fn cohere() -> VendorRig {
    let faults = Faults {
        overloaded: || Script::Answers(503, vec![], body("unavailable").to_string()),
        wait: |wait| Script::Answers(429, vec![("retry-after", wait.as_secs().to_string())], body("slow").to_string()),
        refused: || Script::Answers(400, vec![], body("k is too large").to_string()),
        body,
    };
    let chat = || ChatInput {
        messages: vec![message("system", "be brief"), message("user", "grüße")],
        max_tokens: 16,
        temperature: Some(0.0),
        seed: Some(7),
        stop: vec!["\n".into()],
        top_p: Some(0.9),
        top_k: Some(5),
        ..ChatInput::default()
    };
    VendorRig::start(VENDOR, "cohere", &[], faults, chat).await
}

#[tokio::test]
async fn cohere_keeps_the_contract() {
    suite(&cohere().await).await;
}

#[tokio::test]
async fn cohere_is_sent_what_its_interface_wants() {
    let rig = cohere().await;
    rig.server.becomes(Script::Says("hi"));
    rig.asked((rig.chat)()).await.unwrap();
    let request = rig.server.requests().pop().unwrap();
    assert_eq!(request.path, "/v2/chat");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let expected = json!({"model": "m-upstream", "max_tokens": 16, "temperature": 0.0, "seed": 7, "p": 0.9, "k": 5,
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "grüße"}],
        "stop_sequences": ["\n"], "stream": false});
    assert_eq!(request.body, expected);

    let mut input = with_tools();
    input.messages[2].reasoning = "look it up".into();
    input.messages.push(ChatMessage { reasoning: "hm".into(), ..message("assistant", "rain") });
    input.tool_choice = Some(ToolChoice { mode: "required".into(), name: String::new() });
    input.tools[0].strict = true;
    input.reasoning_tokens_max = 100;
    rig.asked(input).await.unwrap();
    let sent = rig.last_body();
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Köln\"}"}});
    let expected = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "here?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQID"}}]},
        {"role": "assistant", "tool_plan": "look it up", "tool_calls": [call]},
        {"role": "tool", "content": "rain", "tool_call_id": "call_1"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "rain"}]},
    ]);
    assert_eq!(sent["messages"], expected);
    assert_eq!((&sent["tool_choice"], &sent["strict_tools"]), (&json!("REQUIRED"), &json!(true)));
    assert_eq!(sent["thinking"], json!({"type": "enabled", "token_budget": 100}));
    assert_eq!(sent["tools"][0]["function"]["parameters"]["type"], "object");

    rig.asked(linked_image()).await.unwrap();
    assert_eq!(rig.last_body()["messages"][0]["content"][0]["image_url"]["url"], "https://example.org/a.png");
    rig.asked(with_format("json_schema")).await.unwrap();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(rig.last_body()["response_format"], json!({"type": "json_object", "json_schema": schema}));
    rig.asked(ChatInput { reasoning_effort: "none".into(), ..plain() }).await.unwrap();
    assert_eq!(rig.last_body()["thinking"], json!({"type": "disabled"}));
}

#[tokio::test]
async fn cohere_answers_with_calls_plans_thoughts_and_counts() {
    let rig = cohere().await;
    let call =
        json!({"id": "w1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Köln\"}"}});
    let mut counts = usage(9);
    counts["cached_tokens"] = json!(2.0);
    let whole = rig
        .answered(with_tools(), &reply(&json!({"tool_plan": "look it up", "tool_calls": [call]}), "TOOL_CALL", &counts))
        .await;
    let calling = |calls: Value| json!({"message": {"tool_calls": calls}});
    let events = [
        start(),
        event("tool-plan-delta", None, &json!({"message": {"tool_plan": "look "}})),
        event("tool-plan-delta", None, &json!({"message": {"tool_plan": "it up"}})),
        event(
            "tool-call-start",
            Some(0),
            &calling(json!({"id": "w1", "type": "function", "function": {"name": "weather", "arguments": ""}})),
        ),
        event("tool-call-delta", Some(0), &calling(json!({"function": {"arguments": "{\"city\":"}}))),
        event("tool-call-delta", Some(0), &calling(json!({"function": {"arguments": "\"Köln\"}"}}))),
        event("tool-call-end", Some(0), &Value::Null),
        event("citation-start", Some(0), &json!({"message": {"citations": {"start": 1}}})),
        event("message-end", None, &json!({"finish_reason": "TOOL_CALL", "usage": counts})),
    ];
    let (_, streamed) = rig.stream_of(with_tools(), events.concat()).await;
    for answer in [whole, streamed.unwrap()] {
        assert_eq!(calls(&answer), [("w1", "weather", json!({"city": "Köln"}))]);
        let said = said(&answer);
        assert_eq!([&said.reasoning, &said.finish_reason], ["look it up", "tool_calls"]);
        let usage = answer.usage;
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.cached_input_tokens), (3, 9, 2));
    }

    let content = json!({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "rain"}]});
    let whole = rig.answered(plain(), &reply(&content, "MAX_TOKENS", &usage(1))).await;
    let thinking = |key: &str, text: &str| json!({"message": {"content": {key: text}}});
    let events = [
        start(),
        event("content-start", Some(0), &thinking("thinking", "")),
        event("content-delta", Some(0), &thinking("thinking", "hm")),
        event("content-start", Some(1), &thinking("text", "")),
        event("content-delta", Some(1), &thinking("text", "rain")),
        end("MAX_TOKENS", 1),
    ];
    let (_, streamed) = rig.stream_of(plain(), events.concat()).await;
    for answer in [whole, streamed.unwrap()] {
        let said = said(&answer);
        assert_eq!([&said.reasoning, &said.text, &said.finish_reason], ["hm", "rain", "length"]);
    }
}

#[tokio::test]
async fn cohere_embeds_and_ranks() {
    let rig = cohere().await;
    rig.server.becomes(Script::Says(""));
    let embed = |input_type: &str| {
        let texts = vec!["a".to_owned(); 97];
        model_input::Kind::Embed(EmbedInput { texts, dimensions: 2, input_type: input_type.into() })
    };
    let answer = rig.provider.invoke(order(embed("query"), LONG)).await.unwrap();
    let Some(model_output::Kind::Embed(output)) = answer.output.kind else { panic!("no embeddings") };
    assert_eq!((output.dimensions, output.values.len(), answer.usage.input_tokens), (2, 194, 97));
    assert!((output.values[0] - 0.6).abs() < 1e-6);
    let requests = rig.server.requests();
    assert_eq!(requests.iter().map(|it| it.body["texts"].as_array().unwrap().len()).collect::<Vec<_>>(), [96, 1]);
    assert_eq!(
        requests[1].body,
        json!({"model": "m-upstream", "texts": ["a"], "input_type": "search_query",
        "embedding_types": ["float"], "output_dimension": 2})
    );
    rig.provider.invoke(order(embed(""), LONG)).await.unwrap();
    assert_eq!(rig.last_body()["input_type"], "search_document");
    assert!(rig.provider.invoke(order(embed("poem"), LONG)).await.unwrap_err().to_string().contains("input_type"));

    let documents = vec!["x".to_owned(), "y".to_owned(), "z".to_owned()];
    let rank = model_input::Kind::Rerank(RerankInput { query: "q".into(), documents, top_n: 2 });
    let answer = rig.provider.invoke(order(rank.clone(), LONG)).await.unwrap();
    let Some(model_output::Kind::Rerank(output)) = answer.output.kind else { panic!("no ranking") };
    assert_eq!(output.results.iter().map(|ranked| ranked.index).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(rig.last_body(), json!({"model": "m-upstream", "query": "q", "documents": ["x", "y", "z"], "top_n": 2}));
    let stray = json!({"results": [{"index": 3, "relevance_score": 0.5}]});
    rig.server.becomes(Script::Answers(200, vec![], stray.to_string()));
    assert_eq!(rig.provider.invoke(order(rank, LONG)).await.unwrap_err().code, ErrorCode::ModelFailed);
}

#[tokio::test]
async fn cohere_streams_survive_cuts_and_break_with_errors() {
    let rig = cohere().await;
    rig.survives_any_cut(
        &[start(), word("schöne "), word("Grüße 🦀"), end("COMPLETE", 2)].concat(),
        &["schöne ", "Grüße 🦀"],
    )
    .await;
    rig.breaks_as_events_do().await;
    let failed =
        named(&json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "the worker died"}}));
    let told = rig.breaks_at("failed", failed, ErrorCode::ModelFailed).await;
    assert!(told.to_string().contains("the worker died"), "{told}");
    rig.breaks_at("late", end("TIMEOUT", 1), ErrorCode::ModelFailed).await;
}

#[tokio::test]
async fn cohere_refusals_are_typed_and_what_it_cannot_say_is_named() {
    let rig = cohere().await;
    rig.refusals_are_typed_and_keep_secrets().await;
    rig.server.becomes(Script::Answers(498, vec![], body("denied").to_string()));
    assert_eq!(rig.asked(plain()).await.unwrap_err().code, ErrorCode::InvalidRequest);
    let choice = ToolChoice { mode: "tool".into(), name: "weather".into() };
    let document = ChatMessage { parts: vec![document_part("application/pdf", b"%PDF")], ..message("user", "") };
    rig.refuses_by_name(vec![
        ("(n)", ChatInput { n: 2, ..plain() }),
        ("logprobs", ChatInput { logprobs: true, ..plain() }),
        ("logit_bias", ChatInput { logit_bias: [("1".to_owned(), 1.0)].into(), ..plain() }),
        ("tool_choice", ChatInput { tool_choice: Some(choice), ..with_tools() }),
        ("document", ChatInput { messages: vec![document], ..plain() }),
        ("raw", ChatInput { raw: true, ..plain() }),
    ])
    .await;
    let left = vec![("x-trial-endpoint-call-remaining", "0".to_owned())];
    let whole = reply(&json!({"content": []}), "COMPLETE", &usage(1));
    rig.server.becomes(Script::Answers(200, left, whole.to_string()));
    assert!(rig.asked(plain()).await.unwrap().quota.unwrap().pause().is_some());
}
