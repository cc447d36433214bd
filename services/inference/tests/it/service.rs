//! The service as a process on the bus, with every real model.

use std::time::Duration;

use futures::StreamExt as _;
use orrery_bus::{Bus, CallContext, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    self, ChatInput, ChatMessage, InferenceFrame, InferenceReply, InferenceRequest, ModelInput, inference_frame,
    model_input, model_output,
};
use orrery_testkit::{NatsServer, Process, eventually_within};
use tempfile::TempDir;

/// Every model is loaded first.
const PATIENCE: Duration = Duration::from_secs(120);

struct Service {
    bus: Bus,
    _process: Process,
    _nats: NatsServer,
    _folder: TempDir,
}

impl Service {
    async fn start() -> Self {
        let nats = NatsServer::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let command = nats.service("inference", env!("CARGO_BIN_EXE_orrery-inference"), folder.path());
        let process = Process::start(command, &folder.path().join("inference.log")).unwrap();
        let bus = nats.connect("router").await.unwrap();
        let service = Self { bus, _process: process, _nats: nats, _folder: folder };
        let ready = eventually_within(PATIENCE, || async { service.invoke(rerank("a", &["b"], 0)).await.ok() }).await;
        assert!(ready.is_some(), "{}", service._process.log());
        service
    }

    async fn invoke(&self, kind: model_input::Kind) -> Result<InferenceReply, Error> {
        let context = CallContext::within(Duration::from_secs(60));
        self.bus.call(verbs::inference::INVOKE, &context, &request(kind)).await
    }
}

fn request(kind: model_input::Kind) -> InferenceRequest {
    InferenceRequest { input: Some(ModelInput { kind: Some(kind) }), ..Default::default() }
}

fn rerank(query: &str, documents: &[&str], top_n: u32) -> model_input::Kind {
    let documents = documents.iter().map(|&document| document.to_owned()).collect();
    model_input::Kind::Rerank(v1::RerankInput { query: query.into(), documents, top_n })
}

fn chat(input: ChatInput) -> model_input::Kind {
    let message = ChatMessage { role: "user".into(), content: "Count to a thousand.".into(), ..Default::default() };
    model_input::Kind::Chat(ChatInput { messages: vec![message], ..input })
}

#[actix::test]
async fn documents_are_ranked_vectors_are_whole_and_what_no_model_can_is_said() {
    let service = Service::start().await;
    let documents = [
        "The invoice is due in June.",
        "Water ran from a burst pipe into the kitchen.",
        "A storm took tiles off the roof.",
    ];
    let reply = service.invoke(rerank("leaking water pipe", &documents, 2)).await.unwrap();
    let Some(model_output::Kind::Rerank(ranked)) = reply.output.and_then(|output| output.kind) else {
        panic!("no ranking")
    };
    assert_eq!(ranked.results.iter().map(|it| it.index).collect::<Vec<_>>()[0], 1);
    assert_eq!(ranked.results.len(), 2);
    assert!(ranked.results.iter().all(|it| (0.0..=1.0).contains(&it.score)), "{ranked:?}");
    assert!(reply.usage.is_some_and(|usage| usage.input_tokens > 20));
    assert_eq!(reply.models[0].name, "all-minilm-l6-v2");

    let embed = |dimensions| v1::EmbedInput { texts: vec!["a".into()], dimensions, ..Default::default() };
    assert!(service.invoke(model_input::Kind::Embed(embed(384))).await.is_ok());
    let error = service.invoke(model_input::Kind::Embed(embed(256))).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);

    for (kind, word) in [
        (model_input::Kind::Moderate(v1::ModerateInput::default()), "moderates"),
        (model_input::Kind::Image(v1::ImageInput::default()), "pictures"),
        (model_input::Kind::Read(v1::ReadInput { translate: true, ..Default::default() }), "translates"),
    ] {
        let error = service.invoke(kind).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NoModel);
        assert!(error.message.contains(word) && error.message.contains("provider"), "{error}");
    }
    let error = service.invoke(rerank("", &["a"], 0)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);

    // A stream ends with the whole; one that is dropped makes way for the next call.
    let context = CallContext::within(Duration::from_secs(60));
    let endless = chat(ChatInput { max_tokens: 8_000, ..Default::default() });
    let mut frames = service.bus.call_stream(verbs::inference::STREAM, &context, &request(endless)).await.unwrap();
    frames.next().await.unwrap().unwrap();
    drop(frames);
    let brief = chat(ChatInput { max_tokens: 4, n: 2, ..Default::default() });
    let frames = service.bus.call_stream(verbs::inference::STREAM, &context, &request(brief)).await.unwrap();
    let frames: Vec<InferenceFrame> = frames.map(Result::unwrap).collect().await;
    let Some((InferenceFrame { kind: Some(inference_frame::Kind::Done(done)) }, deltas)) = frames.split_last() else {
        panic!("{frames:?}")
    };
    let Some(model_output::Kind::Chat(whole)) = done.output.clone().and_then(|output| output.kind) else {
        panic!("{done:?}")
    };
    let mut texts = [String::new(), String::new()];
    for frame in deltas {
        let Some(inference_frame::Kind::Delta(delta)) = &frame.kind else { panic!("{frame:?}") };
        texts[delta.index as usize].push_str(&delta.text);
    }
    assert_eq!(texts, [whole.text.clone(), whole.others[0].text.clone()]);
    assert_eq!(done.usage.as_ref().map(|usage| usage.output_tokens), Some(8));
}
