//! Calls: once for each key, retried, handed on, recorded.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use orrery_bus::{CallContext, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InvokeRequest, ListModelsRequest, model_output};
use orrery_testkit::eventually;
use serde_json::json;
use tokio::sync::Notify;

use crate::system::{System, caller, catalogue, chat};
use orrery_standins::inference::Behaviour;
use orrery_standins::openai::{OpenaiServer, Script};

#[tokio::test]
async fn a_key_has_one_effect_also_after_a_crash() {
    let mut system = System::start(&catalogue(None)).await;
    let request = chat("home", "hello");
    let first = system.invoke_keyed("step-1/attempt-1", &request).await.unwrap();
    system.model.becomes(Behaviour::Says("something else"));
    assert_eq!(system.invoke_keyed("step-1/attempt-1", &request).await.unwrap(), first);
    system.crash_router().await;
    assert_eq!(system.invoke_keyed("step-1/attempt-1", &request).await.unwrap(), first);
    assert_eq!(system.model.calls(), 1);

    let other = system.invoke_keyed("step-1/attempt-1", &chat("home", "bye")).await.unwrap_err();
    assert_eq!(other.code, ErrorCode::Conflict);
    let mut of_another = request.clone();
    of_another.caller.as_mut().unwrap().tenant = "other".into();
    assert_ne!(system.invoke_keyed("step-1/attempt-1", &of_another).await.unwrap(), first, "a reply crossed tenants");
    system.spent(1_000).await;
}

#[tokio::test]
async fn calls_at_once_with_one_key_become_one() {
    let system = System::start(&catalogue(None)).await;
    let gate = Arc::new(Notify::new());
    *system.model.gate.lock() = Some(gate.clone());
    let request = chat("home", "hello");
    let callers = join_all((0..20).map(|_| system.invoke_keyed("once", &request)));
    let release = async {
        eventually(|| async { (system.model.calls() > 0).then_some(()) }).await.unwrap();
        gate.notify_one();
    };
    let (replies, ()) = tokio::join!(callers, release);
    let first = replies[0].as_ref().unwrap();
    assert!(replies.iter().all(|reply| reply.as_ref().unwrap() == first));
    assert_eq!(system.model.calls(), 1);
}

#[tokio::test]
async fn a_failed_call_is_not_kept_for_its_key() {
    let system = System::start(&catalogue(None)).await;
    system.model.becomes(Behaviour::Fails(Error::new(ErrorCode::InvalidRequest, "no")));
    assert!(system.invoke_keyed("k", &chat("home", "x")).await.is_err());
    system.model.becomes(Behaviour::Says("yes"));
    assert!(system.invoke_keyed("k", &chat("home", "x")).await.is_ok());
}

#[tokio::test]
async fn a_failing_provider_is_retried_once_and_then_passed_by() {
    let cloud = OpenaiServer::start(Script::Refuses(500, vec![], String::new())).await;
    let system = System::start(&catalogue(Some(&cloud))).await;
    let decision = system.invoke(&chat("drafts", "hello")).await.unwrap().decision.unwrap();
    assert_eq!((decision.chosen.as_str(), decision.attempts), ("home", 3));
    assert_eq!(cloud.calls(), 2);

    // A key that is refused is not tried again, a bad request not even elsewhere.
    cloud.becomes(Script::Refuses(401, vec![], String::new()));
    assert_eq!(system.invoke(&chat("drafts", "hello")).await.unwrap().decision.unwrap().attempts, 2);
    cloud.becomes(Script::Refuses(400, vec![], json!({"error": {"message": "too odd"}}).to_string()));
    let refused = system.invoke(&chat("drafts", "hello")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidRequest);
    assert!(refused.message.contains("too odd"), "{refused}");
}

#[tokio::test]
async fn a_provider_that_fails_again_and_again_rests_and_recovers() {
    let cloud = OpenaiServer::start(Script::Refuses(500, vec![], String::new())).await;
    let system = System::start(&catalogue(Some(&cloud))).await;
    for _ in 0..3 {
        system.invoke(&chat("drafts", "hello")).await.unwrap();
    }
    let healthy = || async {
        let request = ListModelsRequest { caller: Some(caller(&[])) };
        let reply = system.bus.call(verbs::router::MODELS, &CallContext::default(), &request).await.unwrap();
        reply.models.into_iter().find(|model| model.name == "cloud-chat").unwrap().healthy
    };
    assert!(eventually(|| async { (!healthy().await).then_some(()) }).await.is_some(), "five failures did not open it");
    let calls = cloud.calls();
    let decision = system.invoke(&chat("drafts", "hello")).await.unwrap().decision.unwrap();
    assert_eq!(decision.chosen, "home");
    assert!(decision.candidates.iter().any(|c| c.model == "cloud-chat" && c.reason.contains("rests after failures")));
    assert_eq!(cloud.calls(), calls, "a resting provider was called");
    let refused = system.invoke(&chat("cloud-chat", "hello")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unavailable);

    cloud.becomes(Script::Says("I am back"));
    let back = eventually(|| async { system.invoke(&chat("cloud-chat", "hello")).await.ok() }).await;
    assert!(back.is_some(), "it never recovered");
    assert!(eventually(|| async { healthy().await.then_some(()) }).await.is_some());
}

#[tokio::test]
async fn a_provider_that_hangs_leaves_time_for_the_next() {
    let cloud = OpenaiServer::start(Script::Hangs).await;
    let system = System::start(&catalogue(Some(&cloud))).await;
    let context = CallContext::within(Duration::from_millis(1500));
    let reply = system.bus.call(verbs::router::INVOKE, &context, &chat("drafts", "hello")).await.unwrap();
    assert_eq!(reply.decision.unwrap().chosen, "home");
    let context = CallContext::within(Duration::from_millis(300));
    let late = system.bus.call(verbs::router::INVOKE, &context, &chat("cloud-chat", "hello")).await.unwrap_err();
    assert_eq!(late.code, ErrorCode::DeadlineExceeded);
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_work_and_it_is_recorded() {
    let system = System::start(&catalogue(None)).await;
    system.model.becomes(Behaviour::Hangs);
    let request = chat("home", "hello");
    let leaving = tokio::time::timeout(Duration::from_millis(300), system.invoke(&request));
    assert!(leaving.await.is_err());
    let told = eventually(|| async { (system.model.abandoned() == 1).then_some(()) }).await;
    assert!(told.is_some(), "the model went on for nobody");
    assert_eq!(system.audited(1).await[0].1.outcome, "cancelled");
}

#[tokio::test]
async fn spend_is_told_by_task_and_by_model() {
    let system = System::start(&catalogue(None)).await;
    let of_task =
        |model: &str, task: &str| InvokeRequest { task_id: task.into(), step: "/do/0".into(), ..chat(model, "x") };
    system.invoke(&of_task("home", "task_1")).await.unwrap();
    system.invoke(&of_task("by-token", "task_1")).await.unwrap();
    system.invoke(&of_task("home", "task_2")).await.unwrap();
    system.spent(6_000).await;
    let rows = |reply: orrery_proto::v1::SpendReply| {
        reply.rows.into_iter().map(|row| (row.model, row.calls, row.output_tokens, row.cost_nanos)).collect::<Vec<_>>()
    };
    assert_eq!(rows(system.spend("task_1").await), [("by-token".into(), 1, 4, 4_000), ("home".into(), 1, 4, 1_000)]);
    assert_eq!(rows(system.spend("").await), [("by-token".into(), 1, 4, 4_000), ("home".into(), 2, 8, 2_000)]);
    let (record, facts) = system.audited(1).await.remove(0);
    assert_eq!((record.task_id.as_str(), facts.step.as_str(), facts.cost_nanos), ("task_1", "/do/0", 1_000));
}

/// R-5, from outside: what the ledger keeps of a decision is enough to make it again.
#[tokio::test]
async fn a_decision_can_be_made_again_from_the_ledger() {
    use diesel::prelude::*;
    use orrery_routing::statistics::Statistics;
    use orrery_routing::{catalogue_file, decide};
    diesel::table! { calls (id) { id -> Text, decision_inputs -> Text, } }

    let cloud = OpenaiServer::start(Script::Says("hi")).await;
    let text = catalogue(Some(&cloud));
    let system = System::start(&text).await;
    let made = system.invoke(&chat("drafts", "hello")).await.unwrap().decision.unwrap();
    let path = system.database_url.strip_prefix("sqlite://").unwrap();
    let mut database = diesel::SqliteConnection::establish(path).unwrap();
    let row = calls::table.find(&made.id).select(calls::decision_inputs);
    let kept: String = loop {
        // The record follows the answer a moment later.
        match row.first(&mut database).optional().unwrap() {
            Some(kept) => break kept,
            None => tokio::task::yield_now().await,
        }
    };
    let again = decide::replay(&kept, &catalogue_file::parse(&text).unwrap(), &Statistics::default()).unwrap();
    assert_eq!(
        (again.policy_digest.to_string(), again.catalogue_digest.to_string()),
        (made.policy_digest, made.catalogue_digest)
    );
    let names =
        |model: &str, eligible: bool, reason: &str, score: f64| (model.to_owned(), eligible, reason.to_owned(), score);
    let again: Vec<_> =
        again.candidates.iter().map(|c| names(&c.model, c.dropped.is_none(), &c.reason, c.score)).collect();
    let made: Vec<_> = made.candidates.iter().map(|c| names(&c.model, c.eligible, &c.reason, c.score)).collect();
    assert_eq!(again, made);
    assert!(!kept.contains("hello"), "content is in the ledger");
}

#[tokio::test]
async fn embeddings_pass_and_nonsense_is_refused_by_name() {
    use orrery_proto::v1::{EmbedInput, ModelInput, model_input};
    let system = System::start(&catalogue(None)).await;
    let embed = |texts: Vec<String>| InvokeRequest {
        input: Some(ModelInput { kind: Some(model_input::Kind::Embed(EmbedInput { texts, ..EmbedInput::default() })) }),
        ..chat("auto", "")
    };
    let reply = system.invoke(&embed(vec!["a".into(), "b".into()])).await.unwrap();
    let Some(model_output::Kind::Embed(output)) = reply.output.unwrap().kind else { panic!("no embeddings") };
    assert_eq!(output.values.len(), 4);

    type Change = fn(&mut InvokeRequest);
    let table: [(Change, ErrorCode, &str); 6] = [
        (|r| r.caller = None, ErrorCode::InvalidRequest, "caller is missing"),
        (|r| r.caller.as_mut().unwrap().tenant = "a.b".into(), ErrorCode::InvalidRequest, "tenant id"),
        (|r| r.input = None, ErrorCode::InvalidRequest, "input is missing"),
        (|r| r.purpose = "x".repeat(300), ErrorCode::InvalidRequest, "purpose"),
        (|r| r.model = "unheard-of".into(), ErrorCode::NoModel, "\"unheard-of\""),
        (|r| r.cost_nanos_max = 1, ErrorCode::NoModel, "see the candidates"),
    ];
    for (change, code, part) in table {
        let mut request = chat("auto", "hello");
        change(&mut request);
        let error = system.invoke(&request).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(part), "{error}");
    }
    let too_many = system.invoke(&embed(vec![String::new(); 3000])).await.unwrap_err();
    assert_eq!(too_many.code, ErrorCode::PayloadTooLarge);
}
