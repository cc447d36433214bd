//! Google's Gemini API.

use orrery_errors::ErrorCode;
use orrery_proto::v1::{ChatInput, EmbedInput, ToolChoice, model_input, model_output};
use orrery_standins::gemini::{VENDOR, chunk, error, reply};
use orrery_standins::http::{Script, data};
use serde_json::{Value, json};

use crate::contract::{KEY, LONG, order, suite};
use crate::vendor::{Faults, SCHEMA, VendorRig, calls, linked_image, message, plain, said, with_format, with_tools};

fn body(message: &str) -> Value {
    error(500, "INTERNAL", message, &json!([]))
}

fn slow(wait: &str) -> Value {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait}]);
    error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", &details)
}

async fn gemini() -> VendorRig {
    let faults = Faults {
        overloaded: || {
            let body = error(503, "UNAVAILABLE", "The model is overloaded.", &json!([]));
            Script::Answers(503, vec![], body.to_string())
        },
        wait: |wait| Script::Answers(429, vec![], slow(&format!("{}s", wait.as_secs())).to_string()),
        refused: || {
            let body = error(400, "INVALID_ARGUMENT", "topK is too large", &json!([]));
            Script::Answers(400, vec![], body.to_string())
        },
        body,
    };
    let chat = || ChatInput {
        messages: vec![message("system", "be brief"), message("user", "grüße")],
        max_tokens: 16,
        temperature: Some(0.0),
        seed: Some(7),
        stop: vec!["\n".into()],
        ..ChatInput::default()
    };
    VendorRig::start(VENDOR, "gemini", &[], faults, chat).await
}

#[tokio::test]
async fn gemini_keeps_the_contract() {
    suite(&gemini().await).await;
}

#[tokio::test]
async fn gemini_is_sent_what_its_interface_wants() {
    let rig = gemini().await;
    rig.server.becomes(Script::Says("hi"));
    rig.asked((rig.chat)()).await.unwrap();
    rig.streamed((rig.chat)()).await.1.unwrap();
    let requests = rig.server.requests();
    assert_eq!(requests[0].path, "/v1beta/models/m-upstream:generateContent");
    assert_eq!(requests[1].path, "/v1beta/models/m-upstream:streamGenerateContent?alt=sse");
    assert_eq!(requests[0].header("x-goog-api-key"), Some(KEY));
    let expected = json!({"systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [{"role": "user", "parts": [{"text": "grüße"}]}],
        "generationConfig": {"maxOutputTokens": 16, "temperature": 0.0, "seed": 7, "stopSequences": ["\n"]}});
    assert_eq!(requests[0].body, expected);

    let mut input = with_tools();
    input.messages[2].tool_calls[0].id = "c9~c2ln".into();
    input.messages[3].tool_call_id = "c9~c2ln".into();
    input.tool_choice = Some(ToolChoice { mode: "tool".into(), name: "weather".into() });
    (input.n, input.logprobs, input.top_logprobs) = (2, true, 3);
    rig.asked(input).await.unwrap();
    let sent = rig.last_body();
    let expected = json!([
        {"role": "user", "parts": [{"text": "here?"}, {"inlineData": {"mimeType": "image/png", "data": "AQID"}}]},
        {"role": "model", "parts": [{"functionCall": {"id": "c9", "name": "weather", "args": {"city": "Köln"}}, "thoughtSignature": "c2ln"}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "c9", "name": "weather", "response": {"output": "rain"}}}]},
    ]);
    assert_eq!(sent["contents"], expected);
    let config = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}});
    assert_eq!(sent["toolConfig"], config);
    assert_eq!(sent["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]["type"], "object");
    let generation = json!({"maxOutputTokens": 4096, "candidateCount": 2, "responseLogprobs": true, "logprobs": 3});
    assert_eq!(sent["generationConfig"], generation);

    rig.asked(linked_image()).await.unwrap();
    let file = json!({"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.png"}});
    assert_eq!(rig.last_body()["contents"][0]["parts"][0], file);
}

#[tokio::test]
async fn gemini_keeps_formats_and_thinks() {
    let rig = gemini().await;
    rig.server.becomes(Script::Says("{}"));
    rig.asked(with_format("json_schema")).await.unwrap();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let config = rig.last_body()["generationConfig"].clone();
    assert_eq!(
        config,
        json!({"maxOutputTokens": 4096, "responseMimeType": "application/json", "responseJsonSchema": schema})
    );

    let effort = |effort: &str| ChatInput { reasoning_effort: effort.into(), ..plain() };
    for (upstream, input, expected) in [
        ("gemini-2.5-flash", effort("medium"), json!({"thinkingBudget": 8192, "includeThoughts": true})),
        ("gemini-3-pro", effort("low"), json!({"thinkingLevel": "low", "includeThoughts": true})),
        ("gemini-3-pro", effort("none"), json!({"thinkingBudget": 0})),
        ("x", ChatInput { reasoning_tokens_max: 9, ..plain() }, json!({"thinkingBudget": 9, "includeThoughts": true})),
    ] {
        let mut order = order(model_input::Kind::Chat(input), LONG);
        order.upstream = upstream.into();
        rig.provider.invoke(order).await.unwrap();
        assert_eq!(rig.last_body()["generationConfig"]["thinkingConfig"], expected, "{upstream}");
    }
}

#[tokio::test]
async fn gemini_answers_with_calls_thoughts_choices_and_counts() {
    let rig = gemini().await;
    let usage = json!({"promptTokenCount": 50, "cachedContentTokenCount": 40, "candidatesTokenCount": 5,
        "thoughtsTokenCount": 20, "toolUsePromptTokenCount": 2, "totalTokenCount": 77});
    let thought = json!({"text": "hm", "thought": true});
    let call = json!({"functionCall": {"name": "weather", "args": {"city": "Köln"}}, "thoughtSignature": "c2ln"});
    let known = json!({"functionCall": {"id": "c9", "name": "weather", "args": {}}});
    let whole = rig
        .answered(with_tools(), &reply(&json!([thought, {"text": "let me see"}, call, known]), "STOP", &usage))
        .await;
    let events = [
        data(&chunk(&json!([thought]))),
        data(&chunk(&json!([{"text": "let me "}]))),
        data(&chunk(&json!([{"text": "see"}, call]))),
        data(&reply(&json!([known]), "STOP", &usage)),
    ];
    let (_, streamed) = rig.stream_of(with_tools(), events.concat()).await;
    for answer in [whole, streamed.unwrap()] {
        let expected = [("dec_1-0-0~c2ln", "weather", json!({"city": "Köln"})), ("c9", "weather", json!({}))];
        assert_eq!(calls(&answer), expected);
        let said = said(&answer);
        assert_eq!([&said.text, &said.reasoning, &said.finish_reason], ["let me see", "hm", "tool_calls"]);
        let usage = answer.usage;
        let counts = [usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens];
        assert_eq!(counts, [52, 40, 25, 20]);
        assert_eq!(answer.models[0].version, "gemini-x-2026");
    }

    let candidate = |index: u32, text: &str| {
        json!({"index": index, "content": {"parts": [{"text": text}]}, "finishReason": "MAX_TOKENS",
        "logprobsResult": {"chosenCandidates": [{"token": text, "logProbability": -0.5}],
            "topCandidates": [{"candidates": [{"token": text, "logProbability": -0.5}, {"token": "z", "logProbability": -2.0}]}]}})
    };
    let answer = rig.answered(plain(), &json!({"candidates": [candidate(0, "a"), candidate(1, "b")]})).await;
    let said = said(&answer);
    assert_eq!((said.text.as_str(), said.others[0].text.as_str(), said.finish_reason.as_str()), ("a", "b", "length"));
    let logprob = &said.others[0].logprobs[0];
    assert_eq!((logprob.token.as_str(), logprob.logprob, logprob.top[1].token.as_str()), ("b", -0.5, "z"));
}

#[tokio::test]
async fn gemini_blocks_are_a_finish_reason() {
    let rig = gemini().await;
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}});
    let whole = rig.answered(plain(), &blocked).await;
    let streamed = rig.stream_of(plain(), data(&blocked)).await.1.unwrap();
    for answer in [whole, streamed] {
        let said = said(&answer);
        assert_eq!(
            (said.finish_reason.as_str(), said.refusal.as_str()),
            ("content_filter", "the prompt was blocked: SAFETY")
        );
    }
    for (theirs, ours) in [("STOP", "stop"), ("SAFETY", "content_filter"), ("RECITATION", "content_filter")] {
        let answer = rig.answered(plain(), &reply(&json!([]), theirs, &json!({}))).await;
        assert_eq!(said(&answer).finish_reason, ours);
    }
    rig.server.becomes(Script::Answers(
        200,
        vec![],
        reply(&json!([]), "MALFORMED_FUNCTION_CALL", &json!({})).to_string(),
    ));
    let error = rig.asked(plain()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ModelFailed);
    assert!(error.to_string().contains("MALFORMED_FUNCTION_CALL"));
}

#[tokio::test]
async fn gemini_embeds_in_batches_of_unit_length() {
    let rig = gemini().await;
    rig.server.becomes(Script::Says(""));
    let texts = vec!["a".to_owned(); 101];
    let embed = |input_type: &str| {
        model_input::Kind::Embed(EmbedInput { texts: texts.clone(), dimensions: 2, input_type: input_type.into() })
    };
    let answer = rig.provider.invoke(order(embed("query"), LONG)).await.unwrap();
    let Some(model_output::Kind::Embed(output)) = answer.output.kind else { panic!("no embeddings") };
    assert_eq!((output.dimensions, output.values.len()), (2, 202));
    assert!((output.values[0] - 0.6).abs() < 1e-6 && (output.values[201] - 0.8).abs() < 1e-6);
    let requests = rig.server.requests();
    let counts: Vec<usize> =
        requests.iter().map(|request| request.body["requests"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [100, 1]);
    assert_eq!(requests[0].path, "/v1beta/models/m-upstream:batchEmbedContents");
    let expected = json!({"model": "models/m-upstream", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2});
    assert_eq!(requests[0].body["requests"][0], expected);
    let error = rig.provider.invoke(order(embed("poem"), LONG)).await.unwrap_err();
    assert!(error.to_string().contains("input_type"));
}

#[tokio::test]
async fn gemini_streams_survive_cuts_and_break_with_errors() {
    let rig = gemini().await;
    let events = [
        data(&chunk(&json!([{"text": "schöne "}]))),
        data(&reply(&json!([{"text": "Grüße 🦀"}]), "STOP", &json!({"promptTokenCount": 3}))),
    ];
    rig.survives_any_cut(&events.concat(), &["schöne ", "Grüße 🦀"]).await;
    rig.breaks_as_events_do().await;
    let told = rig.breaks_at("slow", data(&slow("1.5s")), ErrorCode::RateLimited).await;
    assert_eq!(told.retry_after, Some(std::time::Duration::from_millis(1500)));
    rig.breaks_at("busy", data(&error(503, "UNAVAILABLE", "x", &json!([]))), ErrorCode::Overloaded).await;
    rig.breaks_at("failed", data(&body("x")), ErrorCode::ModelFailed).await;
}

#[tokio::test]
async fn gemini_refusals_are_typed_and_what_it_cannot_say_is_named() {
    let rig = gemini().await;
    rig.refusals_are_typed_and_keep_secrets().await;
    let key = error(400, "INVALID_ARGUMENT", "API key not valid.", &json!([{"reason": "API_KEY_INVALID"}]));
    rig.server.becomes(Script::Answers(400, vec![], key.to_string()));
    assert_eq!(rig.asked(plain()).await.unwrap_err().code, ErrorCode::FailedPrecondition);
    rig.refuses_by_name(vec![
        ("logit_bias", ChatInput { logit_bias: [("1".to_owned(), 1.0)].into(), ..plain() }),
        ("parallel_tool_calls", ChatInput { parallel_tool_calls: Some(false), ..plain() }),
        ("seed", ChatInput { seed: Some(1 << 40), ..plain() }),
        ("extra_json", ChatInput { extra_json: "{}".into(), ..plain() }),
        ("raw", ChatInput { raw: true, ..plain() }),
    ])
    .await;
}
