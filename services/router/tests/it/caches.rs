//! Kept answers: given for nothing, to those who may have them, and never in the way of a call.

use std::sync::Arc;

use futures::future::join_all;
use orrery_bus::{CallContext, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InvokeReply, InvokeRequest, Limit, SetLimitRequest, model_input, model_output};
use orrery_testkit::eventually;
use tokio::sync::Notify;

use crate::streams::{collect, open};
use crate::system::{System, caller, catalogue, chat};
use orrery_standins::inference::Behaviour;
use orrery_standins::openai::{OpenaiServer, Script};

/// A busy machine has time to answer from the store.
const PATIENT: &str = "store_deadline_ms = 5000";

async fn start(rules: &str) -> System {
    System::start(&format!("{}\n[cache]\n{PATIENT}\n{rules}\n", catalogue(None))).await
}

/// A question with one answer.
fn ask(content: &str) -> InvokeRequest {
    let mut request = chat("home", content);
    let input = request.input.as_mut().and_then(|input| input.kind.as_mut());
    let Some(model_input::Kind::Chat(chat)) = input else { panic!("not a chat") };
    chat.temperature = Some(0.0);
    request
}

fn wish(cache: &str) -> InvokeRequest {
    InvokeRequest { cache: cache.into(), ..ask("hello") }
}

fn text(reply: &InvokeReply) -> &str {
    match reply.output.as_ref().and_then(|output| output.kind.as_ref()) {
        Some(model_output::Kind::Chat(chat)) => &chat.text,
        other => panic!("no chat: {other:?}"),
    }
}

#[tokio::test]
async fn the_same_question_is_answered_for_nothing() {
    let system = start("rules = { mode = \"exact\" }").await;
    let first = system.invoke(&ask("hello")).await.unwrap();
    assert_eq!((first.cache.as_str(), first.usage.unwrap().cost_nanos), ("miss", 1_000));
    system.model.becomes(Behaviour::Says("something else"));
    let second = system.invoke(&ask("hello")).await.unwrap();
    assert_eq!((second.cache.as_str(), text(&second)), ("exact", "four words of text"));
    let usage = second.usage.unwrap();
    assert_eq!((usage.cost_nanos, usage.input_tokens, usage.output_tokens), (0, 0, 0));
    assert_eq!(second.models, first.models);
    let (one, other) = (first.decision.unwrap(), second.decision.unwrap());
    assert_ne!(one.id, other.id);
    assert_eq!((other.chosen.as_str(), other.attempts), ("home", 0));
    assert_eq!(system.model.calls(), 1);
    let rows = eventually(|| async {
        let rows = system.spend("").await.rows;
        rows.iter().any(|row| row.calls == 2).then_some(rows)
    });
    let rows = rows.await.expect("the hit is not in the ledger");
    assert_eq!((rows.len(), rows[0].output_tokens, rows[0].cost_nanos), (1, 4, 1_000));
    let facts = system.audited(2).await;
    assert!(facts.iter().any(|(_, facts)| facts.decision_id == other.id && facts.attempts == 0));

    // A streamed call gets the kept text.
    let (deltas, streamed) = collect(open(&system, &ask("hello"), None).await).await;
    assert_eq!((deltas.concat().as_str(), streamed.unwrap().cache.as_str()), ("four words of text", "exact"));
    // And leaves its answer for others.
    let (_, streamed) = collect(open(&system, &ask("bye"), None).await).await;
    assert_eq!(streamed.unwrap().cache, "miss");
    assert_eq!(system.invoke(&ask("bye")).await.unwrap().cache, "exact");
}

#[tokio::test]
async fn wishes_are_heard_and_chance_is_not_kept() {
    let system = start("rules = { mode = \"exact\" }").await;
    system.invoke(&ask("hello")).await.unwrap();
    system.model.becomes(Behaviour::Says("something else"));
    let off = system.invoke(&wish("off")).await.unwrap();
    assert_eq!((off.cache.as_str(), text(&off)), ("", "something else"));
    assert_eq!(text(&system.invoke(&ask("hello")).await.unwrap()), "four words of text");
    let refreshed = system.invoke(&wish("refresh")).await.unwrap();
    assert_eq!((refreshed.cache.as_str(), text(&refreshed)), ("miss", "something else"));
    assert_eq!(text(&system.invoke(&ask("hello")).await.unwrap()), "something else");
    let unheard = system.invoke(&wish("perhaps")).await.unwrap_err();
    assert_eq!(unheard.code, ErrorCode::InvalidRequest);
    assert!(unheard.message.contains("perhaps"), "{unheard}");

    let calls = system.model.calls();
    for _ in 0..2 {
        assert_eq!(system.invoke(&chat("home", "hello")).await.unwrap().cache, "");
    }
    assert_eq!(system.model.calls(), calls + 2);
}

#[tokio::test]
async fn answers_stay_with_their_tenant_and_roles() {
    let system = start("rules = { mode = \"exact\" }").await;
    system.invoke(&ask("hello")).await.unwrap();
    type Change = fn(&mut InvokeRequest);
    let changes: [(&str, Change); 4] = [
        ("tenant", |request| request.caller.as_mut().unwrap().tenant = "other".into()),
        ("roles", |request| request.caller = Some(caller(&["admin"]))),
        ("purpose", |request| request.purpose = "claims".into()),
        ("data classes", |request| request.data_classes = vec!["internal".into()]),
    ];
    for (what, change) in changes {
        let mut request = ask("hello");
        change(&mut request);
        assert_eq!(system.invoke(&request).await.unwrap().cache, "miss", "{what}");
    }
    let mut colleague = ask("hello");
    colleague.caller.as_mut().unwrap().principal = "ben".into();
    assert_eq!(system.invoke(&colleague).await.unwrap().cache, "exact");
}

#[tokio::test]
async fn without_redis_every_question_is_a_miss() {
    let mut system = System::start(&format!("{}\n[cache]\nrules = {{ mode = \"exact\" }}\n", catalogue(None))).await;
    system.redis.kill().unwrap();
    for call in 1..=2 {
        assert_eq!(system.invoke(&ask("hello")).await.unwrap().cache, "miss");
        assert_eq!(system.model.calls(), call);
    }
}

#[tokio::test]
async fn equal_calls_at_once_ask_the_model_once() {
    let system = start("rules = { mode = \"exact\" }").await;
    let gate = Arc::new(Notify::new());
    *system.model.gate.lock() = Some(gate.clone());
    let request = ask("hello");
    let callers = join_all((0..50).map(|_| system.invoke(&request)));
    let release = async {
        eventually(|| async { (system.model.calls() > 0).then_some(()) }).await.unwrap();
        gate.notify_one();
    };
    let (replies, ()) = tokio::join!(callers, release);
    let replies: Vec<InvokeReply> = replies.into_iter().map(Result::unwrap).collect();
    assert_eq!(system.model.calls(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.cache == "miss").count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.cache == "exact").count(), 49);
    system.spent(1_000).await;
}

#[tokio::test]
async fn a_limit_on_requests_counts_kept_answers() {
    let system = start("rules = { mode = \"exact\" }").await;
    let limit = Limit {
        id: "two-a-month".into(),
        scope: "tenant".into(),
        metric: "requests".into(),
        window: "month".into(),
        amount: 2,
        ..Limit::default()
    };
    let request = SetLimitRequest { caller: Some(caller(&["admin"])), limit: Some(limit) };
    system.bus.call(verbs::router::SET_LIMIT, &CallContext::default(), &request).await.unwrap();
    assert_eq!(system.invoke(&ask("hello")).await.unwrap().cache, "miss");
    assert_eq!(system.invoke(&ask("hello")).await.unwrap().cache, "exact");
    assert_eq!(system.invoke(&ask("hello")).await.unwrap_err().code, ErrorCode::RateLimited);
    assert_eq!(system.model.calls(), 1);
}

#[tokio::test]
async fn a_question_in_other_words_is_answered_too() {
    let system = start("embedder = \"home\"\nrules = { mode = \"semantic\", threshold = 0.9 }").await;
    // The first question tells the embedding model's version.
    system.invoke(&ask("Which risks are there?")).await.unwrap();
    assert_eq!(system.invoke(&ask("Is fire damage covered?")).await.unwrap().cache, "miss");
    let near = system.invoke(&ask("Is the fire damage covered?")).await.unwrap();
    assert_eq!(near.cache, "semantic");
    assert!(near.similarity > 0.99, "{}", near.similarity);
    assert_eq!(near.usage.unwrap().cost_nanos, 0);
    // As near, and not the same.
    assert_eq!(system.invoke(&ask("Is fire damage not covered?")).await.unwrap().cache, "miss");
}

#[tokio::test]
async fn a_kept_answer_is_the_last_resort_where_the_route_says_so() {
    let cloud = OpenaiServer::start(Script::Refuses(500, vec![], String::new())).await;
    let route = "\n[[route]]\nname = \"kept\"\nmodels = [\"home\"]\ncache = { mode = \"exact\" }\n";
    let text_of = format!(
        "{}{route}last_resort = {{ cached_answer = true }}\n{}\n[cache]\n{PATIENT}\n",
        catalogue(Some(&cloud)),
        route.replace("\"kept\"", "\"plain\"")
    );
    let system = System::start(&text_of).await;
    let to = |model: &str, cache: &str| InvokeRequest { model: model.into(), ..wish(cache) };
    for route in ["kept", "plain"] {
        assert_eq!(system.invoke(&to(route, "")).await.unwrap().cache, "miss");
    }
    assert_eq!(system.invoke(&ask("hello")).await.unwrap().cache, "", "only routes keep answers here");
    system.model.becomes(Behaviour::Fails(Error::new(ErrorCode::ModelFailed, "out of order")));
    assert_eq!(system.invoke(&to("plain", "refresh")).await.unwrap_err().code, ErrorCode::ModelFailed);
    let stale = system.invoke(&to("kept", "refresh")).await.unwrap();
    assert_eq!((stale.cache.as_str(), text(&stale)), ("stale", "four words of text"));
    assert_eq!(stale.usage.unwrap().cost_nanos, 0);
}
