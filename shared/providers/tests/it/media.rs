//! Calls whose payload is in the object store, and those that are no chat, against a server of OpenAI's interface.

use std::sync::Arc;

use orrery_errors::ErrorCode;
use orrery_proto::v1::{
    BlobRef, ChatInput, ChatMessage, EmbedInput, ImageInput, ModerateInput, ReadInput, RerankInput, model_input,
    model_output,
};
use orrery_providers::{Answer, Provider};
use orrery_standins::openai::answers::PICTURE;
use orrery_standins::openai::{OpenaiServer, Script};
use orrery_testkit::NatsServer;
use orrery_types::TenantId;
use serde_json::{Value, json};

use crate::contract::{LONG, made_on, order, text};
use crate::conversation::with_picture;

pub struct World {
    pub nats: NatsServer,
    pub server: OpenaiServer,
    pub provider: Arc<dyn Provider>,
}

impl World {
    pub async fn new(kind: &str, options: &[(&str, &str)]) -> Self {
        let nats = NatsServer::start().await.unwrap();
        let server = OpenaiServer::start(Script::Says("good morning")).await;
        let base = if kind == "azure" { server.root() } else { server.base_url.as_str() };
        let provider = made_on(&nats, kind, Some(base), options).await.unwrap();
        Self { nats, server, provider }
    }

    pub async fn stored(&self, bytes: &[u8], media_type: &str) -> BlobRef {
        let blobs = self.nats.connect("gateway").await.unwrap().blobs().await.unwrap();
        blobs.put(&TenantId::new("acme").unwrap(), bytes, media_type, "private name.bin").await.unwrap()
    }

    pub async fn ask(&self, input: model_input::Kind) -> Answer {
        self.provider.invoke(order(input, LONG)).await.unwrap()
    }

    pub async fn refusal(&self, input: model_input::Kind) -> orrery_errors::Error {
        self.provider.invoke(order(input, LONG)).await.unwrap_err()
    }
}

pub fn content(answer: &Answer) -> Value {
    match &answer.output.kind {
        Some(model_output::Kind::ContentJson(json)) => serde_json::from_str(json).unwrap(),
        other => panic!("expected a content document, got {other:?}"),
    }
}

#[tokio::test]
async fn speech_is_sent_as_a_form_and_comes_back_as_a_content_document() {
    let world = World::new("openai", &[]).await;
    let blob = world.stored(b"RIFF-sound", "audio/wav").await;
    let input = ReadInput { blob: Some(blob), language: "en".into(), prompt: "Orrery".into(), ..ReadInput::default() };
    let answer = world.ask(model_input::Kind::Read(input)).await;
    let request = world.server.last();
    assert_eq!(request.path, "/v1/audio/transcriptions");
    let field = |name: &str| request.field(name);
    assert_eq!(
        (field("model"), field("language"), field("prompt")),
        (Some("m-upstream".into()), Some("en".into()), Some("Orrery".into()))
    );
    assert_eq!(field("response_format").as_deref(), Some("verbose_json"));
    let file = request.form().into_iter().find(|part| part.name == "file").unwrap();
    assert_eq!(
        (file.file_name.as_deref(), file.media_type.as_deref(), file.bytes.as_slice()),
        (Some("audio.wav"), Some("audio/wav"), &b"RIFF-sound"[..])
    );
    let content = content(&answer);
    assert_eq!(
        (&content["modality"], &content["text"], &content["duration_ms"]),
        (&json!("audio"), &json!("good morning"), &json!(2000))
    );
    assert_eq!(content["segments"][0]["span_ms"], json!([0, 1500]));
    let confidence = content["segments"][0]["confidence"].as_f64().unwrap();
    assert!((confidence - (-0.1_f64).exp()).abs() < 1e-6, "{confidence}");
    assert_eq!(answer.usage.audio_ms, 2000);
}

#[tokio::test]
async fn speech_is_translated_and_newer_models_are_asked_for_what_they_give() {
    let world = World::new("openai", &[("transcripts", "text")]).await;
    let blob = world.stored(b"OggS-sound", "audio/ogg").await;
    let input = ReadInput { blob: Some(blob.clone()), translate: true, ..ReadInput::default() };
    world.ask(model_input::Kind::Read(input.clone())).await;
    assert_eq!(world.server.last().path, "/v1/audio/translations");
    let answer = world.ask(model_input::Kind::Read(ReadInput { translate: false, ..input.clone() })).await;
    let request = world.server.last();
    assert_eq!(
        (request.field("response_format").as_deref(), request.field("include[]").as_deref()),
        (Some("json"), Some("logprobs"))
    );
    assert_eq!((answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.audio_ms), (14, 4, 0));
    assert!(content(&answer).get("warnings").is_none());

    let calls = world.server.calls();
    let refused = |input: ReadInput| world.refusal(model_input::Kind::Read(input));
    let error = refused(ReadInput { language: "de".into(), ..input.clone() }).await;
    assert_eq!(error.code, ErrorCode::UnsupportedMedia, "{error}");
    let picture = world.stored(PICTURE, "image/png").await;
    let error = refused(ReadInput { blob: Some(picture), ..ReadInput::default() }).await;
    assert!(error.code == ErrorCode::UnsupportedMedia && error.message.contains("image/png"), "{error}");
    let foreign = BlobRef { key: blob.key.replace("acme", "globex"), ..blob };
    let error = refused(ReadInput { blob: Some(foreign), ..ReadInput::default() }).await;
    assert_eq!(error.code, ErrorCode::NotFound, "{error}");
    assert_eq!(world.server.calls(), calls, "nothing is sent of what is refused");
}

#[tokio::test]
async fn texts_are_judged_one_by_one() {
    let world = World::new("openai", &[]).await;
    let input = ModerateInput { texts: vec!["hello".into(), "I kill you".into()] };
    let answer = world.ask(model_input::Kind::Moderate(input)).await;
    let Some(model_output::Kind::Moderate(judged)) = &answer.output.kind else { panic!("not judged") };
    let flagged: Vec<_> = judged.results.iter().map(|it| (it.flagged, it.categories["violence"])).collect();
    assert_eq!(flagged, [(false, false), (true, true)]);
    assert!((judged.results[1].scores["violence"] - 0.9).abs() < 1e-6);
    assert_eq!(answer.models[0].version, "omni-moderation-2024-09-26");
    world.server.becomes(Script::Answers(json!({"results": []}), vec![]));
    let error = world.refusal(model_input::Kind::Moderate(ModerateInput { texts: vec!["hello".into()] })).await;
    assert!(error.code == ErrorCode::ModelFailed && error.message.contains("0 of 1"), "{error}");
}

#[tokio::test]
async fn images_are_made_changed_and_varied() {
    let world = World::new("openai", &[("images", "dall-e")]).await;
    let input = ImageInput {
        operation: "generate".into(),
        prompt: "a cat".into(),
        n: 2,
        size: "1024x1024".into(),
        style: "vivid".into(),
        ..ImageInput::default()
    };
    let answer = world.ask(model_input::Kind::Image(input)).await;
    let expected = json!({"model": "m-upstream", "prompt": "a cat", "n": 2, "size": "1024x1024", "style": "vivid", "response_format": "b64_json"});
    assert_eq!((world.server.last().path.as_str(), world.server.last().body), ("/v1/images/generations", expected));
    let Some(model_output::Kind::Image(made)) = &answer.output.kind else { panic!("no images") };
    assert_eq!(
        (made.images.len(), made.images[0].media_type.as_str(), made.images[0].data.as_slice()),
        (2, "image/png", PICTURE)
    );
    assert_eq!((answer.usage.images, answer.usage.input_tokens, answer.usage.output_tokens), (2, 9, 200));

    let blob = world.stored(PICTURE, "image/png").await;
    let edit = ImageInput {
        operation: "edit".into(),
        prompt: "a dog".into(),
        images: vec![blob.clone()],
        mask: Some(blob.clone()),
        ..ImageInput::default()
    };
    world.ask(model_input::Kind::Image(edit)).await;
    let request = world.server.last();
    assert_eq!((request.path.as_str(), request.field("prompt").as_deref()), ("/v1/images/edits", Some("a dog")));
    let sent: Vec<_> = request.form().into_iter().filter(|part| part.bytes == PICTURE).map(|part| part.name).collect();
    assert_eq!(sent, ["image", "mask"]);

    let vary = ImageInput { operation: "vary".into(), images: vec![blob], ..ImageInput::default() };
    world.ask(model_input::Kind::Image(vary)).await;
    assert_eq!(world.server.last().path, "/v1/images/variations");
}

#[tokio::test]
async fn documents_are_ranked_where_the_entry_says_so() {
    let input = RerankInput { query: "cats".into(), documents: vec!["a".into(), "b".into(), "c".into()], top_n: 2 };
    let world = World::new("openai", &[("rerank", "yes")]).await;
    let answer = world.ask(model_input::Kind::Rerank(input.clone())).await;
    let Some(model_output::Kind::Rerank(ranked)) = &answer.output.kind else { panic!("not ranked") };
    assert_eq!(ranked.results.iter().map(|it| it.index).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((world.server.last().path.as_str(), answer.usage.input_tokens), ("/v1/rerank", 12));
    let without = World::new("openai", &[]).await;
    let error = without.refusal(model_input::Kind::Rerank(input)).await;
    assert!(error.code == ErrorCode::NoModel && error.message.contains("reranking"), "{error}");
}

#[tokio::test]
async fn embeddings_are_read_from_bytes_and_texts_get_their_prefix() {
    let options = [("embeddings", "base64"), ("query_prefix", "query: ")];
    let world = World::new("openai", &options).await;
    let input = EmbedInput { texts: vec!["a".into()], dimensions: 2, input_type: "query".into() };
    let answer = world.ask(model_input::Kind::Embed(input)).await;
    let expected = json!({"model": "m-upstream", "input": ["query: a"], "encoding_format": "base64", "dimensions": 2});
    assert_eq!(world.server.last().body, expected);
    let Some(model_output::Kind::Embed(embedded)) = &answer.output.kind else { panic!("no embeddings") };
    assert_eq!((embedded.dimensions, embedded.values.as_slice()), (2, &[0.6, 0.8][..]));
}

#[tokio::test]
async fn a_prompt_is_continued_as_it_stands() {
    let world = World::new("openai", &[]).await;
    let message = ChatMessage { role: "user".into(), content: "Once upon".into(), ..ChatMessage::default() };
    let input = ChatInput { messages: vec![message], raw: true, max_tokens: 5, ..ChatInput::default() };
    let answer = world.ask(model_input::Kind::Chat(input.clone())).await;
    let expected = json!({"model": "m-upstream", "prompt": "Once upon", "max_tokens": 5, "stream": false});
    assert_eq!((world.server.last().path.as_str(), world.server.last().body), ("/v1/completions", expected));
    assert_eq!((text(&answer), answer.models[0].version.as_str()), ("good morning", "m-2026+fp_1"));
    let two = ChatInput { messages: vec![ChatMessage::default(); 2], ..input };
    assert_eq!(world.refusal(model_input::Kind::Chat(two)).await.code, ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn pictures_of_the_object_store_are_sent_in_the_message() {
    for (kind, options) in [("openai", vec![]), ("azure", vec![("api_version", "2024-10-21")]), ("mistral", vec![])] {
        let world = World::new(kind, &options).await;
        world.ask(with_picture(&world.nats, &[1, 2, 3]).await).await;
        let parts = &world.server.last().body["messages"][0]["content"];
        let expected = json!([{"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQID", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://x.test/dog.png"}}]);
        assert_eq!(*parts, expected, "{kind}");
    }
}
