//! Tasks with attachments, idempotency, and their events as a stream.

use std::time::Duration;

use futures::StreamExt as _;
use orrery_testkit::eventually;
use orrery_types::TenantId;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::json;

use crate::world::{World, answer, assert_error};

async fn read_until(response: Response, needle: &str) -> String {
    let mut body = response.bytes_stream();
    let mut text = String::new();
    let reading = async {
        while let Some(chunk) = body.next().await {
            text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
            if !needle.is_empty() && text.contains(needle) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the stream stalled");
    text
}

#[actix_web::test]
async fn a_packet_goes_in_whole() {
    let world = World::start().await;
    let photo = vec![0xab; 300_000];
    let form = Form::new()
        .text("workflow", "claims")
        .text("input", json!({"policy": "P-1"}).to_string())
        .part("photo", Part::bytes(photo.clone()).file_name("C:\\a\\photo.png").mime_str("image/png").unwrap())
        .part("note", Part::bytes(Vec::new()).file_name("note.wav"));
    let request = world.request(Method::POST, "/v1/tasks", &world.admin).multipart(form);
    let (status, task) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, 201, "{task}");
    assert_eq!(task["status"], "running");
    assert_eq!(task["input"], json!({"policy": "P-1"}));
    let attachment = &task["attachments"][0];
    assert_eq!((&attachment["name"], &attachment["file_name"]), (&json!("photo"), &json!("photo.png")));
    assert_eq!((&attachment["media_type"], &attachment["size_bytes"]), (&json!("image/png"), &json!(300_000)));

    let blob = world.players.seen.lock().tasks[task["id"].as_str().unwrap()].attachments[0].blob.clone().unwrap();
    let blobs = world.players.kernel.blobs().await.unwrap();
    assert_eq!(blobs.get(&TenantId::new("acme").unwrap(), &blob, 1 << 20).await.unwrap(), photo);
    assert!(blobs.get(&TenantId::new("globex").unwrap(), &blob, 1 << 20).await.is_err());
    assert_eq!(std::fs::read_dir(world.folder.path().join("uploads")).unwrap().count(), 0, "an upload was left behind");
}

#[actix_web::test]
async fn the_same_key_starts_one_task() {
    let world = World::start().await;
    let submit = || async {
        let request = world.request(Method::POST, "/v1/tasks", &world.admin).header("Idempotency-Key", "packet-7");
        answer(request.json(&json!({"workflow": "claims"})).send().await.unwrap()).await
    };
    let (first, second) = (submit().await, submit().await);
    assert_eq!((first.0, second.0), (201, 200));
    assert_eq!(first.1["id"], second.1["id"]);
    assert_eq!(second.1["duplicate"], true);
    let spaced = world.request(Method::POST, "/v1/tasks", &world.admin).header("Idempotency-Key", "two words");
    let refused = answer(spaced.json(&json!({"workflow": "claims"})).send().await.unwrap()).await;
    assert_error(&refused, "invalid_request");

    let (_, page) = world.get("/v1/tasks?status=running,waiting&limit=5", &world.admin).await;
    assert_eq!((page["data"].as_array().unwrap().len(), &page["next_cursor"]), (1, &json!("more")));
    assert_error(&world.get("/v1/tasks?status=sleeping", &world.admin).await, "invalid_request");
    assert_error(&world.get("/v1/tasks?colour=red", &world.admin).await, "invalid_request");
    let cancel = format!("/v1/tasks/{}/cancel", first.1["id"].as_str().unwrap());
    let (status, task) = world.post(&cancel, &world.admin, &json!({"reason": "sent twice"})).await;
    assert_eq!((status, &task["status"], &task["error"]["title"]), (200, &json!("cancelled"), &json!("sent twice")));
}

#[actix_web::test]
async fn events_come_first_from_history_then_live_and_then_end() {
    let world = World::start().await;
    let (_, task) = world.post("/v1/tasks", &world.admin, &json!({"workflow": "claims"})).await;
    let id = task["id"].as_str().unwrap();
    let path = format!("/v1/tasks/{id}/events");
    world.players.event(id, "task.started").await;
    world.players.event(id, "step.scheduled").await;

    let follow = world.request(Method::GET, &path, &world.admin).send().await.unwrap();
    assert_eq!(follow.headers()["content-type"], "text/event-stream");
    let live = async {
        world.players.event(id, "step.completed").await;
        world.players.event(id, "task.completed").await;
    };
    let (text, ()) = tokio::join!(read_until(follow, ""), live);
    let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["1", "2", "3", "4"], "{text}");
    assert!(text.contains("event: task.completed\ndata: {"), "{text}");
    assert!(text.contains("\"data\":{\"text\":\"a\\nb\"}"), "{text}");

    let resumed = world.request(Method::GET, &path, &world.admin).header("Last-Event-ID", "3").send().await.unwrap();
    let text = read_until(resumed, "").await;
    assert!(text.starts_with("id: 4\n") && !text.contains("id: 3"), "{text}");
    assert_error(&world.get("/v1/tasks/task_0/events", &world.admin).await, "not_found");
}

#[actix_web::test]
async fn a_client_that_leaves_frees_its_stream() {
    let mut world = World::start().await;
    let (_, task) = world.post("/v1/tasks", &world.admin, &json!({"workflow": "claims"})).await;
    let id = task["id"].as_str().unwrap().to_owned();
    world.players.event(&id, "task.started").await;
    let follow = || async {
        let path = format!("/v1/tasks/{id}/events");
        world.request(Method::GET, &path, &world.admin).send().await.unwrap()
    };
    let open = |count: &'static str| {
        let world = &world;
        move || async move {
            world.metrics().await.contains(&format!("orrery_gateway_event_streams {count}\n")).then_some(())
        }
    };
    let first = follow().await;
    assert!(eventually(open("1")).await.is_some());
    drop(first);
    assert!(eventually(open("0")).await.is_some(), "{}", world.metrics().await);

    // And a process that goes down ends those that are open, at once.
    let second = follow().await;
    world.stop();
    read_until(second, "").await;
    let ended = eventually(|| {
        let running = world.is_running();
        async move { (!running).then_some(()) }
    });
    assert!(ended.await.is_some(), "the gateway did not stop: {}", world.log());
}
