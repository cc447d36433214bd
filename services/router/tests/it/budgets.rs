//! Budgets that cannot be overspent: under concurrency and after a crash.

use std::sync::Arc;

use futures::future::join_all;
use orrery_errors::ErrorCode;
use orrery_testkit::{PostgresServer, eventually};
use tokio::sync::Notify;

use crate::system::{System, caller, catalogue, chat};
use orrery_standins::inference::Behaviour;

#[tokio::test]
async fn a_hundred_at_once_never_overspend() {
    let system = System::start(&catalogue(None)).await;
    system.set_budget(10_500, "closed").await.unwrap();
    let request = chat("home", "hello");
    let replies = join_all((0..100).map(|_| system.invoke(&request))).await;
    let paid = replies.iter().filter(|reply| reply.is_ok()).count();
    let refused = |reply: &&Result<_, orrery_errors::Error>| {
        reply.as_ref().is_err_and(|error| error.code == ErrorCode::BudgetExceeded)
    };
    assert_eq!((paid, replies.iter().filter(refused).count()), (10, 90));
    assert_eq!(system.model.calls(), paid);
    let spend = system.spent(10_000).await;
    assert_eq!((spend.limit_nanos, spend.currency.as_str()), (10_500, "EUR"));
    assert_eq!(spend.rows.iter().map(|row| row.cost_nanos).sum::<u64>(), 10_000);
}

#[tokio::test]
async fn what_was_held_and_not_used_comes_back() {
    let system = System::start(&catalogue(None)).await;
    // 100 tokens can be written, 4 are: a reservation of 100,000 settles to 4,000.
    system.set_budget(120_000, "closed").await.unwrap();
    for _ in 0..5 {
        let reply = system.invoke(&chat("by-token", "hello")).await.unwrap();
        assert_eq!(reply.usage.unwrap().cost_nanos, 4_000);
    }
    system.spent(20_000).await;
    let asked = system.model.seen.lock()[0].input.clone().unwrap().kind.unwrap();
    let orrery_proto::v1::model_input::Kind::Chat(asked) = asked else { panic!("not a chat") };
    assert_eq!(asked.max_tokens, 100, "the model was not held to what was reserved");

    // Only 100,000 are left: a call fits alone, and a second beside it does not.
    let gate = Arc::new(Notify::new());
    *system.model.gate.lock() = Some(gate.clone());
    let before = system.model.calls();
    let request = chat("by-token", "hello");
    let held = system.invoke(&request);
    let second = async {
        eventually(|| async { (system.model.calls() > before).then_some(()) }).await.unwrap();
        let refused = system.invoke(&request).await;
        gate.notify_one();
        refused
    };
    let (first, second) = tokio::join!(held, second);
    assert!(first.is_ok());
    assert_eq!(second.unwrap_err().code, ErrorCode::BudgetExceeded);
}

#[tokio::test]
async fn a_failed_call_costs_nothing() {
    let system = System::start(&catalogue(None)).await;
    system.set_budget(2_000, "closed").await.unwrap();
    system.model.becomes(Behaviour::Fails(orrery_errors::Error::new(ErrorCode::InvalidRequest, "no")));
    for _ in 0..3 {
        assert_eq!(system.invoke(&chat("home", "x")).await.unwrap_err().code, ErrorCode::InvalidRequest);
    }
    system.spent(0).await;
    system.model.becomes(Behaviour::Says("now"));
    assert!(system.invoke(&chat("home", "x")).await.is_ok());
}

#[tokio::test]
async fn a_router_that_crashes_while_it_holds_money_does_not_overspend() {
    let mut system = System::start(&catalogue(None)).await;
    system.set_budget(2_500, "closed").await.unwrap();
    system.invoke(&chat("home", "x")).await.unwrap();
    *system.model.gate.lock() = Some(Arc::new(Notify::new()));
    let before = system.model.calls();
    let bus = system.bus.clone();
    let hanging = tokio::spawn(async move {
        let context = orrery_bus::CallContext::within(std::time::Duration::from_secs(5));
        bus.call(orrery_bus::verbs::router::INVOKE, &context, &chat("home", "held")).await
    });
    eventually(|| async { (system.model.calls() > before).then_some(()) }).await.unwrap();
    *system.model.gate.lock() = None;
    system.crash_router().await;
    // What the lost call cost nobody knows: the most that it can is charged, and it stands in the ledger as in doubt.
    let spend = system.spent(2_000).await;
    assert_eq!(spend.rows.iter().map(|row| (row.calls, row.cost_nanos)).collect::<Vec<_>>(), [(2, 2_000)]);
    assert_eq!(system.invoke(&chat("home", "x")).await.unwrap_err().code, ErrorCode::BudgetExceeded);
    hanging.abort();
}

#[tokio::test]
async fn budgets_are_set_by_administrators_and_within_bounds() {
    let system = System::start(&catalogue(None)).await;
    let request = |roles: &[&str], limit_nanos, mode: &str| orrery_proto::v1::SetBudgetRequest {
        caller: Some(caller(roles)),
        limit_nanos,
        when_unavailable: mode.into(),
    };
    let table = [
        (request(&["developer"], 1, ""), ErrorCode::Forbidden),
        (request(&["admin"], 1, "ajar"), ErrorCode::InvalidRequest),
        (request(&["admin"], (1 << 53) + 1, ""), ErrorCode::InvalidRequest),
    ];
    for (request, code) in table {
        let context = orrery_bus::CallContext::default();
        let refused = system.bus.call(orrery_bus::verbs::router::SET_BUDGET, &context, &request).await.unwrap_err();
        assert_eq!(refused.code, code, "{request:?}");
    }
    system.set_budget(500, "closed").await.unwrap();
    assert_eq!(system.invoke(&chat("home", "x")).await.unwrap_err().code, ErrorCode::BudgetExceeded);
    system.set_budget(0, "").await.unwrap();
    assert!(system.invoke(&chat("home", "x")).await.is_ok(), "the limit was not lifted");
}

#[tokio::test]
async fn the_ledger_is_the_same_on_postgresql() {
    let postgres = PostgresServer::start().await.unwrap();
    let system = System::start_on(&catalogue(None), Some(postgres)).await;
    system.set_budget(3_500, "closed").await.unwrap();
    let request = chat("home", "hello");
    let replies = join_all((0..20).map(|at| {
        let (system, request) = (&system, &request);
        async move { system.invoke_keyed(&format!("key-{at}"), request).await }
    }))
    .await;
    assert_eq!(replies.iter().filter(|reply| reply.is_ok()).count(), 3);
    let answered = replies.iter().position(Result::is_ok).unwrap();
    let again = system.invoke_keyed(&format!("key-{answered}"), &request).await.unwrap();
    assert_eq!(again.decision, replies[answered].as_ref().unwrap().decision);
    assert_eq!(system.spent(3_000).await.rows[0].calls, 3);
    assert_eq!(system.audited(20).await.len(), 20);
}
