//! What is forgotten is neither given nor kept, and no longer there.

use orrery_cache::{Forget, Question, Scope, Versions};
use orrery_testkit::RedisServer;

use crate::{answer, asked, cache, exact, keys_like, learn, missed, question};

fn of<'a>(asked: &Question<'a>, tenant: &str, models: &str, knowledge: &str) -> Question<'a> {
    let versions = Versions { models: models.into(), knowledge: knowledge.into() };
    Question { scope: Scope { tenant: tenant.into(), ..asked.scope.clone() }, versions, ..asked.clone() }
}

#[tokio::test]
async fn a_version_a_key_or_all_of_a_tenant_is_forgotten_and_no_more() {
    let redis = RedisServer::start().await.unwrap();
    let (cache, another_process) = (cache(&redis.url()), cache(&redis.url()));
    let input = asked("Is theft covered?");
    let ask = question(&input);
    let all = [
        of(&ask, "acme", "m1", "k1"),
        of(&ask, "acme", "m2", "k1"),
        of(&ask, "acme", "m1", "k2"),
        of(&ask, "acme", "m2", "k2"),
        of(&ask, "other", "m1", "k1"),
    ];
    let key = all[3].key();
    let forgettings: [(&str, Forget<'_>, &[usize]); 5] = [
        ("acme", Forget::Knowledge("k1"), &[2, 3, 4]),
        ("acme", Forget::Models("m2"), &[0, 2, 4]),
        ("acme", Forget::Key(&key), &[0, 1, 2, 4]),
        ("acme", Forget::Everything, &[4]),
        ("nobody", Forget::Everything, &[0, 1, 2, 3, 4]),
    ];
    for (tenant, what, left) in forgettings {
        for forgotten in ["acme", "other"] {
            cache.forget(forgotten, Forget::Everything).await.unwrap();
        }
        for question in &all {
            learn(&cache, question, "yes").await;
        }
        cache.forget(tenant, what).await.unwrap();
        for (place, question) in all.iter().enumerate() {
            if left.contains(&place) {
                assert_eq!(exact(&another_process, question).await, "yes", "{what:?} {place}");
            } else {
                drop(missed(&another_process, question).await);
            }
        }
        assert_eq!(keys_like(&redis.url(), "orrery:cache:*:x:*").await.len(), left.len(), "{what:?}");
    }
}

#[tokio::test]
async fn what_was_being_made_when_it_was_forgotten_is_not_kept() {
    let redis = RedisServer::start().await.unwrap();
    let (cache, another_process) = (cache(&redis.url()), cache(&redis.url()));
    let input = asked("Is theft covered?");
    for what in
        [Forget::Everything, Forget::Knowledge("k1"), Forget::Models("m1"), Forget::Key(&question(&input).key())]
    {
        let ticket = missed(&cache, &question(&input)).await;
        another_process.forget("acme", what).await.unwrap();
        assert!(!ticket.fill(&answer("of yesterday")).await, "{what:?}");
        drop(missed(&another_process, &question(&input)).await);
    }
    learn(&cache, &question(&input), "of today").await;
    assert_eq!(exact(&another_process, &question(&input)).await, "of today");
}

#[tokio::test]
async fn questions_are_forgotten_with_their_answers() {
    let redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    let (one, other) = (asked("Is theft covered?"), asked("Is rain dangerous?"));
    learn(&cache, &question(&one), "yes").await;
    learn(&cache, &question(&other), "no").await;
    let stream = keys_like(&redis.url(), "orrery:cache:{acme}:s:*").await.remove(0);
    let texts = || async {
        use redis::AsyncCommands as _;
        let read: redis::streams::StreamRangeReply =
            crate::redis_at(&redis.url()).await.xrange_all(&stream).await.unwrap();
        read.ids.iter().filter_map(|record| record.get::<String>("q")).collect::<Vec<_>>()
    };
    assert_eq!(texts().await, ["Is theft covered?", "Is rain dangerous?"]);
    cache.forget("acme", Forget::Key(&question(&one).key())).await.unwrap();
    assert_eq!(texts().await, ["Is rain dangerous?"]);
    drop(missed(&cache, &question(&asked("Please, is theft covered?"))).await);
    cache.forget("acme", Forget::Everything).await.unwrap();
    assert_eq!(keys_like(&redis.url(), "orrery:cache:{acme}:[xs]:*").await, [""; 0]);
}
