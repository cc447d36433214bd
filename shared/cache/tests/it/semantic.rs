//! Questions that say the same in other words, and those that only look so.

use orrery_cache::{Cache, Lookup, Mode, Question, Rules, Settings};
use orrery_proto::v1::ModelInput;
use orrery_testkit::RedisServer;
use redis::AsyncCommands as _;

use crate::{
    asked, cache, conversation, exact, keys_like, learn, look, missed, question, redis_at, settings, text, turn,
};

async fn like(cache: &Cache, question: &Question<'_>) -> String {
    match look(cache, question).await {
        Lookup::Semantic { reply, similarity } => {
            assert_eq!((reply.cache.as_str(), reply.similarity), ("semantic", similarity));
            assert!((0.8..=1.0).contains(&similarity), "{similarity}");
            text(&reply).to_owned()
        }
        other => panic!("expected the answer to a question like {:?}: {other:?}", question.input),
    }
}

#[tokio::test]
async fn other_words_find_the_answer_and_another_sense_does_not() {
    let redis = RedisServer::start().await.unwrap();
    let (one, another_process) = (cache(&redis.url()), cache(&redis.url()));
    learn(&one, &question(&asked("Is water damage in the cellar covered?")), "it is").await;
    for same in ["Please, is water damage in the cellar covered?", "is the water damage in the cellar covered"] {
        for cache in [&one, &another_process] {
            assert_eq!(like(cache, &question(&asked(same))).await, "it is", "{same}");
        }
    }
    for other in [
        "Is water damage in the cellar not covered?",
        "Is water damage in the cellar excluded?",
        "Is fire damage in the cellar covered?",
        "Is only water damage in the cellar covered?",
        "Why is water damage in the cellar covered?",
        "Is water damage in the cellar of 2 houses covered?",
    ] {
        drop(missed(&one, &question(&asked(other))).await);
    }
}

#[tokio::test]
async fn another_tenant_role_version_or_conversation_has_no_neighbours_here() {
    let redis = RedisServer::start().await.unwrap();
    let cache = cache(&redis.url());
    learn(&cache, &question(&asked("Is water damage covered?")), "it is").await;
    let same = asked("Please, is water damage covered?");
    let changed = |change: fn(&mut Question<'_>)| {
        let mut question = question(&same);
        change(&mut question);
        question
    };
    for other in [
        changed(|question| question.scope.tenant = "other".into()),
        changed(|question| question.scope.roles = vec!["lead".into()]),
        changed(|question| question.scope.purpose = "sales".into()),
        changed(|question| question.scope.model = "small".into()),
        changed(|question| question.versions.knowledge = "k2".into()),
        changed(|question| question.versions.models = "m2".into()),
        changed(|question| question.rules.threshold = 0.999),
        changed(|question| question.rules.mode = Mode::Exact),
    ] {
        drop(missed(&cache, &other).await);
    }
    let said = "Please, is water damage covered?";
    for other in [
        conversation(vec![turn("system", "be long"), turn("user", said)]),
        conversation(vec![turn("user", said)]),
        conversation(vec![turn("system", "be brief"), turn("user", "I sail."), turn("user", said)]),
        conversation(vec![turn("system", "be brief"), turn("user", said), turn("assistant", "Hm.")]),
    ] {
        drop(missed(&cache, &question(&other)).await);
    }
    assert_eq!(like(&cache, &question(&same)).await, "it is");
}

#[tokio::test]
async fn a_neighbourhood_has_so_many_questions_and_is_read_in_pages() {
    let redis = RedisServer::start().await.unwrap();
    let small = Settings { neighbours_max: 200, ..settings() };
    let embedder = Some(std::sync::Arc::new(crate::Words) as _);
    let cache = Cache::new(&redis.url(), small.clone(), embedder).unwrap();
    let numbered = |number: usize| asked(&format!("Is damage number {number} by water in the cellar covered?"));
    for number in 0..210 {
        learn(&cache, &question(&numbered(number)), &number.to_string()).await;
    }
    let stream = keys_like(&redis.url(), "orrery:cache:{acme}:s:*").await;
    assert_eq!(stream.len(), 1);
    assert_eq!(redis_at(&redis.url()).await.xlen::<_, usize>(&stream[0]).await.unwrap(), 200);
    // A process that has read nothing yet finds the first and the last of them, by their numbers and not the nearest only.
    let fresh = Cache::new(
        &redis.url(),
        Settings { candidates_max: 200, ..small },
        Some(std::sync::Arc::new(crate::Words) as _),
    )
    .unwrap();
    let again = |number: usize| asked(&format!("Please, is damage number {number} by water in the cellar covered?"));
    for number in [10, 100, 209] {
        assert_eq!(like(&fresh, &question(&again(number))).await, number.to_string());
    }
    drop(missed(&fresh, &question(&again(9))).await);
}

#[tokio::test]
async fn without_an_embedder_or_with_tools_only_the_same_question_is_answered() {
    let redis = RedisServer::start().await.unwrap();
    let plain = Cache::new(&redis.url(), settings(), None).unwrap();
    learn(&plain, &question(&asked("Is water damage covered?")), "it is").await;
    drop(missed(&plain, &question(&asked("Please, is water damage covered?"))).await);
    assert_eq!(exact(&plain, &question(&asked("Is water damage covered?"))).await, "it is");
    let with_tool = |text: &str| -> ModelInput {
        let mut input = asked(text);
        if let Some(orrery_proto::v1::model_input::Kind::Chat(chat)) = &mut input.kind {
            chat.tools = vec![orrery_proto::v1::Tool { name: "look_up".into(), ..Default::default() }];
        }
        input
    };
    let cache = cache(&redis.url());
    let (one, other) = (with_tool("Is rain covered?"), with_tool("Please, is rain covered?"));
    let opted = |input| {
        let question = question(input);
        Question { rules: Rules { tools: true, ..question.rules.clone() }, ..question }
    };
    learn(&cache, &opted(&one), "it is").await;
    assert_eq!(exact(&cache, &opted(&one)).await, "it is");
    drop(missed(&cache, &opted(&other)).await);
}
