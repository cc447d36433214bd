//! The contract of providers as a suite, run against each of them by the files beside this one.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ChatMessage, ModelInput, model_input, model_output};
use orrery_providers::{Answer, LocalSecrets, Order, Piece, Provider, Setup, SetupError};
use orrery_routing::catalogue::{Location, Provider as Entry, SecretRef};
use orrery_testkit::{NatsServer, eventually};
use orrery_types::UnixMillis;

pub const KEY: &str = "sk-very-secret-7f3a";

pub fn chat() -> model_input::Kind {
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

pub fn order(input: model_input::Kind, within: Duration) -> Order {
    Order {
        call_id: "dec_1".into(),
        model: "m".into(),
        upstream: "m-upstream".into(),
        input: ModelInput { kind: Some(input) },
        deadline: UnixMillis::now().saturating_add(within),
    }
}

pub const LONG: Duration = Duration::from_secs(20);

/// What the suite can make a provider's model do.
#[derive(Debug, Clone, Copy)]
pub enum Does {
    Says(&'static str),
    BreaksOff,
    IsOverloaded,
    AsksToWait(Duration),
    RefusesTheRequest,
    Hangs,
    Babbles,
}

pub trait Rig {
    fn provider(&self) -> Arc<dyn Provider>;
    /// A conversation with as many of the parameters as the kind knows.
    fn chat(&self) -> model_input::Kind {
        chat()
    }
    fn model(&self, does: Does);
    fn abandoned(&self) -> usize;
}

pub async fn suite(rig: &dyn Rig) {
    let provider = rig.provider();
    let ask = |within| order(rig.chat(), within);

    rig.model(Does::Says("good morning to you"));
    let answer = provider.invoke(ask(LONG)).await.unwrap();
    assert_eq!(text(&answer), "good morning to you");
    assert_eq!((answer.usage.input_tokens, answer.usage.output_tokens), (3, 4));
    assert!(!answer.models.is_empty() && !answer.models[0].version.is_empty());

    let (deltas, last) = collect_of(&*provider, ask(LONG)).await;
    assert_eq!(deltas, ["good ", "morning ", "to ", "you"]);
    let answer = last.unwrap();
    assert_eq!(text(&answer), "good morning to you");
    assert_eq!((answer.usage.input_tokens, answer.usage.output_tokens), (3, 4));

    rig.model(Does::BreaksOff);
    let (deltas, last) = collect_of(&*provider, ask(LONG)).await;
    assert_eq!(deltas, ["half "]);
    assert_eq!(last.unwrap_err().code, ErrorCode::ModelFailed);

    rig.model(Does::IsOverloaded);
    assert_eq!(failure_of(&*provider, ask(LONG)).await.code, ErrorCode::Overloaded);
    rig.model(Does::AsksToWait(Duration::from_secs(7)));
    let error = failure_of(&*provider, ask(LONG)).await;
    assert_eq!((error.code, error.retry_after), (ErrorCode::RateLimited, Some(Duration::from_secs(7))));
    rig.model(Does::RefusesTheRequest);
    let error = failure_of(&*provider, ask(LONG)).await;
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(!error.code.retryable());

    rig.model(Does::Hangs);
    let before = rig.abandoned();
    let began = std::time::Instant::now();
    let error = failure_of(&*provider, ask(Duration::from_millis(300))).await;
    assert!(error.code.retryable(), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "the deadline was not kept");
    let stopped = eventually(|| async { (rig.abandoned() > before).then_some(()) }).await;
    assert!(stopped.is_some(), "the provider works on past the deadline");

    rig.model(Does::Babbles);
    let before = rig.abandoned();
    let mut pieces = provider.stream(ask(LONG)).await.unwrap();
    assert!(matches!(pieces.next().await, Some(Ok(Piece::Delta(_)))));
    drop(pieces);
    let noticed = eventually(|| async { (rig.abandoned() > before).then_some(()) }).await;
    assert!(noticed.is_some(), "the provider was not told that its caller left");
}

pub async fn failure(provider: &dyn Provider, within: Duration) -> Error {
    failure_of(provider, order(chat(), within)).await
}

pub async fn failure_of(provider: &dyn Provider, order: Order) -> Error {
    let plain = provider.invoke(order).await.unwrap_err();
    assert!(!plain.to_string().contains(KEY));
    plain
}

pub async fn collect(provider: &dyn Provider, within: Duration) -> (Vec<String>, Result<Answer, Error>) {
    collect_of(provider, order(chat(), within)).await
}

/// The texts of a stream's deltas and how it ended.
pub async fn collect_of(provider: &dyn Provider, order: Order) -> (Vec<String>, Result<Answer, Error>) {
    let mut deltas = Vec::new();
    let mut pieces = provider.stream(order).await.unwrap();
    loop {
        match pieces.next().await.expect("a stream ends with Done or an error") {
            Ok(Piece::Delta(delta)) if delta.text.is_empty() => {}
            Ok(Piece::Delta(delta)) => deltas.push(delta.text),
            Ok(Piece::Done(answer)) => return (deltas, Ok(*answer)),
            Err(error) => return (deltas, Err(error)),
        }
    }
}

pub fn text(answer: &Answer) -> &str {
    match answer.output.kind.as_ref() {
        Some(model_output::Kind::Chat(chat)) => &chat.text,
        other => panic!("expected a chat, got {other:?}"),
    }
}

/// A provider of this kind at this address, with a key in a file.
pub async fn made(
    kind: &str,
    base_url: Option<&str>,
    options: &[(&str, &str)],
) -> Result<Arc<dyn Provider>, SetupError> {
    made_on(&NatsServer::start().await.unwrap(), kind, base_url, options).await
}

/// The same on a bus that goes on, with its object store.
pub async fn made_on(
    nats: &NatsServer,
    kind: &str,
    base_url: Option<&str>,
    options: &[(&str, &str)],
) -> Result<Arc<dyn Provider>, SetupError> {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let entry = Entry {
        name: "cloud".into(),
        kind: kind.into(),
        location: Location::External,
        base_url: base_url.map(str::to_owned),
        api_key: Some(SecretRef::File(key.to_string_lossy().into_owned())),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        secrets: [].into(),
    };
    let setup = Setup { bus: nats.connect("router").await.unwrap(), secrets: Arc::new(LocalSecrets) };
    orrery_providers::provider(&entry, &setup)
}
