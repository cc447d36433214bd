//! Azure's variant of OpenAI's interface.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::ErrorCode;
use orrery_proto::v1::{ModerateInput, ReadInput, model_input, model_output};
use orrery_providers::Provider;
use orrery_standins::openai::answers;
use orrery_standins::openai::{OpenaiServer, Script, event};
use serde_json::json;

use crate::contract::{KEY, LONG, chat, collect, failure, made, order, suite};
use crate::conversation::{Said, Speaks};
use crate::media::World;
use crate::openai::OpenaiRig;
use crate::{conversation, faults};

const VERSION: (&str, &str) = ("api_version", "2024-10-21");

async fn azure(script: Script) -> OpenaiRig {
    let server = OpenaiServer::start(script).await;
    let provider = made("azure", Some(server.root()), &[VERSION]).await.unwrap();
    OpenaiRig { provider, server }
}

#[tokio::test]
async fn azure_keeps_the_contract() {
    suite(&azure(Script::Hangs).await).await;
}

#[tokio::test]
async fn azure_speaks_of_tools_choices_probabilities_and_thoughts() {
    let all = [Said::CallsTools, Said::TwoChoices, Said::Probabilities, Said::Thoughts];
    conversation::suite(&azure(Script::Hangs).await, &all).await;
}

#[tokio::test]
async fn azure_fails_as_told() {
    faults::suite("azure", &[VERSION], |base| base.strip_suffix("/v1").unwrap().to_owned()).await;
}

#[tokio::test]
async fn azure_names_the_deployment_in_the_path_and_the_key_in_its_header() {
    let rig = azure(Script::Says("hi")).await;
    rig.provider.invoke(order(chat(), LONG)).await.unwrap();
    let request = rig.server.last();
    assert_eq!(request.path, "/openai/deployments/m-upstream/chat/completions?api-version=2024-10-21");
    assert!(request.headers.contains(&format!("api-key: {KEY}")), "{}", request.headers);
    assert!(request.headers.contains("x-ms-client-request-id: dec_1"), "{}", request.headers);
    assert!(!request.headers.contains("authorization:"), "{}", request.headers);
    assert_eq!(request.body["max_completion_tokens"], 16);
}

#[tokio::test]
async fn azures_newer_interface_has_its_base() {
    let server = OpenaiServer::start(Script::Says("hi")).await;
    let base = format!("{}/openai/v1", server.root());
    for (options, path) in [
        (vec![], "/openai/v1/chat/completions"),
        (vec![("api_version", "preview")], "/openai/v1/chat/completions?api-version=preview"),
    ] {
        let provider = made("azure", Some(&base), &options).await.unwrap();
        provider.invoke(order(chat(), LONG)).await.unwrap();
        assert_eq!((server.last().path.as_str(), &server.last().body["model"]), (path, &json!("m-upstream")));
    }
}

#[tokio::test]
async fn what_azures_filter_stops_says_what_was_found() {
    let rig = azure(answers::filtered_by_azure()).await;
    let error = failure(&*rig.provider, LONG).await;
    assert_eq!(
        (error.code, error.detail.clone()),
        (ErrorCode::PolicyDenied, Some(json!({"content_filter": ["violence"]})))
    );
    // An answer that is stopped half way ends with its own reason, after a chunk that judges the prompt alone.
    let prompt = json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]});
    let stopped = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter", "content_filter_results": {"hate": {"filtered": true}}}]});
    let parts = [prompt, orrery_standins::openai::delta("half "), stopped].iter().map(event).collect();
    rig.server.becomes(Script::StreamsWhole(parts));
    let (deltas, last) = collect(&*rig.provider, LONG).await;
    let answer = last.unwrap();
    let Some(model_output::Kind::Chat(chat)) = &answer.output.kind else { panic!("no chat") };
    assert_eq!((deltas, chat.finish_reason.as_str()), (vec!["half ".to_owned()], "content_filter"));
}

#[tokio::test]
async fn azures_limits_are_told() {
    let rig = azure(Script::Says("hi")).await;
    let limits = [
        ("x-ratelimit-remaining-requests", "0".to_owned()),
        ("x-ratelimit-remaining-tokens", "900".to_owned()),
        ("x-ratelimit-reset-requests", "2s".to_owned()),
    ];
    *rig.server.headers.lock() = limits.to_vec();
    let quota = rig.provider.invoke(order(chat(), LONG)).await.unwrap().quota.unwrap();
    assert_eq!((quota.requests, quota.tokens, quota.pause()), (Some(0), Some(900), Some(Duration::from_secs(2))));
    assert_eq!(collect(&*rig.provider, LONG).await.1.unwrap().quota, Some(quota));
    // A refusal without a time of its own has that of the limits.
    rig.server.becomes(Script::Refuses(429, limits.to_vec(), "{}".to_owned()));
    assert_eq!(failure(&*rig.provider, LONG).await.retry_after, Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn azure_hears_and_refuses_what_it_has_not() {
    let world = World::new("azure", &[VERSION]).await;
    let blob = world.stored(b"RIFF-sound", "audio/wav").await;
    world.ask(model_input::Kind::Read(ReadInput { blob: Some(blob), ..ReadInput::default() })).await;
    let path = "/openai/deployments/m-upstream/audio/transcriptions?api-version=2024-10-21";
    assert_eq!(world.server.last().path, path);
    let error = world.refusal(model_input::Kind::Moderate(ModerateInput { texts: vec!["a".into()] })).await;
    assert!(error.code == ErrorCode::NoModel && error.message.contains("moderation"), "{error}");
}

impl Speaks for OpenaiRig {
    fn provider(&self) -> Arc<dyn Provider> {
        self.provider.clone()
    }

    fn says(&self, said: Said) {
        self.server.becomes(match said {
            Said::CallsTools => answers::calls_tools(),
            Said::TwoChoices => answers::two_choices(),
            Said::Probabilities => answers::tells_probabilities(),
            Said::Thoughts => answers::thinks(),
        });
    }
}
