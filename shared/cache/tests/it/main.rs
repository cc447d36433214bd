//! The cache in a real Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod faults;
mod forget;
mod scopes;
mod semantic;
mod stampede;

use std::sync::Arc;
use std::time::Duration;

use orrery_cache::{Cache, Embedder, Lookup, Mode, Question, Rules, Scope, Settings, Ticket, Versions, Wish};
use orrery_errors::Error;
use orrery_proto::v1::{
    ChatInput, ChatMessage, ChatOutput, InvokeReply, ModelInput, ModelOutput, RouteDecision, model_input, model_output,
};
use orrery_types::UnixMillis;
use redis::AsyncCommands as _;

/// Patient, so that a busy machine changes nothing; never early, unless a test wants it.
fn settings() -> Settings {
    Settings {
        store_deadline: Duration::from_secs(5),
        embed_deadline: Duration::from_secs(5),
        lock_wait: Duration::from_secs(30),
        early_beta: 0.0,
        ..Settings::default()
    }
}

fn cache(url: &str) -> Cache {
    Cache::new(url, settings(), Some(Arc::new(Words))).unwrap()
}

/// Texts with the same words are near, as with a model of language, which would not tell "covered" from "not covered" either.
#[derive(Debug)]
struct Words;

#[async_trait::async_trait]
impl Embedder for Words {
    async fn embed(&self, text: &str) -> Result<Vec<f32>, Error> {
        let mut vector = vec![0.0; 64];
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let place =
                word.bytes().fold(7_usize, |place, byte| place.wrapping_mul(31).wrapping_add(usize::from(byte)));
            vector[place % 64] += 1.0;
        }
        Ok(vector)
    }

    fn identity(&self) -> String {
        "words/1".to_owned()
    }
}

fn turn(role: &str, content: &str) -> ChatMessage {
    ChatMessage { role: role.into(), content: content.into(), ..Default::default() }
}

fn conversation(messages: Vec<ChatMessage>) -> ModelInput {
    let chat = ChatInput { messages, temperature: Some(0.0), ..Default::default() };
    ModelInput { kind: Some(model_input::Kind::Chat(chat)) }
}

fn asked(text: &str) -> ModelInput {
    conversation(vec![turn("system", "be brief"), turn("user", text)])
}

fn question(input: &ModelInput) -> Question<'_> {
    let scope = Scope {
        tenant: "acme".into(),
        roles: vec!["agent".into()],
        data_classes: vec![],
        purpose: "claims".into(),
        model: "auto".into(),
    };
    let versions = Versions { models: "m1".into(), knowledge: "k1".into() };
    let rules = Rules { mode: Mode::Semantic, threshold: 0.8, ..Rules::default() };
    Question { scope, versions, rules, wish: Wish::AsConfigured, input }
}

fn answer(text: &str) -> InvokeReply {
    let chat = ChatOutput { text: text.into(), finish_reason: "stop".into(), ..Default::default() };
    InvokeReply {
        output: Some(ModelOutput { kind: Some(model_output::Kind::Chat(chat)) }),
        decision: Some(RouteDecision { id: "one call's own".into(), ..Default::default() }),
        ..Default::default()
    }
}

fn text(reply: &InvokeReply) -> &str {
    match reply.output.as_ref().and_then(|output| output.kind.as_ref()) {
        Some(model_output::Kind::Chat(chat)) => &chat.text,
        other => panic!("no text in {other:?}"),
    }
}

fn soon() -> UnixMillis {
    UnixMillis::now().saturating_add(Duration::from_secs(120))
}

async fn look(cache: &Cache, question: &Question<'_>) -> Lookup {
    cache.lookup(question, soon()).await
}

async fn missed(cache: &Cache, question: &Question<'_>) -> Ticket {
    match look(cache, question).await {
        Lookup::Miss(ticket) => ticket,
        hit => panic!("expected a miss of {:?}: {hit:?}", question.input),
    }
}

async fn exact(cache: &Cache, question: &Question<'_>) -> String {
    match look(cache, question).await {
        Lookup::Exact(reply) => {
            assert_eq!((reply.cache.as_str(), &reply.decision), ("exact", &None));
            text(&reply).to_owned()
        }
        other => panic!("expected the answer to {:?}: {other:?}", question.input),
    }
}

/// Asks, misses, and answers.
async fn learn(cache: &Cache, question: &Question<'_>, text: &str) {
    assert!(missed(cache, question).await.fill(&answer(text)).await, "{text} was not kept");
}

/// Until so many callers wait for another one's answer.
async fn waiting(cache: &Cache, callers: usize) {
    let all = || async { (cache.waiting() == callers).then_some(()) };
    orrery_testkit::eventually(all).await.expect("nobody waits");
}

async fn redis_at(url: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn keys_like(url: &str, pattern: &str) -> Vec<String> {
    redis_at(url).await.keys(pattern).await.unwrap()
}
