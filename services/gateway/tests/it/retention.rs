//! How long tasks are kept, and the archives of those that were removed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, assert_error};

async fn send(world: &World, method: Method, path: &str, key: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = world.request(method, path, key);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[actix_web::test]
async fn rules_are_set_by_administrators_and_seen_by_all() {
    let world = World::start().await;
    let rule = json!({"workflow": "claims", "keep": "90 days"});
    let (status, rules) = send(&world, Method::PUT, "/v1/retention", &world.admin, Some(rule.clone())).await;
    assert_eq!((status, &rules["changed"], &rules["rules"][0]["workflow"]), (200, &json!(true), &json!("claims")));
    let own = json!({"keep": "P1D", "archive": false});
    assert_eq!(send(&world, Method::PUT, "/v1/retention", &world.admin, Some(own)).await.0, 200);
    assert_eq!(send(&world, Method::DELETE, "/v1/retention?workflow=claims", &world.admin, None).await.0, 200);
    let (_, rules) = world.get("/v1/retention", &world.admin).await;
    assert_eq!((&rules["rules"][0]["keep"], &rules["system"]), (&json!("PT2160H"), &Value::Null));
    let seen = world.players.seen.lock().controlled.clone();
    assert_eq!(seen, ["keep \"claims\" 7776000000 true", "keep \"\" 86400000 false", "forget \"claims\""]);

    let (_, key) =
        world.post("/v1/admin/keys", &world.admin, &json!({"principal": "dora", "roles": ["developer"]})).await;
    let developer = key["key"].as_str().unwrap();
    assert_error(&send(&world, Method::PUT, "/v1/retention", developer, Some(rule)).await, "forbidden");
    assert_eq!(world.get("/v1/retention", developer).await.0, 200);
    for wrong in [json!({"keep": "soon"}), json!({"keep": "P1Y"}), json!({}), json!({"keep": "1d", "colour": 1})] {
        assert_error(&send(&world, Method::PUT, "/v1/retention", &world.admin, Some(wrong)).await, "invalid_request");
    }
}

#[actix_web::test]
async fn the_archive_of_a_task_is_served_with_its_digest() {
    let world = World::start().await;
    let response = world.request(Method::GET, "/v1/tasks/task_old/archive", &world.admin).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], "application/jsonl");
    assert!(response.headers()["orrery-digest"].to_str().unwrap().starts_with("sha256:"));
    assert_eq!(response.text().await.unwrap(), "{\"orrery_archive\":1}\n");
    assert_error(&world.get("/v1/tasks/task_new/archive", &world.admin).await, "failed_precondition");
}
