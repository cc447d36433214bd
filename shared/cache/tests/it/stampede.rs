//! Many who ask the same: one goes, whoever fails hands over, and nothing ends for all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use orrery_cache::{Cache, Lookup, Settings};
use orrery_proto::v1::{InvokeReply, ModelOutput, model_output};
use orrery_testkit::{RedisServer, eventually};
use orrery_types::UnixMillis;

use crate::{answer, asked, cache, exact, look, missed, question, settings, text, waiting};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_callers_of_two_processes_cost_one_call() {
    let redis = RedisServer::start().await.unwrap();
    let processes = [cache(&redis.url()), cache(&redis.url())];
    let (arrived, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..100)
        .map(|number| {
            let (cache, arrived, calls) = (processes[number % 2].clone(), arrived.clone(), calls.clone());
            tokio::spawn(async move {
                let input = asked("Is theft covered?");
                arrived.fetch_add(1, Ordering::SeqCst);
                match look(&cache, &question(&input)).await {
                    Lookup::Exact(reply) => text(&reply).to_owned(),
                    Lookup::Semantic { .. } => panic!("nothing is like it"),
                    Lookup::Miss(ticket) => {
                        calls.fetch_add(1, Ordering::SeqCst);
                        let all = || async { (arrived.load(Ordering::SeqCst) == 100).then_some(()) };
                        eventually(all).await.unwrap();
                        assert!(ticket.fill(&answer("the one answer")).await);
                        "the one answer".to_owned()
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "the one answer");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// Somebody who asks in a task of their own, once that one waits.
fn asks(cache: &Cache) -> tokio::task::JoinHandle<Lookup> {
    let cache = cache.clone();
    tokio::spawn(async move {
        let input = asked("Is theft covered?");
        look(&cache, &question(&input)).await
    })
}

fn ticket(lookup: Lookup) -> orrery_cache::Ticket {
    match lookup {
        Lookup::Miss(ticket) => ticket,
        hit => panic!("expected a miss: {hit:?}"),
    }
}

#[tokio::test]
async fn whoever_fails_hands_over_within_and_across_processes() {
    let redis = RedisServer::start().await.unwrap();
    let (here, there) = (cache(&redis.url()), cache(&redis.url()));
    let input = asked("Is theft covered?");
    let first = missed(&here, &question(&input)).await;
    let (second, elsewhere) = (asks(&here), asks(&there));
    waiting(&here, 1).await;
    drop(first);
    // One of the two gets the duty; the other waits for its answer.
    let mut going = [second, elsewhere];
    let done = || {
        let place = going.iter().position(tokio::task::JoinHandle::is_finished);
        async move { place }
    };
    let place = eventually(done).await.expect("nobody took over");
    let lookup = (&mut going[place]).await.unwrap();
    assert!(ticket(lookup).fill(&answer("yes")).await);
    let waited = (&mut going[1 - place]).await.unwrap();
    assert!(matches!(&waited, Lookup::Exact(reply) if text(reply) == "yes"), "{waited:?}");
}

#[tokio::test]
async fn a_caller_who_leaves_while_waiting_or_going_stops_nobody() {
    let redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    let input = asked("Is theft covered?");
    let first = missed(&cache, &question(&input)).await;
    let leaving = asks(&cache);
    waiting(&cache, 1).await;
    let staying = asks(&cache);
    waiting(&cache, 2).await;
    leaving.abort();
    let _aborted = leaving.await;
    drop(first);
    assert!(ticket(staying.await.unwrap()).fill(&answer("yes")).await);
    assert_eq!(exact(&cache, &question(&input)).await, "yes");
}

#[tokio::test]
async fn a_waiter_keeps_their_own_deadline() {
    let redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    let input = asked("Is theft covered?");
    let going = missed(&cache, &question(&input)).await;
    let hurried = cache.lookup(&question(&input), UnixMillis::now().saturating_add(Duration::from_millis(100))).await;
    drop(ticket(hurried));
    assert!(going.fill(&answer("yes")).await);
    assert_eq!(exact(&cache, &question(&input)).await, "yes");
}

#[tokio::test]
async fn an_answer_that_is_not_whole_is_nobody_elses() {
    let redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    let input = asked("Is theft covered?");
    let going = missed(&cache, &question(&input)).await;
    let [one, other] = [asks(&cache), asks(&cache)];
    waiting(&cache, 2).await;
    let cut = |reply: InvokeReply| {
        let Some(ModelOutput { kind: Some(model_output::Kind::Chat(mut chat)) }) = reply.output else {
            panic!("no chat")
        };
        chat.finish_reason = "length".into();
        InvokeReply { output: Some(ModelOutput { kind: Some(model_output::Kind::Chat(chat)) }), ..Default::default() }
    };
    assert!(!going.fill(&cut(answer("ye"))).await);
    // Both go, each for itself: neither waits for the other.
    let tickets = [ticket(one.await.unwrap()), ticket(other.await.unwrap())];
    for ticket in tickets {
        assert!(ticket.takes_part());
    }
}

#[tokio::test]
async fn a_hot_answer_is_made_anew_by_one_while_the_others_are_given_it() {
    let redis = RedisServer::start().await.unwrap();
    let eager = Settings { early_beta: 1e12, ..settings() };
    let cache = Cache::new(&redis.url(), eager, None).unwrap();
    let input = asked("Is theft covered?");
    let began = Instant::now();
    let first = missed(&cache, &question(&input)).await;
    // What takes no time to make is never early.
    let some_time = || async { (began.elapsed() > Duration::from_millis(5)).then_some(()) };
    eventually(some_time).await.unwrap();
    assert!(first.fill(&answer("old")).await);
    let renewing = missed(&cache, &question(&input)).await;
    assert_eq!(text(&renewing.earlier().unwrap()), "old");
    assert_eq!(exact(&cache, &question(&input)).await, "old");
    assert!(renewing.fill(&answer("new")).await);
    // Made in no time it is given; in a little, it is already due again.
    let newest = match look(&cache, &question(&input)).await {
        Lookup::Exact(reply) => reply,
        Lookup::Miss(next) => next.earlier().unwrap(),
        Lookup::Semantic { .. } => panic!("nothing is like it"),
    };
    assert_eq!(text(&newest), "new");
}
