//! A Redis that is slow, gone, new or damaged is a miss and nothing worse.

use std::time::Duration;

use orrery_cache::{Cache, Forget, Lookup, Settings};
use orrery_errors::ErrorCode;
use orrery_testkit::{Link, Proxy, RedisServer, eventually};
use redis::AsyncCommands as _;

use crate::{answer, asked, cache, exact, keys_like, learn, look, missed, question, redis_at, settings, waiting};

/// Whether an answer is kept and given now.
async fn works(cache: &Cache) -> Option<()> {
    let input = asked("Does it work?");
    let kept = match look(cache, &question(&input)).await {
        Lookup::Miss(ticket) => ticket.fill(&answer("it does")).await,
        Lookup::Exact(_) | Lookup::Semantic { .. } => true,
    };
    kept.then_some(())
}

#[tokio::test]
async fn without_redis_questions_go_to_models_and_with_it_again_they_are_kept() {
    let mut redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    let input = asked("Is theft covered?");
    learn(&cache, &question(&input), "yes").await;
    let begun = missed(&cache, &question(&asked("Is fire covered?"))).await;
    redis.kill().unwrap();
    assert!(!begun.fill(&answer("yes")).await);
    // More than it takes for the breaker to open.
    for _ in 0..8 {
        assert!(!missed(&cache, &question(&input)).await.fill(&answer("yes")).await);
    }
    let error = cache.forget("acme", Forget::Everything).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable);
    redis.restart().await.unwrap();
    eventually(|| works(&cache)).await.expect("the cache did not come back");
    learn(&cache, &question(&input), "yes again").await;
    assert_eq!(exact(&cache, &question(&input)).await, "yes again");
}

#[tokio::test]
async fn callers_of_one_process_share_a_call_without_redis_too() {
    let mut redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    redis.kill().unwrap();
    let input = asked("Is theft covered?");
    let ticket = missed(&cache, &question(&input)).await;
    let other = {
        let (cache, input) = (cache.clone(), input.clone());
        tokio::spawn(async move { exact(&cache, &question(&input)).await })
    };
    waiting(&cache, 1).await;
    assert!(!ticket.fill(&answer("yes")).await, "there is nowhere to keep it");
    assert_eq!(other.await.unwrap(), "yes");
}

#[tokio::test]
async fn a_silent_redis_is_not_waited_for() {
    let redis = RedisServer::start().await.unwrap();
    let proxy = Proxy::to(redis.port()).await.unwrap();
    let url = format!("redis://127.0.0.1:{}/", proxy.port());
    let hurried = Settings { store_deadline: Duration::from_millis(250), ..settings() };
    let cache = Cache::new(&url, hurried, None).unwrap();
    eventually(|| works(&cache)).await.expect("the cache does not work at all");
    proxy.set(Link::Silent);
    let input = asked("Does it work?");
    for _ in 0..8 {
        // A wait without an end would end the test by its own time.
        assert!(!missed(&cache, &question(&input)).await.fill(&answer("it does not")).await);
    }
    proxy.set(Link::Pass);
    eventually(|| works(&cache)).await.expect("the cache did not come back");
    proxy.set(Link::Slow(Duration::from_secs(2)));
    assert!(!missed(&cache, &question(&input)).await.fill(&answer("it is slow")).await);
}

#[tokio::test]
async fn damaged_answers_are_misses_and_removed() {
    let redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    let (one, other) = (asked("Is theft covered?"), asked("Is rain dangerous?"));
    learn(&cache, &question(&one), "theft").await;
    let key = keys_like(&redis.url(), "orrery:cache:{acme}:x:*").await.remove(0);
    let mut connection = redis_at(&redis.url()).await;
    let sound: Vec<u8> = connection.get(&key).await.unwrap();
    learn(&cache, &question(&other), "rain").await;
    let keys = keys_like(&redis.url(), "orrery:cache:{acme}:x:*").await;
    let other_key = keys.into_iter().find(|found| *found != key).unwrap();
    let another: Vec<u8> = connection.get(&other_key).await.unwrap();
    let mut flipped = sound.clone();
    flipped[60] ^= 1;
    for damaged in [Vec::new(), b"nonsense".to_vec(), flipped, sound[..sound.len() - 1].to_vec(), another] {
        let () = connection.set(&key, damaged).await.unwrap();
        drop(missed(&cache, &question(&one)).await);
        assert!(!connection.exists::<_, bool>(&key).await.unwrap());
    }
    let () = connection.set(&key, sound).await.unwrap();
    assert_eq!(exact(&cache, &question(&one)).await, "theft");
    // Of another type than was written.
    let () = connection.del(&key).await.unwrap();
    let () = connection.rpush(&key, "x").await.unwrap();
    drop(missed(&cache, &question(&one)).await);
}
