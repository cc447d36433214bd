//! An answer stays within its scope, its versions and its time.

use std::time::Duration;

use orrery_cache::{Lookup, Question, Rules, Scope, Settings, Versions, Wish};
use orrery_testkit::{RedisServer, eventually};
use redis::AsyncCommands as _;

use crate::{answer, asked, cache, exact, keys_like, learn, look, missed, question, redis_at, settings};

#[tokio::test]
async fn an_answer_is_given_within_its_scope_and_nowhere_else() {
    let redis = RedisServer::start().await.unwrap();
    let (one, another_process) = (cache(&redis.url()), cache(&redis.url()));
    let input = asked("Is theft covered?");
    let ask = || question(&input);
    learn(&one, &ask(), "yes").await;
    assert_eq!(exact(&one, &ask()).await, "yes");
    assert_eq!(exact(&another_process, &ask()).await, "yes");
    let within = |change: fn(&mut Scope)| {
        let mut question = ask();
        change(&mut question.scope);
        question
    };
    let of = |models: &str, knowledge: &str| {
        let versions = Versions { models: models.into(), knowledge: knowledge.into() };
        Question { versions, ..ask() }
    };
    let others = [
        within(|scope| scope.tenant = "other".into()),
        within(|scope| scope.roles = vec!["lead".into()]),
        within(|scope| scope.roles.push("lead".into())),
        within(|scope| scope.roles.clear()),
        within(|scope| scope.data_classes = vec!["internal".into()]),
        within(|scope| scope.purpose = "sales".into()),
        within(|scope| scope.model = "small".into()),
        of("m2", "k1"),
        of("m1", "k2"),
    ];
    for (place, other) in others.iter().enumerate() {
        // An answer of its own, so that each is also held against all before it.
        learn(&one, other, &place.to_string()).await;
    }
    for (place, other) in others.iter().enumerate() {
        assert_eq!(exact(&another_process, other).await, place.to_string());
    }
    assert_eq!(exact(&one, &ask()).await, "yes");
}

#[tokio::test]
async fn an_answer_ends() {
    let redis = RedisServer::start().await.unwrap();
    let short = Settings { ttl_min: Duration::from_millis(1), ..settings() };
    let cache = orrery_cache::Cache::new(&redis.url(), short, None).unwrap();
    let input = asked("Is theft covered?");
    let brief = Question { rules: Rules { ttl: Duration::from_millis(400), ..Rules::default() }, ..question(&input) };
    learn(&cache, &brief, "yes").await;
    let ended = || async { matches!(look(&cache, &brief).await, Lookup::Miss(_)).then_some(()) };
    eventually(ended).await.unwrap();
    let gone = || async { keys_like(&redis.url(), "orrery:cache:*:x:*").await.is_empty().then_some(()) };
    eventually(gone).await.unwrap();
    // For a year, which is more than the cache gives.
    let rules = Rules { ttl: Duration::from_secs(365 * 86_400), ..Rules::default() };
    learn(&cache, &Question { rules, ..question(&input) }, "yes").await;
    let key = keys_like(&redis.url(), "orrery:cache:*:x:*").await.remove(0);
    let left: i64 = redis_at(&redis.url()).await.pttl(key).await.unwrap();
    assert!((1..=7 * 86_400_000).contains(&left), "{left}");
}

#[tokio::test]
async fn the_caller_may_leave_the_cache_out_or_renew_it() {
    let redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    let input = asked("Is theft covered?");
    learn(&cache, &question(&input), "yes").await;
    let off = missed(&cache, &Question { wish: Wish::Off, ..question(&input) }).await;
    assert_eq!((off.takes_part(), off.mark()), (false, ""));
    assert!(!off.fill(&answer("left out")).await);
    assert_eq!(exact(&cache, &question(&input)).await, "yes");
    let renewed = missed(&cache, &Question { wish: Wish::Refresh, ..question(&input) }).await;
    assert_eq!(renewed.mark(), "miss");
    assert!(renewed.fill(&answer("renewed")).await);
    assert_eq!(exact(&cache, &question(&input)).await, "renewed");
}

#[tokio::test]
async fn a_tenant_has_so_many_answers_and_answers_so_many_bytes() {
    let redis = RedisServer::start().await.unwrap();
    let small = Settings { tenant_entries_max: 3, answer_bytes_max: 1000, ..settings() };
    let cache = orrery_cache::Cache::new(&redis.url(), small, None).unwrap();
    let inputs: Vec<_> = (0..6).map(|number| asked(&format!("What is {number}?"))).collect();
    for (number, input) in inputs.iter().enumerate() {
        // Each lives longer than the one before, also when chance takes a tenth of it.
        let ttl = Duration::from_secs(1000 * (number as u64 + 1));
        let rules = Rules { ttl: ttl + ttl * number as u32, ..Rules::default() };
        learn(&cache, &Question { rules, ..question(input) }, "it").await;
    }
    assert_eq!(keys_like(&redis.url(), "orrery:cache:{acme}:x:*").await.len(), 3);
    for gone in &inputs[..3] {
        drop(missed(&cache, &question(gone)).await);
    }
    for kept in &inputs[3..] {
        assert_eq!(exact(&cache, &question(kept)).await, "it");
    }
    let input = asked("What is long?");
    assert!(!missed(&cache, &question(&input)).await.fill(&answer(&"x".repeat(1000))).await);
    drop(missed(&cache, &question(&input)).await);
}
