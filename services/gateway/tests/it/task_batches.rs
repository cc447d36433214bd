//! Batches: what reaches the kernel, what clients see, and who may.

use serde_json::json;

use crate::world::{World, assert_error};

#[actix_web::test]
async fn a_batch_reaches_the_kernel_as_it_was_asked() {
    let world = World::start().await;
    let retry = json!({
        "operation": "retry", "rate": 20, "reason": "fixed",
        "filter": {"workflow": "claims", "status": ["faulted"], "attributes": {"plate": "AB 1"}, "error": "timeout",
            "created_before": "2027-01-31T12:00:00Z"},
    });
    let (status, batch) = world.post("/v1/task-batches", &world.admin, &retry).await;
    assert_eq!((status, &batch["id"], &batch["state"]), (201, &json!("batch_1"), &json!("running")), "{batch}");
    assert_eq!((&batch["operation"], &batch["rate"], &batch["total"]), (&json!("retry"), &json!(20.0), &json!(3)));
    let signal = json!({
        "operation": "signal", "signal": "go", "payload": {"a": 1}, "dry_run": true, "filter": {"version": "2.0.0"},
    });
    let (status, dry) = world.post("/v1/task-batches", &world.admin, &signal).await;
    assert_eq!((status, &dry["id"], &dry["total"]), (200, &json!(null), &json!(3)));
    let reset = json!({"operation": "reset", "pointer": "/do/1/b", "iteration": 2, "filter": {"submitted_by": "ada"}});
    assert_eq!(world.post("/v1/task-batches", &world.admin, &reset).await.0, 201);
    let migrate = json!({"operation": "migrate", "workflow": "claims:2.0.0", "filter": {"workflow": "claims"}});
    assert_eq!(world.post("/v1/task-batches", &world.admin, &migrate).await.0, 201);

    let (status, shown) = world.get("/v1/task-batches/batch_1", &world.admin).await;
    assert_eq!((status, &shown["failures"][0]["task_id"]), (200, &json!("task_9")));
    let (_, list) = world.get("/v1/task-batches?state=running,paused", &world.admin).await;
    assert_eq!((&list["data"][0]["id"], &list["next_cursor"]), (&json!("batch_1"), &json!("more")));
    for (verb, state) in [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")] {
        let (status, batch) = world.post(&format!("/v1/task-batches/batch_1/{verb}"), &world.admin, &json!({})).await;
        assert_eq!((status, &batch["state"]), (200, &json!(state)));
    }
    let seen = world.players.seen.lock().controlled.clone();
    let expected = [
        "batch Retry 20 fixed claims [4] plate timeout 1801396800000",
        "batch Signal 0 go {\"a\":1} dry",
        "batch Reset 0 /do/1/b Some(2)",
        "batch Migrate 0 claims:2.0.0",
        "list [1, 2]",
        "pause batch_1",
        "resume batch_1",
        "cancel batch_1",
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert!(expected.split(' ').all(|part| seen.contains(part)), "{seen:?} is not {expected:?}");
    }
}

#[actix_web::test]
async fn batches_are_for_those_who_may_and_refuse_what_is_wrong() {
    let world = World::start().await;
    let (_, key) =
        world.post("/v1/admin/keys", &world.admin, &json!({"principal": "rita", "roles": ["reviewer"]})).await;
    let reviewer = key["key"].as_str().unwrap();
    let cancel = json!({"operation": "cancel", "filter": {"workflow": "claims"}});
    assert_error(&world.post("/v1/task-batches", reviewer, &cancel).await, "forbidden");
    assert_error(&world.post("/v1/task-batches/batch_1/cancel", reviewer, &json!({})).await, "forbidden");
    assert_eq!(world.get("/v1/task-batches/batch_1", reviewer).await.0, 200);
    for wrong in [
        json!({"operation": "cancel"}),
        json!({"operation": "destroy", "filter": {"workflow": "claims"}}),
        json!({"operation": "cancel", "filter": {"workflow": "claims", "status": ["late"]}}),
        json!({"operation": "cancel", "filter": {"colour": "red"}}),
        json!({"operation": "cancel", "filter": {"created_from": "yesterday"}}),
        json!({"operation": "cancel", "rate": 0, "filter": {"workflow": "claims"}}),
    ] {
        assert_error(&world.post("/v1/task-batches", &world.admin, &wrong).await, "invalid_request");
    }
    assert_error(&world.get("/v1/task-batches?state=late", &world.admin).await, "invalid_request");
    assert_error(&world.get("/v1/task-batches/a.b", &world.admin).await, "invalid_request");
    assert!(world.players.seen.lock().controlled.is_empty());
}
