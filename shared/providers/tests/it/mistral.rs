//! Mistral's interface.

use std::time::Duration;

use orrery_errors::ErrorCode;
use orrery_proto::v1::{ChatInput, ChatMessage, EmbedInput, ModerateInput, ReadInput, model_input, model_output};
use orrery_standins::openai::{DONE, OpenaiServer, Script, event, finish, usage};
use serde_json::json;

use crate::contract::{LONG, chat, collect, failure, made, order, suite, text};
use crate::conversation::{Said, rich};
use crate::media::{World, content};
use crate::openai::OpenaiRig;
use crate::{conversation, faults};

async fn mistral(script: Script) -> OpenaiRig {
    let server = OpenaiServer::start(script).await;
    let provider = made("mistral", Some(&server.base_url), &[("safe_prompt", "yes")]).await.unwrap();
    OpenaiRig { provider, server }
}

#[tokio::test]
async fn mistral_keeps_the_contract() {
    suite(&mistral(Script::Hangs).await).await;
}

#[tokio::test]
async fn mistral_speaks_of_tools_choices_and_thoughts() {
    conversation::suite(&mistral(Script::Hangs).await, &[Said::CallsTools, Said::TwoChoices, Said::Thoughts]).await;
}

#[tokio::test]
async fn mistral_fails_as_told() {
    faults::suite("mistral", &[], str::to_owned).await;
}

#[tokio::test]
async fn mistral_is_sent_its_own_words() {
    let rig = mistral(Script::Says("hi")).await;
    collect(&*rig.provider, LONG).await.1.unwrap();
    let body = rig.server.last().body;
    assert_eq!(
        (&body["random_seed"], &body["safe_prompt"], &body["max_tokens"]),
        (&json!(7), &json!(true), &json!(16))
    );
    assert!(body.get("seed").is_none() && body.get("stream_options").is_none(), "{body}");
    rig.provider.invoke(order(rich(), LONG)).await.unwrap();
    let body = rig.server.last().body;
    assert_eq!(body["tool_choice"], "any");
    let id = body["messages"][1]["tool_calls"][0]["id"].as_str().unwrap();
    assert_eq!((id.len(), &body["messages"][2]["tool_call_id"]), (9, &json!(id)));
    assert_eq!(body["response_format"]["json_schema"]["name"], "animal");
}

#[tokio::test]
async fn mistrals_thoughts_come_in_parts() {
    let rig = mistral(Script::Hangs).await;
    let part = |content| json!({"model": "magistral-2507", "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}]});
    let thought = part(json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]));
    let mut stream: Vec<_> = [thought, part(json!("yes")), finish(), usage(3, 4)].iter().map(event).collect();
    stream.push(DONE.to_vec());
    rig.server.becomes(Script::Streams(stream));
    let answer = collect(&*rig.provider, LONG).await.1.unwrap();
    let Some(model_output::Kind::Chat(chat)) = &answer.output.kind else { panic!("no chat") };
    assert_eq!(
        (chat.reasoning.as_str(), text(&answer), answer.models[0].version.as_str()),
        ("hm", "yes", "magistral-2507")
    );
}

#[tokio::test]
async fn mistrals_faults_and_limits_are_read() {
    let faults = json!({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]}, "type": "invalid_request_error"});
    let rig = mistral(Script::Refuses(422, vec![], faults.to_string())).await;
    let error = failure(&*rig.provider, LONG).await;
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(error.message.contains("body.x: Extra inputs are not permitted"), "{error}");
    let limits = vec![("x-ratelimit-remaining-req-minute", "0".to_owned())];
    rig.server.becomes(Script::Refuses(
        429,
        limits.clone(),
        json!({"message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}).to_string(),
    ));
    let error = failure(&*rig.provider, LONG).await;
    assert_eq!((error.code, error.retry_after), (ErrorCode::RateLimited, Some(Duration::from_secs(60))));
    *rig.server.headers.lock() = limits;
    rig.server.becomes(Script::Says("hi"));
    assert_eq!(rig.provider.invoke(order(chat(), LONG)).await.unwrap().quota.unwrap().requests, Some(0));
}

#[tokio::test]
async fn mistral_refuses_by_name_what_it_has_no_word_for() {
    let rig = mistral(Script::Says("hi")).await;
    let named = ChatMessage { name: "ann".into(), ..ChatMessage::default() };
    let table = [
        (ChatInput { top_k: Some(4), ..ChatInput::default() }, "top_k"),
        (ChatInput { logprobs: true, ..ChatInput::default() }, "logprobs"),
        (ChatInput { logit_bias: [("7".to_owned(), 1.0)].into(), ..ChatInput::default() }, "logit_bias"),
        (ChatInput { reasoning_effort: "low".into(), ..ChatInput::default() }, "reasoning_effort"),
        (ChatInput { raw: true, ..ChatInput::default() }, "raw"),
        (ChatInput { messages: vec![named], ..ChatInput::default() }, "names of speakers"),
    ];
    for (input, what) in table {
        let error = rig.provider.invoke(order(model_input::Kind::Chat(input), LONG)).await.unwrap_err();
        assert!(!error.code.retryable() && error.message.contains(what), "{what}: {error}");
    }
    assert_eq!(rig.server.calls(), 0);
}

#[tokio::test]
async fn mistral_hears_embeds_and_judges() {
    let world = World::new("mistral", &[]).await;
    let blob = world.stored(b"ID3-sound", "audio/mpeg").await;
    let input = ReadInput { blob: Some(blob), ..ReadInput::default() };
    let answer = world.ask(model_input::Kind::Read(input.clone())).await;
    assert_eq!(world.server.last().field("timestamp_granularities").as_deref(), Some("segment"));
    assert_eq!((answer.usage.audio_ms, answer.models[0].version.as_str()), (2000, "voxtral-mini-2507"));
    assert_eq!(content(&answer)["warnings"][0]["code"], "no_confidence");
    let error = world.refusal(model_input::Kind::Read(ReadInput { prompt: "x".into(), ..input.clone() })).await;
    assert_eq!(error.code, ErrorCode::UnsupportedMedia, "{error}");
    let error = world.refusal(model_input::Kind::Read(ReadInput { translate: true, ..input })).await;
    assert_eq!(error.code, ErrorCode::NoModel, "{error}");

    let embed = EmbedInput { texts: vec!["a".into()], dimensions: 2, ..EmbedInput::default() };
    world.ask(model_input::Kind::Embed(embed)).await;
    assert_eq!(world.server.last().body["output_dimension"], 2);

    let told = json!({"id": "x", "model": "mistral-moderation-2411", "results": [{"categories": {"pii": true, "law": false}, "category_scores": {"pii": 0.8, "law": 0.1}}]});
    world.server.becomes(Script::Answers(told, vec![]));
    let answer = world.ask(model_input::Kind::Moderate(ModerateInput { texts: vec!["a".into()] })).await;
    let Some(model_output::Kind::Moderate(judged)) = &answer.output.kind else { panic!("not judged") };
    assert!(judged.results[0].flagged && judged.results[0].categories["pii"]);
}
