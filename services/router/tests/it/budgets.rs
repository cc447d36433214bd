//! Budgets that cannot be overspent: under concurrency, without Redis, after a wipe, after a crash.

use std::sync::Arc;

use futures::future::join_all;
use nix::sys::signal::Signal;
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
    let code = |code| replies.iter().filter(|reply| reply.as_ref().is_err_and(|error| error.code == code)).count();
    // On a machine so busy that Redis seems gone, some are refused unchecked; that may leave money over, never overspend it.
    let unchecked = code(ErrorCode::Unavailable);
    assert!(paid == 10 || (paid < 10 && unchecked > 0), "{paid} were paid, {unchecked} were not checked");
    assert_eq!(paid + unchecked + code(ErrorCode::BudgetExceeded), 100);
    assert_eq!(system.model.calls(), paid);
    let spend = system.spend("").await;
    let cost = u64::try_from(paid).unwrap() * 1_000;
    assert_eq!((spend.spent_nanos, spend.limit_nanos, spend.currency.as_str()), (cost, 10_500, "EUR"));
    assert_eq!(spend.rows.iter().map(|row| row.cost_nanos).sum::<u64>(), cost);
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
    assert_eq!(system.settled_spend().await.spent_nanos, 20_000);
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
    assert_eq!(system.settled_spend().await.spent_nanos, 0);
    system.model.becomes(Behaviour::Says("now"));
    assert!(system.invoke(&chat("home", "x")).await.is_ok());
}

#[tokio::test]
async fn without_redis_the_mode_decides_and_a_wipe_forgets_nothing() {
    let mut system = System::start(&catalogue(None)).await;
    let call = chat("home", "hello");
    system.set_budget(5_000, "closed").await.unwrap();
    for _ in 0..2 {
        system.invoke(&call).await.unwrap();
    }

    system.redis.kill().unwrap();
    let refused = system.invoke(&call).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unavailable);
    assert!(refused.retry_after.is_some());

    // It comes back empty; the two calls still count.
    system.redis.restart().await.unwrap();
    let mut paid = 2;
    let last = loop {
        match system.invoke(&call).await {
            Ok(_) => paid += 1,
            Err(error) if error.code == ErrorCode::Unavailable => tokio::task::yield_now().await,
            Err(error) => break error,
        }
        assert!(paid <= 5, "overspent after a wipe");
    };
    assert_eq!((last.code, paid), (ErrorCode::BudgetExceeded, 5));

    // Open: calls go through, and count afterwards.
    system.set_budget(6_500, "open").await.unwrap();
    system.redis.kill().unwrap();
    system.invoke(&call).await.unwrap();
    system.redis.restart().await.unwrap();
    let refused = eventually(|| async { system.invoke(&call).await.err() }).await.unwrap();
    assert_eq!(refused.code, ErrorCode::BudgetExceeded);
    // More than one may have passed before Redis was reached again; all of them count.
    assert!(system.settled_spend().await.spent_nanos >= 6_000);
}

#[tokio::test]
async fn a_redis_that_stalls_is_told_in_time() {
    let system = System::start(&catalogue(None)).await;
    system.set_budget(5_000, "closed").await.unwrap();
    system.invoke(&chat("home", "x")).await.unwrap();
    system.redis.process().signal(Signal::SIGSTOP).unwrap();
    let began = std::time::Instant::now();
    let refused = system.invoke(&chat("home", "x")).await.unwrap_err();
    system.redis.process().signal(Signal::SIGCONT).unwrap();
    assert_eq!(refused.code, ErrorCode::Unavailable);
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?}", began.elapsed());
    let healed = eventually(|| async { system.invoke(&chat("home", "x")).await.ok() }).await;
    assert!(healed.is_some(), "calls do not go on after Redis does");
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
    // 1,000 are spent, 1,000 are held by the crashed router until they run out: nothing else fits.
    let spend = system.spend("").await;
    assert_eq!((spend.spent_nanos, spend.reserved_nanos), (1_000, 1_000));
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
    let spend = system.settled_spend().await;
    assert_eq!(spend.spent_nanos, 3_000);
    assert_eq!(spend.rows[0].calls, 3);
    assert_eq!(system.audited(20).await.len(), 20);
}
