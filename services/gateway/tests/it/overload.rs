//! More calls than there is room for.

use futures::StreamExt as _;
use orrery_testkit::eventually;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::world::{MODEL_CALLS_MAX, World, answer};

async fn ask(world: &World, path: &str, priority: &str, body: &Value) -> Response {
    let request = world.request(Method::POST, path, &world.admin).header("Orrery-Priority", priority);
    request.json(body).send().await.unwrap()
}

fn chat(said: &str, stream: bool) -> Value {
    json!({"model": "m", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": said}]})
}

#[actix_web::test]
async fn the_least_urgent_calls_are_turned_away_first_and_told_when_to_come_back() {
    const CHAT: &str = "/v1/chat/completions";
    let world = World::start().await;
    let mut open = Vec::new();
    for (priority, percent) in [("batch", 50), ("normal", 80), ("interactive", 100)] {
        let refused = loop {
            let response = ask(&world, CHAT, priority, &chat("forever", true)).await;
            if response.status() != 200 {
                break response;
            }
            let mut stream = response.bytes_stream();
            assert!(stream.next().await.unwrap().is_ok());
            open.push(stream);
            assert!(open.len() <= MODEL_CALLS_MAX, "more calls than there is room for");
        };
        assert_eq!(open.len(), MODEL_CALLS_MAX * percent / 100, "{priority}");
        assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        let (status, body) = answer(refused).await;
        assert_eq!((status, body["error"]["code"].as_str()), (503, Some("overloaded")), "{body}");
    }
    let (status, body) = answer(ask(&world, "/v1/messages", "batch", &chat("hello", false)).await).await;
    assert_eq!((status, body["error"]["type"].as_str()), (503, Some("overloaded_error")), "{body}");
    // What asks no model goes on.
    assert_eq!(world.get("/v1/models", &world.admin).await.0, 200);
    assert_eq!(world.get("/v1/me", &world.admin).await.0, 200);

    open.truncate(3);
    let again = || async {
        let response = ask(&world, CHAT, "batch", &chat("hello", false)).await;
        (response.status() == 200).then_some(())
    };
    assert!(eventually(again).await.is_some(), "room that was left is not given again");
    assert!(world.metrics().await.contains("orrery_gateway_shed{priority=\"batch\"}"));
}
