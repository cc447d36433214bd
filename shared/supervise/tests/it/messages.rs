//! What becomes of messages: the bound holds, and nothing accepted disappears without its sender being told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use orrery_supervise::{ActorSpec, Backoff, Handle, Root, SendError, SupervisorSpec};

use crate::fixture::{Add, Fault, Hold, Victim, instance, victim, within};

/// Panics on every seventh message it handles, answers some later and some at once.
struct Fragile {
    handled: u64,
    answered: Arc<AtomicU64>,
}

impl Actor for Fragile {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Touch(u64);

impl Handler<Touch> for Fragile {
    type Result = ResponseActFuture<Self, u64>;
    fn handle(&mut self, Touch(n): Touch, _: &mut Self::Context) -> Self::Result {
        self.handled += 1;
        assert!(!self.handled.is_multiple_of(7), "injected panic");
        let answered = Arc::clone(&self.answered);
        let answer = async move {
            if n.is_multiple_of(3) {
                tokio::task::yield_now().await;
            }
            answered.fetch_add(1, Ordering::SeqCst);
            n
        };
        Box::pin(answer.into_actor(self))
    }
}

#[actix::test]
async fn every_ask_is_answered_or_told_under_constant_panics() {
    const ASKS: u64 = 4_000;
    let answered = Arc::new(AtomicU64::new(0));
    let made = Arc::clone(&answered);
    let spec = ActorSpec::new("fragile", move || Fragile { handled: 0, answered: Arc::clone(&made) })
        .mailbox(32)
        .backoff(Backoff::constant(Duration::from_micros(200)));
    let handle = spec.handle();
    let root = Root::start(SupervisorSpec::new("tree").intensity(usize::MAX, Duration::from_secs(60)).child(spec))
        .await
        .unwrap();

    let asks = (0..ASKS).map(|n| {
        let handle = handle.clone();
        async move {
            loop {
                // Far above what a single ask can take: a deadline here means a message that nobody told about.
                match handle.ask_within(Touch(n), Duration::from_secs(60)).await {
                    Ok(echo) => {
                        assert_eq!(echo, n);
                        return (1_u64, 0_u64);
                    }
                    Err(SendError::Lost { .. }) => return (0, 1),
                    Err(error) => {
                        let pause = error.retry_after().unwrap_or_else(|| panic!("unexpected: {error}"));
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
    });
    let outcomes = tokio::time::timeout(Duration::from_secs(60), futures::future::join_all(asks)).await.unwrap();
    let (done, lost) = outcomes.iter().fold((0, 0), |(done, lost), (d, l)| (done + d, lost + l));
    assert_eq!(done + lost, ASKS, "every ask has exactly one outcome");
    assert!(lost > 0, "the actor did panic");
    assert!(done > 0, "the actor did come back");
    assert!(answered.load(Ordering::SeqCst) >= done);
    let restarts = root.snapshot().children[0].restarts;
    assert!(restarts > 10, "{restarts} restarts");
    root.drain(Duration::from_secs(5)).await;
    assert_eq!(root.snapshot().children[0].in_flight, 0);
}

/// A victim whose mailbox is held; `release` lets it go on.
async fn held(handle: &Handle<Victim>) -> tokio::sync::oneshot::Sender<()> {
    let (release, until) = tokio::sync::oneshot::channel();
    drop(handle.try_send(Hold(until)).unwrap());
    within(async {
        while handle.mailbox_depth() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    release
}

#[actix::test]
async fn the_mailbox_bound_is_exact_and_typed() {
    let spec = victim("bounded").mailbox(3).no_heartbeat();
    let handle = spec.handle();
    let root = Root::start(SupervisorSpec::new("tree").child(spec)).await.unwrap();
    let release = held(&handle).await;

    let receipts: Vec<_> = (0..3).map(|n| handle.clone().try_send(Add(n)).unwrap()).collect();
    assert_eq!(handle.mailbox_depth(), 3);
    let refused = handle.clone().try_send(Add(9));
    let Err(error @ SendError::Full { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.retry_after().unwrap() > Duration::ZERO);
    assert_eq!(root.snapshot().children[0].mailbox_depth, 3);

    release.send(()).unwrap();
    let totals: Vec<u64> = within(futures::future::try_join_all(receipts)).await.unwrap();
    assert_eq!(totals, [0, 1, 3], "in order, and without the refused one");
    root.drain(Duration::from_secs(5)).await;
}

#[actix::test]
async fn messages_that_a_dead_child_never_began_may_be_sent_again() {
    let spec = victim("dying").no_heartbeat();
    let handle = spec.handle();
    let root = Root::start(SupervisorSpec::new("tree").child(spec)).await.unwrap();
    let release = held(&handle).await;
    let fatal = handle.try_send(Fault::Panic).unwrap();
    let waiting: Vec<_> = (0..5).map(|n| handle.try_send(Add(n)).unwrap()).collect();
    release.send(()).unwrap();
    assert!(matches!(within(fatal).await, Err(SendError::Lost { .. })), "its outcome is unknown");
    for receipt in waiting {
        let told = within(receipt).await;
        assert!(matches!(told, Err(SendError::Restarting { .. })), "{told:?}");
    }
    assert_eq!(instance(&handle).await, 2);
    assert_eq!(handle.ask(Add(1)).await, Ok(1), "none of the waiting messages was handled");
    root.drain(Duration::from_secs(5)).await;
}

#[actix::test]
async fn a_message_is_refused_with_a_hint_while_the_child_restarts() {
    let spec = victim("resting").backoff(Backoff::constant(Duration::from_secs(30)));
    let handle = spec.handle();
    let early = handle.try_send(Add(1));
    assert!(matches!(early, Err(SendError::Restarting { .. })), "{early:?}");
    let root = Root::start(SupervisorSpec::new("tree").child(spec)).await.unwrap();
    let _ = handle.ask(Fault::Panic).await;
    crate::fixture::tree_where(&root, |tree| tree.children[0].restarts == 1).await;
    let error = handle.ask(Add(1)).await.unwrap_err();
    assert!(matches!(error, SendError::Restarting { .. }), "{error}");
    assert!(error.retry_after().unwrap() > Duration::from_secs(20), "{error}");
    assert!(!root.health().ready);
    root.drain(Duration::from_secs(5)).await;
}

#[actix::test]
async fn a_deadline_takes_back_a_message_that_was_not_handled_yet() {
    let spec = victim("late").no_heartbeat();
    let handle = spec.handle();
    let root = Root::start(SupervisorSpec::new("tree").child(spec)).await.unwrap();
    let release = held(&handle).await;
    let error = handle.ask_within(Add(5), Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(error, SendError::Deadline { .. }));
    release.send(()).unwrap();
    assert_eq!(handle.ask(Add(1)).await, Ok(1), "the 5 was taken back");
    root.drain(Duration::from_secs(5)).await;
}
