//! Control of tasks: what reaches the kernel, what clients see, and who may.

use reqwest::Method;
use serde_json::json;

use crate::world::{World, assert_error};

#[actix_web::test]
async fn control_reaches_the_kernel_as_it_was_asked() {
    let world = World::start().await;
    let at = |path: &str| format!("/v1/tasks/task_1{path}");
    let (status, task) = world.post(&at("/terminate"), &world.admin, &json!({"reason": "now"})).await;
    assert_eq!((status, &task["status"]), (200, &json!("terminated")));
    let (status, _) = world.post(&at("/signals/go"), &world.admin, &json!({"payload": {"a": 1}})).await;
    assert_eq!(status, 202);
    let (status, answer) = world.post(&at("/updates/amount"), &world.admin, &json!({"payload": 7})).await;
    assert_eq!((status, &answer["result"]), (200, &json!({"amount": 7})));
    let (status, refused) = world.post(&at("/updates/amount"), &world.admin, &json!({"payload": 11})).await;
    assert_eq!((status, &refused["error"]["detail"]["reasons"][0]), (409, &json!("at most 10")), "{refused}");
    let (_, answer) = world.post(&at("/queries/total"), &world.admin, &json!({})).await;
    assert_eq!(answer["result"], json!([1]));
    let (_, state) = world.get(&at("/state"), &world.admin).await;
    assert_eq!(state["result"], json!([1]));
    let (status, fork) = world.post(&at("/fork"), &world.admin, &json!({"pointer": "/do/1/b", "iteration": 2})).await;
    assert_eq!((status, &fork["id"]), (201, &json!("task_2")));
    let (status, _) = world.post(&at("/migrate"), &world.admin, &json!({"workflow": "claims:2.0.0"})).await;
    assert_eq!(status, 200);
    world.post(&at("/pause"), &world.admin, &json!({"reason": "look"})).await;
    world.post("/v1/workflows/claims/pause", &world.admin, &json!({})).await;
    let (_, paused) = world.post("/v1/pause", &world.admin, &json!({})).await;
    assert_eq!((&paused["changed"], &paused["pauses"][0]["by"]), (&json!(true), &json!("ada")));
    let resumed = world.request(Method::DELETE, "/v1/pause", &world.admin).send().await.unwrap();
    assert_eq!(resumed.status().as_u16(), 200);
    let seen = world.players.seen.lock().controlled.clone();
    let expected = [
        "terminate now",
        "signal go {\"a\":1} ",
        "update amount 7",
        "update amount 11",
        "query \"total\" ",
        "query \"\" ",
        "restart /do/1/b Some(2)",
        "migrate claims:2.0.0",
        "pause TaskId(\"task_1\") look",
        "pause Workflow(\"claims\") ",
        "pause Tenant(true) ",
        "resume Tenant(true)",
    ];
    assert_eq!(seen, expected);
}

#[actix_web::test]
async fn control_is_for_those_who_may_and_refuses_what_is_wrong() {
    let world = World::start().await;
    let (_, key) =
        world.post("/v1/admin/keys", &world.admin, &json!({"principal": "rita", "roles": ["reviewer"]})).await;
    let reviewer = key["key"].as_str().unwrap();
    for path in ["/v1/tasks/task_1/terminate", "/v1/tasks/task_1/signals/go", "/v1/tasks/task_1/reset", "/v1/pause"] {
        assert_error(&world.post(path, reviewer, &json!({})).await, "forbidden");
    }
    let wrong = world.post("/v1/tasks/task_1/fork", &world.admin, &json!({"step": "x"})).await;
    assert_error(&wrong, "invalid_request");
    assert_error(&world.get("/v1/tasks?created_from=yesterday", &world.admin).await, "invalid_request");
    assert_error(&world.get("/v1/tasks?attributes=plate", &world.admin).await, "invalid_request");
    assert!(world.players.seen.lock().controlled.is_empty());
}
