//! Providers that speak OpenAI's interface, over real HTTP.

use std::sync::Arc;

use orrery_errors::ErrorCode;
use orrery_proto::v1::{EmbedInput, model_input, model_output};
use orrery_providers::Provider;
use orrery_standins::openai::{DONE, OpenaiServer, Script, delta, event, finish, usage};
use serde_json::json;

use crate::contract::{Does, KEY, LONG, Rig, chat, collect, failure, made, order, suite, text};
use crate::conversation::{Said, rich};
use crate::{conversation, faults};

pub struct OpenaiRig {
    pub provider: Arc<dyn Provider>,
    pub server: OpenaiServer,
}

impl Rig for OpenaiRig {
    fn provider(&self) -> Arc<dyn Provider> {
        self.provider.clone()
    }

    fn model(&self, does: Does) {
        let refuses = |status, headers, message: &str| {
            Script::Refuses(
                status,
                headers,
                json!({"error": {"message": message, "type": "x", "code": null}}).to_string(),
            )
        };
        self.server.becomes(match does {
            Does::Says(text) => Script::Says(text),
            Does::BreaksOff => Script::Streams(vec![event(&delta("half "))]),
            Does::IsOverloaded => refuses(503, vec![], "too busy"),
            Does::AsksToWait(wait) => refuses(429, vec![("retry-after", wait.as_secs().to_string())], "slow down"),
            Does::RefusesTheRequest => refuses(400, vec![], "max_tokens is too large"),
            Does::Hangs => Script::Hangs,
            Does::Babbles => Script::Babbles,
        });
    }

    fn abandoned(&self) -> usize {
        self.server.abandoned.load(std::sync::atomic::Ordering::SeqCst)
    }
}

async fn openai(script: Script) -> OpenaiRig {
    let server = OpenaiServer::start(script).await;
    let provider = made("openai", Some(&server.base_url), &[]).await.unwrap();
    OpenaiRig { provider, server }
}

#[tokio::test]
async fn openai_keeps_the_contract() {
    suite(&openai(Script::Hangs).await).await;
}

#[tokio::test]
async fn openai_speaks_of_tools_choices_probabilities_and_thoughts() {
    let all = [Said::CallsTools, Said::TwoChoices, Said::Probabilities, Said::Thoughts];
    conversation::suite(&openai(Script::Hangs).await, &all).await;
}

#[tokio::test]
async fn openai_fails_as_told() {
    faults::suite("openai", &[], str::to_owned).await;
}

#[tokio::test]
async fn openai_is_told_of_tools_and_formats() {
    let rig = openai(Script::Says("hi")).await;
    rig.provider.invoke(order(rich(), LONG)).await.unwrap();
    let body = rig.server.last().body;
    assert_eq!(body["tools"][0]["function"]["name"], "look");
    assert_eq!(body["tool_choice"], "required");
    let schema = json!({"name": "animal", "schema": {"type": "object"}, "strict": true});
    assert_eq!(body["response_format"], json!({"type": "json_schema", "json_schema": schema}));
    assert_eq!(body["messages"][2], json!({"role": "tool", "content": "a cat", "tool_call_id": "call_a01"}));
}

#[tokio::test]
async fn openais_limits_are_told() {
    let rig = openai(Script::Says("hi")).await;
    *rig.server.headers.lock() = vec![
        ("x-ratelimit-remaining-requests", "59".to_owned()),
        ("x-ratelimit-remaining-tokens", "149984".to_owned()),
    ];
    let quota = rig.provider.invoke(order(chat(), LONG)).await.unwrap().quota.unwrap();
    assert_eq!((quota.requests, quota.tokens, quota.pause()), (Some(59), Some(149_984), None));
}

/// What servers do each in their way: comments to keep the connection, no count, a count in every chunk, no `[DONE]`.
#[tokio::test]
async fn openai_streams_of_other_servers_are_read() {
    let counted = |text: &str, output: u64| {
        let mut chunk = delta(text);
        chunk["usage"] = json!({"prompt_tokens": 5, "completion_tokens": output});
        event(&chunk)
    };
    let groq = event(&json!({"choices": [], "x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}}));
    let end = || event(&finish());
    let table = [
        (
            "comments",
            vec![
                b": OPENROUTER PROCESSING\n\n".to_vec(),
                counted("a ", 1),
                b": keep-alive\n\n".to_vec(),
                counted("b", 2),
                end(),
                DONE.to_vec(),
            ],
            (5, 2),
        ),
        ("a count in every chunk and no end", vec![counted("a ", 1), counted("b", 2), end()], (5, 2)),
        ("Groq's count", vec![event(&delta("a ")), event(&delta("b")), end(), groq, DONE.to_vec()], (5, 2)),
        ("no count", vec![event(&delta("a ")), event(&delta("b")), end(), DONE.to_vec()], (4, 1)),
    ];
    for (what, parts, counted) in table {
        let rig = openai(Script::StreamsWhole(parts)).await;
        let (deltas, last) = collect(&*rig.provider, LONG).await;
        assert_eq!(deltas, ["a ", "b"], "{what}");
        let usage = last.unwrap_or_else(|error| panic!("{what}: {error}")).usage;
        assert_eq!((usage.input_tokens, usage.output_tokens), counted, "{what}");
    }
}

#[tokio::test]
async fn openai_that_does_not_stream_answers_in_one_piece() {
    let whole =
        json!({"model": "m-2026", "choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}]});
    let rig = openai(Script::Refuses(200, vec![], whole.to_string())).await;
    let (deltas, last) = collect(&*rig.provider, LONG).await;
    assert_eq!((deltas, text(&last.unwrap())), (vec!["all at once".to_owned()], "all at once"));
}

#[tokio::test]
async fn openai_is_sent_what_its_interface_wants() {
    let rig = openai(Script::Says("hi")).await;
    rig.provider.invoke(order(chat(), LONG)).await.unwrap();
    collect(&*rig.provider, LONG).await.1.unwrap();
    let requests = rig.server.requests.lock().clone();
    assert_eq!(requests[0].path, "/v1/chat/completions");
    assert!(requests[0].headers.contains(&format!("authorization: Bearer {KEY}")), "{}", requests[0].headers);
    let expected = json!({"model": "m-upstream", "max_tokens": 16, "temperature": 0.0, "seed": 7, "stop": ["\n"], "stream": false,
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "grüße"}]});
    assert_eq!(requests[0].body, expected);
    assert_eq!(requests[1].body["stream_options"], json!({"include_usage": true}));
    assert!(!format!("{:?}", rig.provider).contains(KEY));
}

#[tokio::test]
async fn openai_embeddings_come_in_order_and_of_unit_length() {
    let rig = openai(Script::Says("embedder-3")).await;
    let input = model_input::Kind::Embed(EmbedInput { texts: vec!["a".into(), "b".into()], ..EmbedInput::default() });
    let answer = rig.provider.invoke(order(input, LONG)).await.unwrap();
    let Some(model_output::Kind::Embed(embed)) = answer.output.kind else { panic!("no embeddings") };
    assert_eq!(embed.dimensions, 2);
    let expected = [3.0 / 5.0, 4.0 / 5.0, 3.0 / 34f32.sqrt(), 5.0 / 34f32.sqrt()];
    assert!(embed.values.iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-6), "{:?}", embed.values);
    assert_eq!(answer.models[0].version, "embedder-3");
}

#[tokio::test]
async fn openai_streams_survive_any_cut() {
    let mut body: Vec<u8> =
        [delta("schöne "), delta("Grüße 🦀"), finish(), usage(5, 4)].iter().flat_map(event).collect();
    body.extend_from_slice(DONE);
    for size in [1, 2, 3, 7, 64, body.len()] {
        let rig = openai(Script::Streams(body.chunks(size).map(<[u8]>::to_vec).collect())).await;
        let (deltas, last) = collect(&*rig.provider, LONG).await;
        assert_eq!(deltas, ["schöne ", "Grüße 🦀"], "cut every {size} bytes");
        assert_eq!(last.unwrap().usage.input_tokens, 5);
    }
}

#[tokio::test]
async fn openai_broken_streams_are_errors() {
    let cut_in_a_character = event(&delta("🦀"))[..60].to_vec();
    let in_stream_error = event(&json!({"error": {"message": "the server had an error", "type": "server_error"}}));
    let table = [
        ("html", b"<html>oops</html>\n\n".to_vec()),
        ("no JSON", b"data: {not json}\n\n".to_vec()),
        ("not UTF-8", b"data: \xff\xfe\n\n".to_vec()),
        ("cut inside an event", cut_in_a_character),
        ("an error in the stream", in_stream_error),
        ("nothing", Vec::new()),
    ];
    for (what, tail) in table {
        let parts = if tail.is_empty() { vec![event(&delta("half "))] } else { vec![event(&delta("half ")), tail] };
        let rig = openai(Script::Streams(parts)).await;
        let (deltas, last) = collect(&*rig.provider, LONG).await;
        assert_eq!(deltas, ["half "], "{what}");
        assert_eq!(last.unwrap_err().code, ErrorCode::ModelFailed, "{what}");
    }
}

#[tokio::test]
async fn openai_refusals_are_typed_and_keep_secrets() {
    let wrong_key = json!({"error": {"message": format!("Incorrect API key provided: {KEY}")}}).to_string();
    let table = [
        (401, wrong_key.clone(), ErrorCode::FailedPrecondition),
        (403, wrong_key, ErrorCode::FailedPrecondition),
        (404, "{}".to_owned(), ErrorCode::FailedPrecondition),
        (422, "{}".to_owned(), ErrorCode::InvalidRequest),
        (500, "<html>Internal Server Error</html>".to_owned(), ErrorCode::ModelFailed),
        (502, String::new(), ErrorCode::ModelFailed),
        (529, "{}".to_owned(), ErrorCode::Overloaded),
        (302, String::new(), ErrorCode::ModelFailed),
        (200, "<html>hello</html>".to_owned(), ErrorCode::ModelFailed),
        (200, json!({"choices": []}).to_string(), ErrorCode::ModelFailed),
    ];
    for (status, body, code) in table {
        let rig = openai(Script::Refuses(status, vec![], body)).await;
        let error = failure(&*rig.provider, LONG).await;
        assert_eq!(error.code, code, "{status}: {error}");
    }
}

#[tokio::test]
async fn openai_that_nobody_serves_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let provider = made("openai", Some(&base_url), &[]).await.unwrap();
    let error = failure(&*provider, LONG).await;
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(error.to_string(), "provider cloud cannot be reached");
}
