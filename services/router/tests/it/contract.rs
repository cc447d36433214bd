//! The contract of providers, against both of them: the local one over the real bus, the OpenAI one over real HTTP.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ChatMessage, EmbedInput, ModelInput, model_input, model_output};
use orrery_providers::{Answer, Local, Openai, Order, Piece, Provider};
use orrery_routing::catalogue::{Location, Provider as Entry, ProviderKind, SecretRef};
use orrery_testkit::{NatsServer, eventually};
use orrery_types::UnixMillis;
use serde_json::json;

use crate::inference::{Behaviour, Model};
use crate::openai_server::{DONE, OpenaiServer, Script, delta, event, finish, usage};

const KEY: &str = "sk-very-secret-7f3a";

fn chat() -> model_input::Kind {
    let message = |role: &str, content: &str| ChatMessage {
        role: role.into(),
        content: content.into(),
        ..ChatMessage::default()
    };
    model_input::Kind::Chat(ChatInput {
        messages: vec![message("system", "be brief"), message("user", "grüße")],
        max_tokens: 16,
        temperature: Some(0.0),
        seed: Some(7),
        stop: vec!["\n".into()],
        ..ChatInput::default()
    })
}

fn order(input: model_input::Kind, within: Duration) -> Order {
    Order {
        model: "m".into(),
        upstream: "m-upstream".into(),
        input: ModelInput { kind: Some(input) },
        deadline: UnixMillis::now().saturating_add(within),
    }
}

const LONG: Duration = Duration::from_secs(20);

/// What the suite can make a provider's model do.
#[derive(Debug, Clone, Copy)]
enum Does {
    Says(&'static str),
    BreaksOff,
    IsOverloaded,
    AsksToWait(Duration),
    RefusesTheRequest,
    Hangs,
    Babbles,
}

trait Rig {
    fn provider(&self) -> Arc<dyn Provider>;
    fn model(&self, does: Does);
    fn abandoned(&self) -> usize;
}

async fn suite(rig: &dyn Rig) {
    let provider = rig.provider();

    rig.model(Does::Says("good morning to you"));
    let answer = provider.invoke(order(chat(), LONG)).await.unwrap();
    assert_eq!(text(&answer), "good morning to you");
    assert_eq!((answer.usage.input_tokens, answer.usage.output_tokens), (3, 4));
    assert!(!answer.models.is_empty() && !answer.models[0].version.is_empty());

    let (deltas, last) = collect(&*provider, LONG).await;
    assert_eq!(deltas, ["good ", "morning ", "to ", "you"]);
    let answer = last.unwrap();
    assert_eq!(text(&answer), "good morning to you");
    assert_eq!((answer.usage.input_tokens, answer.usage.output_tokens), (3, 4));

    rig.model(Does::BreaksOff);
    let (deltas, last) = collect(&*provider, LONG).await;
    assert_eq!(deltas, ["half "]);
    assert_eq!(last.unwrap_err().code, ErrorCode::ModelFailed);

    rig.model(Does::IsOverloaded);
    assert_eq!(failure(&*provider, LONG).await.code, ErrorCode::Overloaded);
    rig.model(Does::AsksToWait(Duration::from_secs(7)));
    let error = failure(&*provider, LONG).await;
    assert_eq!((error.code, error.retry_after), (ErrorCode::RateLimited, Some(Duration::from_secs(7))));
    rig.model(Does::RefusesTheRequest);
    let error = failure(&*provider, LONG).await;
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(!error.code.retryable());

    rig.model(Does::Hangs);
    let before = rig.abandoned();
    let began = std::time::Instant::now();
    let error = failure(&*provider, Duration::from_millis(300)).await;
    assert!(error.code.retryable(), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "the deadline was not kept");
    let stopped = eventually(|| async { (rig.abandoned() > before).then_some(()) }).await;
    assert!(stopped.is_some(), "the provider works on past the deadline");

    rig.model(Does::Babbles);
    let before = rig.abandoned();
    let mut pieces = provider.stream(order(chat(), LONG)).await.unwrap();
    assert!(matches!(pieces.next().await, Some(Ok(Piece::Delta(_)))));
    drop(pieces);
    let noticed = eventually(|| async { (rig.abandoned() > before).then_some(()) }).await;
    assert!(noticed.is_some(), "the provider was not told that its caller left");
}

async fn failure(provider: &dyn Provider, within: Duration) -> Error {
    let plain = provider.invoke(order(chat(), within)).await.unwrap_err();
    assert!(!plain.to_string().contains(KEY));
    plain
}

async fn collect(provider: &dyn Provider, within: Duration) -> (Vec<String>, Result<Answer, Error>) {
    let mut deltas = Vec::new();
    let mut pieces = provider.stream(order(chat(), within)).await.unwrap();
    loop {
        match pieces.next().await.expect("a stream ends with Done or an error") {
            Ok(Piece::Delta(text)) => deltas.push(text),
            Ok(Piece::Done(answer)) => return (deltas, Ok(*answer)),
            Err(error) => return (deltas, Err(error)),
        }
    }
}

fn text(answer: &Answer) -> &str {
    match answer.output.kind.as_ref() {
        Some(model_output::Kind::Chat(chat)) => &chat.text,
        other => panic!("expected a chat, got {other:?}"),
    }
}

struct LocalRig {
    provider: Arc<Local>,
    model: Arc<Model>,
}

impl Rig for LocalRig {
    fn provider(&self) -> Arc<dyn Provider> {
        self.provider.clone()
    }

    fn model(&self, does: Does) {
        let fails = |code| Behaviour::Fails(Error::new(code, "as told"));
        self.model.becomes(match does {
            Does::Says(text) => Behaviour::Says(text),
            Does::BreaksOff => Behaviour::BreaksOff(vec!["half "]),
            Does::IsOverloaded => fails(ErrorCode::Overloaded),
            Does::AsksToWait(wait) => Behaviour::Fails(Error::new(ErrorCode::RateLimited, "wait").retry_after(wait)),
            Does::RefusesTheRequest => fails(ErrorCode::InvalidRequest),
            Does::Hangs => Behaviour::Hangs,
            Does::Babbles => Behaviour::Babbles,
        });
    }

    fn abandoned(&self) -> usize {
        self.model.abandoned()
    }
}

#[tokio::test]
async fn local_keeps_the_contract() {
    let nats = NatsServer::start().await.unwrap();
    let model = Model::new(Behaviour::Hangs);
    let _serving = model.serve(&nats.connect("inference").await.unwrap()).await;
    let provider = Arc::new(Local::new(nats.connect("router").await.unwrap()));
    suite(&LocalRig { provider, model: model.clone() }).await;
    assert!(model.seen.lock().iter().all(|request| request.model == "m-upstream"));
}

struct OpenaiRig {
    provider: Arc<Openai>,
    server: OpenaiServer,
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
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let provider = Openai::new(&Entry {
        name: "cloud".into(),
        kind: ProviderKind::Openai,
        location: Location::External,
        base_url: Some(server.base_url.clone()),
        api_key: Some(SecretRef::File(key.to_string_lossy().into_owned())),
    });
    OpenaiRig { provider: Arc::new(provider.unwrap()), server }
}

#[tokio::test]
async fn openai_keeps_the_contract() {
    suite(&openai(Script::Hangs).await).await;
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
    let entry = Entry {
        name: "cloud".into(),
        kind: ProviderKind::Openai,
        location: Location::External,
        base_url: Some(base_url),
        api_key: None,
    };
    let error = failure(&Openai::new(&entry).unwrap(), LONG).await;
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(error.to_string(), "provider cloud cannot be reached");
}
