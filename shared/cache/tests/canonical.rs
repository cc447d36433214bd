//! Keys: what changes nothing about the answer does not change them, everything else does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashSet;

use orrery_cache::{Key, Question, Rules, Scope, Versions, Wish};
use orrery_proto::v1::{
    ChatInput, ChatMessage, ContentPart, EmbedInput, ImageInput, Media, ModelInput, ModerateInput, RerankInput,
    ResponseFormat, Tool, ToolCall, ToolChoice, content_part, model_input::Kind,
};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn scope() -> Scope {
    Scope {
        tenant: "acme".into(),
        roles: vec!["agent".into(), "lead".into()],
        data_classes: vec![],
        purpose: "claims".into(),
        model: "auto".into(),
    }
}

fn key_in(scope: Scope, versions: Versions, kind: Kind) -> Key {
    let input = ModelInput { kind: Some(kind) };
    Question { scope, versions, rules: Rules::default(), wish: Wish::AsConfigured, input: &input }.key()
}

fn key(chat: ChatInput) -> Key {
    key_in(scope(), Versions::default(), Kind::Chat(chat))
}

fn base() -> ChatInput {
    let message = ChatMessage { role: "user".into(), content: "Is theft covered?".into(), ..Default::default() };
    ChatInput { messages: vec![message], temperature: Some(0.0), ..Default::default() }
}

fn changed(change: impl FnOnce(&mut ChatInput)) -> ChatInput {
    let mut chat = base();
    change(&mut chat);
    chat
}

fn tool(parameters_json: &str) -> ChatInput {
    changed(|chat| chat.tools = vec![Tool { parameters_json: parameters_json.into(), ..Default::default() }])
}

fn part(kind: content_part::Kind) -> ContentPart {
    ContentPart { kind: Some(kind) }
}

#[test]
fn what_changes_nothing_keeps_the_key() {
    let same = [
        changed(|chat| chat.user = "somebody".into()),
        changed(|chat| chat.n = 1),
        changed(|chat| chat.temperature = Some(-0.0)),
        changed(|chat| chat.tool_choice = Some(ToolChoice { mode: "auto".into(), ..Default::default() })),
        changed(|chat| chat.response_format = Some(ResponseFormat { kind: "text".into(), ..Default::default() })),
        changed(|chat| {
            let text = std::mem::take(&mut chat.messages[0].content);
            chat.messages[0].parts = vec![part(content_part::Kind::Text(text))];
        }),
    ];
    for chat in same {
        assert_eq!(key(chat.clone()), key(base()), "{chat:?}");
    }
    let composed = changed(|chat| chat.messages[0].content = "Caf\u{e9}".into());
    let decomposed = changed(|chat| chat.messages[0].content = "Cafe\u{301}".into());
    assert_eq!(key(composed), key(decomposed));
    assert_eq!(
        key(tool(r#"{"a": {"x": 1, "y": [1, 2]}, "b": null}"#)),
        key(tool(r#"{"b":null,"a":{"y":[1,2],"x":1}}"#))
    );
    let called = |arguments: &str| {
        changed(|chat| {
            let call = ToolCall { id: "1".into(), name: "f".into(), arguments_json: arguments.into() };
            chat.messages[0].tool_calls = vec![call];
        })
    };
    assert_eq!(key(called(r#"{ "a" : 1 }"#)), key(called(r#"{"a":1}"#)));
    let image = |user: &str| {
        let image = ImageInput { prompt: "a cat".into(), user: user.into(), ..Default::default() };
        key_in(scope(), Versions::default(), Kind::Image(image))
    };
    assert_eq!(image("a"), image("b"));
}

#[test]
fn everything_else_has_a_key_of_its_own() {
    let message =
        |role: &str, content: &str| ChatMessage { role: role.into(), content: content.into(), ..Default::default() };
    let format = |schema: &str, strict| ResponseFormat {
        kind: "json_schema".into(),
        name: "n".into(),
        schema_json: schema.into(),
        strict,
    };
    let media = |change: fn(&mut Media)| {
        let mut media = Media { media_type: "image/png".into(), data: vec![1, 2, 3], ..Default::default() };
        change(&mut media);
        changed(|chat| chat.messages[0].parts = vec![part(content_part::Kind::Image(media))])
    };
    let chats = [
        base(),
        changed(|chat| chat.messages[0].content = "Is theft covered".into()),
        changed(|chat| chat.messages[0].content = "Is theft  covered?".into()),
        changed(|chat| chat.messages[0].content = "is theft covered?".into()),
        changed(|chat| chat.messages[0].role = "system".into()),
        changed(|chat| chat.messages[0].name = "anna".into()),
        changed(|chat| chat.messages[0].reasoning = "hm".into()),
        changed(|chat| chat.messages[0].reasoning_signature = "s".into()),
        changed(|chat| chat.messages[0].tool_failed = true),
        changed(|chat| chat.messages[0].tool_call_id = "1".into()),
        changed(|chat| chat.messages.insert(0, message("system", "be brief"))),
        changed(|chat| chat.messages.insert(0, message("system", "be long"))),
        changed(|chat| chat.messages.push(message("user", ""))),
        changed(|chat| chat.max_tokens = 10),
        changed(|chat| chat.temperature = None),
        changed(|chat| chat.temperature = Some(0.1)),
        changed(|chat| chat.top_p = Some(0.1)),
        changed(|chat| chat.top_p = Some(0.0)),
        changed(|chat| chat.seed = Some(0)),
        changed(|chat| chat.seed = Some(1)),
        changed(|chat| chat.stop = vec!["a".into()]),
        changed(|chat| chat.stop = vec!["a".into(), "b".into()]),
        changed(|chat| chat.stop = vec!["ab".into()]),
        changed(|chat| chat.tool_choice = Some(ToolChoice { mode: "none".into(), ..Default::default() })),
        changed(|chat| chat.parallel_tool_calls = Some(false)),
        changed(|chat| chat.parallel_tool_calls = Some(true)),
        changed(|chat| chat.response_format = Some(format(r#"{"a":1}"#, false))),
        changed(|chat| chat.response_format = Some(format(r#"{"a":2}"#, false))),
        changed(|chat| chat.response_format = Some(format(r#"{"a":1}"#, true))),
        changed(|chat| chat.logprobs = true),
        changed(|chat| chat.top_logprobs = 1),
        changed(|chat| chat.n = 2),
        changed(|chat| chat.frequency_penalty = Some(0.5)),
        changed(|chat| chat.presence_penalty = Some(0.5)),
        changed(|chat| chat.logit_bias = [("5".to_owned(), 1.0)].into()),
        changed(|chat| chat.logit_bias = [("5".to_owned(), 2.0)].into()),
        changed(|chat| chat.top_k = Some(1)),
        changed(|chat| chat.reasoning_effort = "low".into()),
        changed(|chat| chat.raw = true),
        changed(|chat| chat.extra_json = r#"{"a":1}"#.into()),
        changed(|chat| chat.reasoning_tokens_max = 5),
        tool(r#"{"a":1}"#),
        tool(r#"{"a":[1,2]}"#),
        tool(r#"{"a":[2,1]}"#),
        media(|_| ()),
        media(|media| media.data = vec![1, 2]),
        media(|media| media.detail = "low".into()),
        media(|media| media.media_type = "image/jpeg".into()),
        media(|media| media.url = "https://example.org/".into()),
    ];
    let keys: HashSet<Key> = chats.iter().cloned().map(key).collect();
    assert_eq!(keys.len(), chats.len());
}

#[test]
fn kinds_scopes_and_versions_have_keys_of_their_own() {
    let texts = || vec!["a".to_owned()];
    let kinds = [
        Kind::Embed(EmbedInput { texts: texts(), ..Default::default() }),
        Kind::Embed(EmbedInput { texts: texts(), input_type: "query".into(), ..Default::default() }),
        Kind::Embed(EmbedInput { texts: vec!["a".into(), String::new()], ..Default::default() }),
        Kind::Moderate(ModerateInput { texts: texts() }),
        Kind::Rerank(RerankInput { query: "a".into(), ..Default::default() }),
        Kind::Rerank(RerankInput { documents: texts(), ..Default::default() }),
    ];
    let mut keys: HashSet<Key> = HashSet::new();
    let mut total = kinds.len();
    keys.extend(kinds.into_iter().map(|kind| key_in(scope(), Versions::default(), kind)));
    let scopes = [
        scope(),
        Scope { tenant: "other".into(), ..scope() },
        Scope { roles: vec!["agent".into()], ..scope() },
        Scope { roles: vec!["agentlead".into()], ..scope() },
        Scope { roles: vec![], data_classes: vec!["agent".into(), "lead".into()], ..scope() },
        Scope { purpose: String::new(), ..scope() },
        Scope { model: "small".into(), ..scope() },
    ];
    total += scopes.len();
    keys.extend(scopes.into_iter().map(|scope| key_in(scope, Versions::default(), Kind::Chat(base()))));
    let version = |models: &str, knowledge: &str| Versions { models: models.into(), knowledge: knowledge.into() };
    let versions = [version("1", ""), version("", "1"), version("1", "1"), version("2", "1")];
    total += versions.len();
    keys.extend(versions.into_iter().map(|version| key_in(scope(), version, Kind::Chat(base()))));
    assert_eq!(keys.len(), total);
    let shuffled = Scope { roles: vec!["lead".into(), "agent".into(), "lead".into()], ..scope() };
    assert_eq!(key_in(shuffled, Versions::default(), Kind::Chat(base())), key(base()));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zé \\\\\"]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,4}", inner, 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// With the keys of each object the other way round.
fn turned(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(turned).collect(),
        Value::Object(entries) => {
            Value::Object(entries.iter().rev().map(|(key, value)| (key.clone(), turned(value))).collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn schemas_are_the_same_in_any_order_and_layout(value in json()) {
        let pretty = serde_json::to_string_pretty(&turned(&value)).unwrap();
        prop_assert_eq!(key(tool(&value.to_string())), key(tool(&pretty)));
    }

    #[test]
    fn different_schemas_differ(one in json(), other in json()) {
        prop_assert_eq!(key(tool(&one.to_string())) == key(tool(&other.to_string())), one == other);
    }

    #[test]
    fn different_texts_differ(one in "[ -~é]{0,20}", other in "[ -~é]{0,20}") {
        let ask = |text: &str| key(changed(|chat| chat.messages[0].content = text.to_owned()));
        prop_assert_eq!(ask(&one) == ask(&other), one == other);
    }

    #[test]
    fn turns_do_not_run_into_each_other(text in "[ab]{2,12}", cut in 1_usize..12) {
        let turns = |texts: &[&str]| key(changed(|chat| {
            chat.messages = texts.iter().map(|text| ChatMessage {
                role: "user".into(), content: (*text).to_owned(), ..Default::default()
            }).collect();
        }));
        let (before, after) = text.split_at(cut.min(text.len() - 1));
        prop_assert_ne!(turns(&[&text]), turns(&[before, after]));
    }
}
