//! What a route's plan says is done: second attempts, retries, pauses, cascades, ensembles, copies, and the last resort.

use std::sync::atomic::Ordering;

use futures::StreamExt as _;
use orrery_bus::{CallContext, verbs};
use orrery_errors::ErrorCode;
use orrery_proto::v1::{InvokeReply, invoke_frame, model_output};
use orrery_standins::openai::{OpenaiServer, Script};
use orrery_testkit::eventually;

use crate::system::{System, catalogue, chat};

/// Models that are named as given, each at a server of its own, for 1,000 nanos a token out; and the route `r`.
fn clouds(servers: &[(&str, &OpenaiServer)], route: &str) -> String {
    let mut text = catalogue(None);
    for (name, server) in servers {
        let base_url = &server.base_url;
        text.push_str(&format!(
            r#"
[[provider]]
name = "at-{name}"
kind = "openai"
location = "external"
base_url = "{base_url}"
[[model]]
name = "{name}"
provider = "at-{name}"
capabilities = ["chat"]
data_classes = ["public", "internal", "personal"]
tenants = ["acme"]
purposes = [""]
price = {{ output_token = 1000 }}
limits = {{ context_tokens = 8192, output_tokens = 100 }}
latency_ms = 1
"#
        ));
    }
    text.push_str(&format!("[[route]]\nname = \"r\"\n{route}\n"));
    text
}

fn said(reply: &InvokeReply) -> &str {
    match reply.output.as_ref().and_then(|output| output.kind.as_ref()) {
        Some(model_output::Kind::Chat(chat)) => &chat.text,
        _ => panic!("no chat"),
    }
}

/// Who answered, after how many attempts, for how much.
fn made(reply: &InvokeReply) -> (&str, u32, u64) {
    let decision = reply.decision.as_ref().unwrap();
    (&decision.chosen, decision.attempts, reply.usage.unwrap().cost_nanos)
}

async fn streamed(system: &System) -> (String, InvokeReply) {
    let context = CallContext::within(std::time::Duration::from_secs(20));
    let mut frames = system.bus.call_stream(verbs::router::STREAM, &context, &chat("r", "hello")).await.unwrap();
    let mut text = String::new();
    loop {
        match frames.next().await.unwrap().unwrap().kind.unwrap() {
            invoke_frame::Kind::Delta(delta) => text.push_str(&delta.text),
            invoke_frame::Kind::Done(reply) => return (text, reply),
        }
    }
}

#[tokio::test]
async fn a_slow_first_attempt_gets_a_second_beside_it() {
    let (slow, fast) = (OpenaiServer::start(Script::Hangs).await, OpenaiServer::start(Script::Says("two words")).await);
    let route = "models = [\"slow\", \"fast\"]\nstrategy = \"ordered\"\nhedge = { after = 30, share_max = 1.0 }";
    let system = System::start(&clouds(&[("slow", &slow), ("fast", &fast)], route)).await;
    let reply = system.invoke(&chat("r", "hello")).await.unwrap();
    assert_eq!(made(&reply), ("fast", 2, 2_000));
    let left = |count| move |slow: &OpenaiServer| slow.abandoned.load(Ordering::SeqCst) == count;
    assert!(eventually(|| async { left(1)(&slow).then_some(()) }).await.is_some(), "the slow one was not cancelled");

    let (text, reply) = streamed(&system).await;
    assert_eq!((text.as_str(), made(&reply)), ("two words", ("fast", 2, 2_000)));
    assert!(eventually(|| async { left(2)(&slow).then_some(()) }).await.is_some(), "the slow one was not cancelled");
    system.spent(4_000).await;
    let (_, facts) = system.audited(1).await.remove(0);
    assert_eq!((facts.attempts, facts.models.len(), facts.cost_nanos), (2, 1, 2_000));
}

#[tokio::test]
async fn a_first_attempt_that_is_quick_stays_alone() {
    let (first, second) = (OpenaiServer::start(Script::Says("hi")).await, OpenaiServer::start(Script::Hangs).await);
    let route = "models = [\"first\", \"second\"]\nstrategy = \"ordered\"\nhedge = { after = 15000, share_max = 1.0 }";
    let system = System::start(&clouds(&[("first", &first), ("second", &second)], route)).await;
    assert_eq!(made(&system.invoke(&chat("r", "hello")).await.unwrap()), ("first", 1, 1_000));
    // One that fails soon is followed by the second, not accompanied.
    first.becomes(Script::Refuses(401, vec![], String::new()));
    second.becomes(Script::Says("hi"));
    assert_eq!(made(&system.invoke(&chat("r", "hello")).await.unwrap()), ("second", 2, 1_000));
}

#[tokio::test]
async fn without_a_retry_left_the_next_is_asked() {
    let cloud = OpenaiServer::start(Script::Refuses(500, vec![], String::new())).await;
    let route =
        "models = [\"cloud\", \"home\"]\nstrategy = \"ordered\"\nretry = { budget_percent = 0, per_second_min = 0 }";
    let system = System::start(&clouds(&[("cloud", &cloud)], route)).await;
    assert_eq!(made(&system.invoke(&chat("r", "hello")).await.unwrap()), ("home", 2, 1_000));
    assert_eq!(cloud.calls(), 1);
}

#[tokio::test]
async fn a_rate_limit_without_a_hint_is_a_pause_that_ends() {
    let cloud = OpenaiServer::start(Script::Refuses(429, vec![], String::new())).await;
    let route = "models = [\"cloud\", \"home\"]\nstrategy = \"ordered\"";
    let system = System::start(&clouds(&[("cloud", &cloud)], route)).await;
    assert_eq!(made(&system.invoke(&chat("r", "hello")).await.unwrap()), ("home", 2, 1_000));
    assert_eq!(cloud.calls(), 1, "it was asked again at once");
    cloud.becomes(Script::Says("back"));
    let back = eventually(|| async { system.invoke(&chat("cloud", "hello")).await.ok() }).await;
    assert!(back.is_some(), "the pause never ended");
}

#[tokio::test]
async fn a_used_up_quota_puts_a_model_last_before_it_refuses() {
    let cloud = OpenaiServer::start(Script::Says("hi")).await;
    let left = |name, value: &str| (name, value.to_owned());
    *cloud.headers.lock() =
        vec![left("x-ratelimit-remaining-requests", "0"), left("x-ratelimit-reset-requests", "4m0s")];
    let route = "models = [\"cloud\", \"home\"]\nstrategy = \"ordered\"";
    let system = System::start(&clouds(&[("cloud", &cloud)], route)).await;
    assert_eq!(made(&system.invoke(&chat("r", "hello")).await.unwrap()).0, "cloud");
    assert_eq!(made(&system.invoke(&chat("r", "hello")).await.unwrap()).0, "home");
    assert_eq!(made(&system.invoke(&chat("cloud", "hello")).await.unwrap()).0, "cloud", "it still answers");
}

#[tokio::test]
async fn a_cascade_goes_on_until_an_answer_is_sure_and_pays_every_stage() {
    let small = OpenaiServer::start(Script::Says("I don't know that")).await;
    let large = OpenaiServer::start(Script::Says("it is so")).await;
    let route = "models = [\"small\", \"large\"]\nstrategy.cascade = {}";
    let system = System::start(&clouds(&[("small", &small), ("large", &large)], route)).await;
    let reply = system.invoke(&chat("r", "hello")).await.unwrap();
    assert_eq!((said(&reply), made(&reply)), ("it is so", ("large", 2, 7_000)));
    let names: Vec<_> = reply.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["small", "large"]);
    let (text, reply) = streamed(&system).await;
    assert_eq!((text.as_str(), made(&reply)), ("it is so", ("large", 2, 7_000)));

    // Where the last stage fails, what an earlier one said is better than nothing.
    large.becomes(Script::Refuses(401, vec![], String::new()));
    let reply = system.invoke(&chat("r", "hello")).await.unwrap();
    assert_eq!((said(&reply), made(&reply)), ("I don't know that", ("small", 2, 4_000)));

    small.becomes(Script::Says("for sure"));
    let asked = large.calls();
    assert_eq!(made(&system.invoke(&chat("r", "hello")).await.unwrap()), ("small", 1, 2_000));
    assert_eq!(large.calls(), asked, "a sure answer was asked for twice");
    system.spent(20_000).await;
}

#[tokio::test]
async fn members_vote_and_one_that_hangs_holds_nobody_up() {
    let say = |text| OpenaiServer::start(Script::Says(text));
    let (a, b, c) = (say("no").await, say("yes").await, say("Yes.").await);
    let route = "models = [\"a\", \"b\", \"c\"]\nstrategy.ensemble = { combine = \"vote\" }";
    let system = System::start(&clouds(&[("a", &a), ("b", &b), ("c", &c)], route)).await;
    let reply = system.invoke(&chat("r", "hello")).await.unwrap();
    assert_eq!(said(&reply).trim_end_matches('.').to_lowercase(), "yes");
    assert_eq!(made(&reply).1, 3);

    a.becomes(Script::Hangs);
    let reply = system.invoke(&chat("r", "hello")).await.unwrap();
    assert_eq!((said(&reply), made(&reply)), ("yes", ("b", 3, 2_000)));
    let told = eventually(|| async { (a.abandoned.load(Ordering::SeqCst) > 0).then_some(()) }).await;
    assert!(told.is_some(), "the one that hangs was not cancelled");

    // Without a quorum there is no answer of the ensemble.
    b.becomes(Script::Refuses(401, vec![], String::new()));
    a.becomes(Script::Refuses(401, vec![], String::new()));
    let failed = system.invoke(&chat("r", "hello")).await.unwrap_err();
    assert!(failed.message.contains("2 are needed"), "{failed}");
}

#[tokio::test]
async fn a_judge_picks_and_a_failing_one_leaves_it_to_the_vote() {
    let say = |text| OpenaiServer::start(Script::Says(text));
    let (a, b, judge) = (say("red").await, say("blue").await, say("2").await);
    let combine = "{ best_of_n = { judge = \"judge\" } }";
    let route = format!(
        "models = [\"a\", \"b\"]\nstrategy.ensemble = {{ quorum = 2, answer_bytes_max = 500, combine = {combine} }}"
    );
    let system = System::start(&clouds(&[("a", &a), ("b", &b), ("judge", &judge)], &route)).await;
    let reply = system.invoke(&chat("r", "hello")).await.unwrap();
    assert_eq!((said(&reply), made(&reply)), ("blue", ("b", 3, 3_000)));
    assert!(judge.last().body.to_string().contains("Answer 2:\\nblue"), "{}", judge.last().body);

    judge.becomes(Script::Refuses(401, vec![], String::new()));
    let reply = system.invoke(&chat("r", "hello")).await.unwrap();
    assert_eq!((said(&reply), made(&reply)), ("red", ("a", 3, 2_000)));
    system.spent(5_000).await;
}

#[tokio::test]
async fn a_copy_is_recorded_and_not_paid_by_the_tenant() {
    let newer = OpenaiServer::start(Script::Says("five words that nobody sees")).await;
    let route = "models = [\"home\"]\nshadow = { model = \"newer\", share = 1.0 }";
    let system = System::start(&clouds(&[("newer", &newer)], route)).await;
    let reply = system.invoke(&chat("r", "hello")).await.unwrap();
    assert_eq!((said(&reply), made(&reply)), ("four words of text", ("home", 1, 1_000)));
    let mut calls = system.audited(2).await;
    calls.sort_by_key(|(_, facts)| facts.cost_nanos);
    let told: Vec<_> =
        calls.iter().map(|(_, it)| (it.models[0].name.as_str(), it.cost_nanos, it.outcome.as_str())).collect();
    assert_eq!(told, [("home", 1_000, "ok"), ("newer", 5_000, "ok")]);
    assert_eq!(newer.calls(), 1);
    system.spent(1_000).await;
}

#[tokio::test]
async fn when_nobody_answers_the_person_to_ask_is_named() {
    let cloud = OpenaiServer::start(Script::Refuses(401, vec![], String::new())).await;
    let route = "models = [\"cloud\"]\nlast_resort = { human_task = \"by-hand\" }";
    let system = System::start(&clouds(&[("cloud", &cloud)], route)).await;
    let failed = system.invoke(&chat("r", "hello")).await.unwrap_err();
    assert_ne!(failed.code, ErrorCode::NoModel);
    assert_eq!(failed.detail.unwrap()["human_task"], "by-hand");
}
