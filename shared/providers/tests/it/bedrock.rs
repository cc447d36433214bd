//! Amazon Bedrock, signed to and by a bearer token.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_errors::ErrorCode;
use orrery_proto::v1::{ChatInput, ChatMessage, EmbedInput, ToolChoice, model_input, model_output};
use orrery_providers::{LocalSecrets, Provider, Setup, SetupError};
use orrery_routing::catalogue::{Location, Provider as Entry, SecretRef};
use orrery_standins::bedrock::{
    ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SESSION_TOKEN, VENDOR, end, event, exception, message as binary, reply,
    text_delta, usage,
};
use orrery_standins::http::{Script, Server};
use orrery_testkit::NatsServer;
use serde_json::{Value, json};

use crate::contract::{KEY, LONG, order, suite};
use crate::vendor::{
    Faults, SCHEMA, VendorRig, calls, document_part, linked_image, message, plain, said, tool, with_format, with_tools,
};

fn body(message: &str) -> Value {
    json!({"message": message})
}

fn faults() -> Faults {
    Faults {
        overloaded: || {
            let kind = vec![("x-amzn-errortype", "ServiceUnavailableException".to_owned())];
            Script::Answers(503, kind, body("busy").to_string())
        },
        wait: |wait| {
            let headers = vec![
                ("x-amzn-errortype", "ThrottlingException".to_owned()),
                ("retry-after", wait.as_secs().to_string()),
            ];
            Script::Answers(429, headers, body("Too many requests").to_string())
        },
        refused: || Script::Answers(400, vec![], body("maxTokens is too large").to_string()),
        body,
    }
}

fn chat() -> ChatInput {
    ChatInput {
        messages: vec![message("system", "be brief"), message("user", "grüße")],
        max_tokens: 16,
        temperature: Some(0.1),
        stop: vec!["\n".into()],
        ..ChatInput::default()
    }
}

async fn bedrock(options: &[(&str, &str)]) -> VendorRig {
    let options: Vec<_> = [("region", REGION)].into_iter().chain(options.iter().copied()).collect();
    VendorRig::start(VENDOR, "bedrock", &options, faults(), chat).await
}

/// With keys that requests are signed by.
async fn signing(base_url: &str, secret: &str) -> Result<Arc<dyn Provider>, SetupError> {
    let nats = NatsServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut secrets = BTreeMap::new();
    for (name, value) in
        [("access_key_id", ACCESS_KEY_ID), ("secret_access_key", secret), ("session_token", SESSION_TOKEN)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, value).unwrap();
        secrets.insert(name.to_owned(), SecretRef::File(path.to_string_lossy().into_owned()));
    }
    let entry = Entry {
        name: "cloud".into(),
        kind: "bedrock".into(),
        location: Location::External,
        base_url: Some(base_url.to_owned()),
        api_key: None,
        options: [("region".to_owned(), REGION.to_owned())].into(),
        secrets,
    };
    let setup = Setup { bus: nats.connect("router").await.unwrap(), secrets: Arc::new(LocalSecrets) };
    orrery_providers::provider(&entry, &setup)
}

#[tokio::test]
async fn bedrock_keeps_the_contract_by_a_token_and_by_signatures() {
    suite(&bedrock(&[]).await).await;
    let server = Server::start(VENDOR, Script::Hangs).await;
    let provider = signing(&server.base_url, SECRET_ACCESS_KEY).await.unwrap();
    suite(&VendorRig { provider, server, faults: faults(), chat }).await;
}

#[tokio::test]
async fn bedrock_is_signed_to() {
    let server = Server::start(VENDOR, Script::Says("hi")).await;
    let provider = signing(&server.base_url, SECRET_ACCESS_KEY).await.unwrap();
    let rig = VendorRig { provider, server, faults: faults(), chat };
    // Names with colons and slashes are where signatures go wrong.
    let arn = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0";
    let mut asked = order(model_input::Kind::Chat(plain()), LONG);
    asked.upstream = arn.into();
    rig.provider.invoke(asked.clone()).await.unwrap();
    let request = rig.server.requests().pop().unwrap();
    let path = "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.anthropic.claude-x-v1%3A0/converse";
    assert_eq!(request.path, path);
    assert_eq!(request.header("x-amz-security-token"), Some(SESSION_TOKEN));
    assert!(!request.headers.contains(SECRET_ACCESS_KEY));
    let debug = format!("{:?}", rig.provider);
    assert!(![ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN].iter().any(|secret| debug.contains(secret)), "{debug}");

    let wrong = signing(&rig.server.base_url, "another").await.unwrap();
    let error = wrong.invoke(asked).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::FailedPrecondition);
    assert!(!error.to_string().contains("another"));
}

#[tokio::test]
async fn bedrock_is_sent_what_its_interface_wants() {
    let rig = bedrock(&[]).await;
    rig.server.becomes(Script::Says("hi"));
    rig.asked(chat()).await.unwrap();
    let request = rig.server.requests().pop().unwrap();
    assert_eq!(request.path, "/model/m-upstream/converse");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let expected = json!({"system": [{"text": "be brief"}], "messages": [{"role": "user", "content": [{"text": "grüße"}]}],
        "inferenceConfig": {"maxTokens": 16, "temperature": 0.1, "stopSequences": ["\n"]}});
    assert_eq!(request.body, expected);

    let mut input = with_tools();
    (input.messages[2].reasoning, input.messages[2].reasoning_signature) = ("hm".into(), "sig".into());
    input.messages[3].tool_failed = true;
    let parts = vec![document_part("application/pdf", b"%PDF")];
    input.messages.push(ChatMessage { parts, ..message("user", "") });
    input.tool_choice = Some(ToolChoice { mode: "tool".into(), name: "weather".into() });
    input.tools[0].strict = true;
    rig.asked(input).await.unwrap();
    let sent = rig.last_body();
    let expected = json!([
        {"role": "user", "content": [{"text": "here?"}, {"image": {"format": "png", "source": {"bytes": "AQID"}}}]},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
            {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Köln"}}}]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "call_1", "content": [{"text": "rain"}], "status": "error"}},
            {"document": {"format": "pdf", "name": "a pdf (1)", "source": {"bytes": "JVBERg=="}}}]},
    ]);
    assert_eq!(sent["messages"], expected);
    assert_eq!(sent["toolConfig"]["toolChoice"], json!({"tool": {"name": "weather"}}));
    let spec = json!({"name": "weather", "description": "of a city", "strict": true,
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}}});
    assert_eq!(sent["toolConfig"]["tools"], json!([{"toolSpec": spec}]));

    let thinks = ChatInput { reasoning_tokens_max: 2000, top_k: Some(5), ..plain() };
    let mut asked = order(model_input::Kind::Chat(thinks.clone()), LONG);
    asked.upstream = "eu.anthropic.claude-x-v1:0".into();
    rig.provider.invoke(asked).await.unwrap();
    let additional = json!({"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 2000}});
    assert_eq!(rig.last_body()["additionalModelRequestFields"], additional);
    let none = ToolChoice { mode: "none".into(), name: String::new() };
    rig.refuses_by_name(vec![
        ("top_k", ChatInput { reasoning_tokens_max: 0, ..thinks.clone() }),
        ("reasoning", ChatInput { top_k: None, ..thinks }),
        ("tool_choice", ChatInput { tool_choice: Some(none), ..with_tools() }),
        ("send its bytes in a data URL", linked_image()),
    ])
    .await;
}

#[tokio::test]
async fn bedrock_answers_with_calls_thoughts_and_counts() {
    let rig = bedrock(&[]).await;
    let content = json!([{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}}, {"text": "let me see"},
        {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Köln"}}}]);
    let counts = json!({"inputTokens": 5, "outputTokens": 9, "totalTokens": 14, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 7});
    let whole = rig.answered(with_tools(), &reply(&content, "tool_use", &counts)).await;
    let delta =
        |index: u32, delta: Value| event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta}));
    let begins = json!({"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}});
    let events = [
        event("messageStart", &json!({"role": "assistant"})),
        delta(0, json!({"reasoningContent": {"text": "hm"}})),
        delta(0, json!({"reasoningContent": {"signature": "sig"}})),
        event("contentBlockStop", &json!({"contentBlockIndex": 0})),
        text_delta(1, "let me "),
        text_delta(1, "see"),
        event("contentBlockStart", &begins),
        delta(2, json!({"toolUse": {"input": "{\"city\":"}})),
        delta(2, json!({"toolUse": {"input": "\"Köln\"}"}})),
        event("messageStop", &json!({"stopReason": "tool_use"})),
        event("metadata", &json!({"usage": counts})),
    ];
    let (_, streamed) = rig.stream_of(with_tools(), events.concat()).await;
    for answer in [whole, streamed.unwrap()] {
        assert_eq!(calls(&answer), [("t1", "weather", json!({"city": "Köln"}))]);
        let said = said(&answer);
        let texts = [&said.text, &said.reasoning, &said.reasoning_signature, &said.finish_reason];
        assert_eq!(texts, ["let me see", "hm", "sig", "tool_calls"]);
        let usage = answer.usage;
        let counts = [usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens, usage.output_tokens];
        assert_eq!(counts, [112, 100, 7, 9]);
    }
    for (theirs, ours) in [("max_tokens", "length"), ("guardrail_intervened", "content_filter"), ("end_turn", "stop")] {
        let answer = rig.answered(plain(), &reply(&json!([]), theirs, &usage(1))).await;
        assert_eq!(said(&answer).finish_reason, ours);
    }
    rig.server.becomes(Script::Answers(200, vec![], reply(&json!([]), "malformed_tool_use", &usage(1)).to_string()));
    assert_eq!(rig.asked(plain()).await.unwrap_err().code, ErrorCode::ModelFailed);
}

#[tokio::test]
async fn bedrock_keeps_formats_by_its_own_word_or_by_a_tool() {
    let rig = bedrock(&[]).await;
    rig.server.becomes(Script::Says("{\"a\":1}"));
    rig.asked(with_format("json_schema")).await.unwrap();
    let format = rig.last_body()["outputConfig"]["textFormat"].clone();
    assert_eq!((&format["type"], &format["structure"]["jsonSchema"]["name"]), (&json!("json_schema"), &json!("out")));
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let sent: Value = serde_json::from_str(format["structure"]["jsonSchema"]["schema"].as_str().unwrap()).unwrap();
    assert_eq!(sent, schema);

    let rig = bedrock(&[("structured_output", "tool")]).await;
    let content = json!([{"text": "so"}, {"toolUse": {"toolUseId": "t", "name": "answer", "input": {"a": 1}}}]);
    let whole = rig.answered(with_format("json_schema"), &reply(&content, "tool_use", &usage(1))).await;
    let config = rig.last_body()["toolConfig"].clone();
    assert_eq!(config["toolChoice"], json!({"tool": {"name": "answer"}}));
    assert_eq!(config["tools"][0]["toolSpec"]["inputSchema"]["json"], schema);
    let begins = json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "answer"}}});
    let part = |text: &str| {
        event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": text}}}))
    };
    let events = [event("contentBlockStart", &begins), part("{\"a\":"), part("1}"), end("tool_use", 1)];
    let (_, streamed) = rig.stream_of(with_format("json_object"), events.concat()).await;
    for answer in [whole, streamed.unwrap()] {
        let said = said(&answer);
        assert_eq!((said.text.as_str(), said.finish_reason.as_str(), said.tool_calls.len()), ("{\"a\":1}", "stop", 0));
    }
    let both = ChatInput { tools: vec![tool()], ..with_format("json_object") };
    rig.refuses_by_name(vec![("tools beside", both)]).await;
}

#[tokio::test]
async fn bedrock_embeds_with_titan_and_cohere() {
    let rig = bedrock(&[]).await;
    rig.server.becomes(Script::Says(""));
    let embed = |upstream: &str, texts: usize| {
        let texts = vec!["a".to_owned(); texts];
        let input = EmbedInput { texts, dimensions: 256, input_type: "query".into() };
        let mut order = order(model_input::Kind::Embed(input), LONG);
        order.upstream = upstream.into();
        order
    };
    let answer = rig.provider.invoke(embed("amazon.titan-embed-text-v2:0", 3)).await.unwrap();
    let Some(model_output::Kind::Embed(output)) = answer.output.kind else { panic!("no embeddings") };
    assert_eq!((output.dimensions, output.values.len(), answer.usage.input_tokens), (2, 6, 15));
    assert_eq!(rig.last_body(), json!({"inputText": "a", "dimensions": 256}));
    assert_eq!(rig.server.requests()[0].path, "/model/amazon.titan-embed-text-v2%3A0/invoke");

    let answer = rig.provider.invoke(embed("cohere.embed-v4:0", 97)).await.unwrap();
    let Some(model_output::Kind::Embed(output)) = answer.output.kind else { panic!("no embeddings") };
    assert_eq!(output.values.len(), 194);
    let expected =
        json!({"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 256});
    assert_eq!(rig.last_body(), expected);
    rig.server.becomes(Script::Answers(200, vec![], json!({"embeddings": [[3.0, 4.0]]}).to_string()));
    rig.provider.invoke(embed("cohere.embed-english-v3", 1)).await.unwrap();
    let error = rig.provider.invoke(embed("meta.llama", 1)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NoModel);
}

#[tokio::test]
async fn bedrock_streams_survive_cuts_and_break_with_errors() {
    let rig = bedrock(&[]).await;
    rig.survives_any_cut(
        &[text_delta(0, "schöne "), text_delta(0, "Grüße 🦀"), end("end_turn", 2)].concat(),
        &["schöne ", "Grüße 🦀"],
    )
    .await;
    let whole = text_delta(0, "🦀🦀");
    let wrong = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let event_type = [(":event-type", "contentBlockDelta"), (":message-type", "event")];
    let endless = [u32::MAX.to_be_bytes().as_slice(), &[0; 64]].concat();
    for (what, tail) in [
        ("a wrong checksum of the prelude", wrong(9)),
        ("a wrong checksum of the message", wrong(whole.len() - 1)),
        ("a wrong body", wrong(whole.len() - 20)),
        ("html", b"<html>oops</html>\n\n".to_vec()),
        ("an endless event", endless),
        ("no JSON", binary(&event_type, b"{not json}")),
        ("not UTF-8", binary(&event_type, b"\"\xff\xfe\"")),
        ("wrong JSON", binary(&event_type, b"{\"delta\": 1}")),
    ] {
        rig.breaks_at(what, tail, ErrorCode::ModelFailed).await;
    }
    rig.breaks_off_at(whole[..whole.len() / 2].to_vec()).await;
    for (name, code) in [
        ("throttlingException", ErrorCode::RateLimited),
        ("serviceUnavailableException", ErrorCode::Overloaded),
        ("modelStreamErrorException", ErrorCode::ModelFailed),
        ("internalServerException", ErrorCode::ModelFailed),
        ("validationException", ErrorCode::InvalidRequest),
    ] {
        let told = rig.breaks_at(name, exception(name, "as told"), code).await;
        assert!(told.to_string().contains("as told"), "{told}");
    }
}

#[tokio::test]
async fn bedrock_refusals_are_typed_and_what_it_cannot_say_is_named() {
    let rig = bedrock(&[]).await;
    rig.refusals_are_typed_and_keep_secrets().await;
    let kind = vec![("x-amzn-errortype", "ServiceQuotaExceededException:http://internal".to_owned())];
    rig.server.becomes(Script::Answers(400, kind, body("quota").to_string()));
    assert_eq!(rig.asked(plain()).await.unwrap_err().code, ErrorCode::RateLimited);
    rig.refuses_by_name(vec![
        ("seed", ChatInput { seed: Some(1), ..plain() }),
        ("(n)", ChatInput { n: 2, ..plain() }),
        ("logprobs", ChatInput { logprobs: true, ..plain() }),
        ("parallel_tool_calls", ChatInput { parallel_tool_calls: Some(false), ..plain() }),
        ("raw", ChatInput { raw: true, ..plain() }),
    ])
    .await;
    let missing = crate::contract::made("bedrock", None, &[]).await.unwrap_err();
    assert!(missing.to_string().contains("needs the option region"), "{missing}");
}
