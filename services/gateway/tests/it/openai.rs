//! OpenAI's interface by hand; the official packages are run in `dialects`.

use std::sync::atomic::Ordering;

use futures::StreamExt as _;
use orrery_testkit::eventually;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, answer};

fn chat(text: &str) -> Value {
    json!({"model": "auto", "messages": [{"role": "user", "content": text}]})
}

#[actix_web::test]
async fn data_stays_local_unless_the_caller_says_otherwise() {
    let world = World::start().await;
    let complete = |classes: Option<&'static str>| {
        let mut request = world.request(Method::POST, "/v1/chat/completions", &world.admin).json(&chat("hi"));
        if let Some(classes) = classes {
            request = request.header("Orrery-Data-Classes", classes);
        }
        async move { request.send().await.unwrap() }
    };
    let answered = complete(None).await;
    assert_eq!(answered.headers()["orrery-cost-nanos"], "625");
    assert_eq!(answered.headers()["orrery-model"], "smollm2:1");
    assert_eq!(answered.headers()["orrery-decision"], "dec_1");
    assert_eq!(answered.headers()["orrery-cache"], "miss");
    assert_eq!(answered.headers()["x-request-id"], answered.headers()["orrery-trace-id"]);
    complete(Some("public, internal")).await;
    complete(Some("")).await;
    let classes: Vec<Vec<String>> =
        world.players.seen.lock().invocations.iter().map(|request| request.data_classes.clone()).collect();
    assert_eq!(classes, [vec!["personal"], vec!["public", "internal"], vec![]]);
    assert_eq!(complete(Some("a b")).await.status().as_u16(), 400);
}

#[actix_web::test]
async fn errors_have_the_callers_shape() {
    let world = World::start().await;
    let post = |body: Value| {
        let world = &world;
        async move { world.post("/v1/chat/completions", &world.admin, &body).await }
    };
    let (status, body) = post(chat("expensive")).await;
    assert_eq!((status, &body["error"]["code"]), (402, &json!("insufficient_quota")), "{body}");
    let mut tools = chat("hi");
    tools["tools"] = json!([{"type": "function"}]);
    let (status, body) = post(tools).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("tools[0].function")), "{body}");
    assert_eq!(body["error"]["type"], "invalid_request_error");
    // Before the first frame a streamed answer fails as a plain one does.
    let missing = json!({"model": "missing", "stream": true, "messages": [{"role": "user", "content": "x"}]});
    let (status, body) = post(missing).await;
    assert_eq!((status, &body["error"]["code"]), (422, &json!("model_not_found")), "{body}");
    let (status, body) = world.get("/v1/chat/nothing", &world.admin).await;
    assert_eq!((status, &body["error"]["type"]), (404, &json!("invalid_request_error")), "{body}");
    let (status, body) = answer(world.http.get(format!("{}/v1/models", world.base)).send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["code"]), (401, &json!("invalid_api_key")), "{body}");
    let embed = json!({"model": "m", "input": [{"a": 1}]});
    let (status, body) = world.post("/v1/embeddings", &world.admin, &embed).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("input")), "{body}");
}

#[actix_web::test]
async fn a_client_that_leaves_stops_the_model() {
    let world = World::start().await;
    let mut body = chat("forever");
    body["stream"] = json!(true);
    let response = world.request(Method::POST, "/v1/chat/completions", &world.admin).json(&body).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let first = stream.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"data: {\"id\":\"chatcmpl-"), "{first:?}");
    assert!(!world.players.stream_was_cancelled.load(Ordering::SeqCst));
    drop(stream);
    let cancelled = || async { world.players.stream_was_cancelled.load(Ordering::SeqCst).then_some(()) };
    assert!(eventually(cancelled).await.is_some(), "the model went on for nobody");
}
