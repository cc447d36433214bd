//! Files: kept, listed, read and deleted by one tenant and no other, on both databases; and which batches are refused. Batches
//! that run are in the tests of the whole system.

use std::time::Duration;

use orrery_testkit::{PostgresServer, eventually_within};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::world::{UPLOAD_BYTES_MAX, World, answer};

fn form(bytes: &[u8], purpose: &str) -> Form {
    Form::new().text("purpose", purpose.to_owned()).part("file", Part::bytes(bytes.to_vec()).file_name("a.jsonl"))
}

async fn send(world: &World, key: &str, form: Form) -> (u16, Value) {
    answer(world.request(Method::POST, "/v1/files", key).multipart(form).send().await.unwrap()).await
}

async fn keep(world: &World, key: &str, bytes: &[u8], purpose: &str) -> String {
    let (status, file) = send(world, key, form(bytes, purpose)).await;
    assert_eq!((status, &file["object"], &file["purpose"]), (200, &json!("file"), &json!(purpose)), "{file}");
    file["id"].as_str().unwrap().to_owned()
}

async fn list(world: &World, key: &str, query: &str) -> Vec<String> {
    let (status, page) = world.get(&format!("/v1/files{query}"), key).await;
    assert_eq!((status, &page["object"]), (200, &json!("list")), "{page}");
    page["data"].as_array().unwrap().iter().map(|file| file["id"].as_str().unwrap().to_owned()).collect()
}

async fn other_tenant(world: &World) -> String {
    let tenant = json!({"id": "others", "title": "Others"});
    assert_eq!(world.post("/v1/admin/tenants", &world.admin, &tenant).await.0, 201);
    let body = json!({"tenant": "others", "principal": "eve", "roles": ["developer"]});
    world.post("/v1/admin/keys", &world.admin, &body).await.1["key"].as_str().unwrap().to_owned()
}

fn assert_refused((status, body): &(u16, Value), expected: u16, code: &str, param: Option<&str>) {
    let error = &body["error"];
    assert_eq!((*status, error["code"].as_str(), error["param"].as_str()), (expected, Some(code), param), "{body}");
}

#[actix_web::test]
async fn files_live_and_die_on_sqlite() {
    files_live_and_die(World::start().await).await;
}

#[actix_web::test]
async fn files_live_and_die_on_postgresql() {
    let postgres = PostgresServer::start().await.unwrap();
    files_live_and_die(World::on(Some(postgres.url())).await).await;
}

async fn files_live_and_die(mut world: World) {
    let other = other_tenant(&world).await;
    let key = world.admin.clone();
    let first = keep(&world, &key, b"{\"a\": 1}\n", "batch").await;
    // The same bytes are another file.
    let second = keep(&world, &key, b"{\"a\": 1}\n", "batch").await;
    let third = keep(&world, &key, b"\x00\xffbytes", "user_data").await;
    assert_eq!(list(&world, &key, "").await, [&third, &second, &first].map(String::as_str));
    assert_eq!(list(&world, &key, "?order=asc&limit=2").await, [&first, &second].map(String::as_str));
    assert_eq!(list(&world, &key, &format!("?order=asc&limit=2&after={second}")).await, [third.as_str()]);
    assert_eq!(list(&world, &key, &format!("?after={third}")).await, [&second, &first].map(String::as_str));
    assert_eq!(list(&world, &key, "?purpose=user_data").await, [third.as_str()]);
    let (_, page) = world.get("/v1/files?limit=2", &key).await;
    assert_eq!((&page["has_more"], &page["last_id"]), (&json!(true), &json!(second)), "{page}");

    world.restart().await;
    let content = |id: &str| world.request(Method::GET, &format!("/v1/files/{id}/content"), &key).send();
    let read = content(&third).await.unwrap();
    assert_eq!(read.headers()["content-type"], "application/octet-stream");
    assert_eq!(read.headers()["content-disposition"], "attachment; filename=\"a.jsonl\"");
    assert_eq!(read.bytes().await.unwrap().as_ref(), b"\x00\xffbytes");

    for (method, path) in [
        (Method::GET, format!("/v1/files/{first}")),
        (Method::GET, format!("/v1/files/{first}/content")),
        (Method::DELETE, format!("/v1/files/{first}")),
    ] {
        let asked = world.request(method, &path, &other).send().await.unwrap();
        assert_refused(&answer(asked).await, 404, "not_found", None);
    }
    assert_eq!(list(&world, &other, "").await, Vec::<String>::new());
    assert_refused(&world.get(&format!("/v1/files?after={first}"), &other).await, 404, "not_found", None);

    let gone = world.request(Method::DELETE, &format!("/v1/files/{first}"), &key).send().await.unwrap();
    assert_eq!(answer(gone).await, (200, json!({"id": first, "object": "file", "deleted": true})));
    assert_refused(&world.get(&format!("/v1/files/{first}"), &key).await, 404, "not_found", None);
    assert_eq!(content(&second).await.unwrap().bytes().await.unwrap().as_ref(), b"{\"a\": 1}\n");
    // Of the first no bytes are left.
    let blobs = world.players.kernel.blobs().await.unwrap();
    let tenant = orrery_types::TenantId::new("acme").unwrap();
    let keys = blobs.keys(&tenant).await.unwrap();
    assert!(!keys.iter().any(|stored| stored.ends_with(&first)), "{keys:?}");
    assert!(keys.contains(&format!("acme/files/{second}")), "{keys:?}");
}

#[actix_web::test]
async fn files_that_are_none_are_refused_by_name() {
    let world = World::start().await;
    let key = &world.admin;
    let refused = |form: Form, status: u16, code: &'static str, param: Option<&'static str>| {
        let world = &world;
        async move { assert_refused(&send(world, key, form).await, status, code, param) }
    };
    refused(form(b"", "batch"), 400, "invalid_request", Some("file")).await;
    refused(form(b"x", "batch_output"), 400, "invalid_request", Some("purpose")).await;
    refused(Form::new().part("file", Part::bytes(vec![1])), 400, "invalid_request", Some("purpose")).await;
    refused(Form::new().text("purpose", "batch"), 400, "invalid_request", Some("file")).await;
    let two = form(b"x", "batch").part("file", Part::bytes(vec![1]).file_name("b"));
    refused(two, 400, "invalid_request", Some("file")).await;
    refused(form(&vec![b'x'; UPLOAD_BYTES_MAX + 1], "batch"), 413, "payload_too_large", None).await;
    let expires = |anchor: &str, seconds: &str| {
        let form = form(b"x", "batch").text("expires_after[anchor]", anchor.to_owned());
        form.text("expires_after[seconds]", seconds.to_owned())
    };
    refused(expires("now", "3600"), 400, "invalid_request", Some("expires_after.anchor")).await;
    refused(expires("created_at", "60"), 400, "invalid_request", Some("expires_after.seconds")).await;
    let reviewer = world.key("rita", &["reviewer"]).await;
    assert_eq!(send(&world, &reviewer, form(b"x", "batch")).await.0, 403);
    for query in ["?limit=0", "?limit=10001", "?order=up", "?purpose=fun"] {
        assert_eq!(world.get(&format!("/v1/files{query}"), key).await.0, 400, "{query}");
    }
}

#[actix_web::test]
async fn a_batch_is_taken_in_by_whom_its_input_belongs_to() {
    let world = World::start().await;
    let (key, other) = (world.admin.clone(), other_tenant(&world).await);
    let input = keep(&world, &key, b"{}\n", "batch").await;
    let photo = keep(&world, &key, b"{}\n", "vision").await;
    let with = |more: Value| {
        let mut body = json!({"input_file_id": input, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let notes: serde_json::Map<_, _> = (0..17).map(|n| (n.to_string(), json!("x"))).collect();
    for (wrong, param) in [
        (json!({"input_file_id": photo}), "input_file_id"),
        (json!({"endpoint": "/v1/images/generations"}), "endpoint"),
        (json!({"completion_window": "200h"}), "completion_window"),
        (json!({"metadata": notes}), "metadata"),
        (json!({"output_expires_after": {"anchor": "created_at", "seconds": 1}}), "output_expires_after.seconds"),
    ] {
        let refused = world.post("/v1/batches", &key, &with(wrong)).await;
        assert_refused(&refused, 400, "invalid_request", Some(param));
    }
    assert_eq!(world.post("/v1/batches", &key, &with(json!({"operation": "cancel"}))).await.0, 400);
    let foreign = world.post("/v1/batches", &other, &with(json!({}))).await;
    assert_refused(&foreign, 404, "not_found", Some("input_file_id"));

    let (status, batch) = world.post("/v1/batches", &key, &with(json!({"metadata": {"a": "b"}}))).await;
    assert_eq!((status, &batch["object"], &batch["status"]), (200, &json!("batch"), &json!("validating")), "{batch}");
    assert_eq!((&batch["metadata"], &batch["output_file_id"]), (&json!({"a": "b"}), &json!(null)));
    let id = batch["id"].as_str().unwrap();
    let task = world.players.seen.lock().tasks[batch["task_id"].as_str().unwrap()].clone();
    assert_eq!(task.input_json, json!({"batch": id}).to_string());
    let (_, page) = world.get("/v1/batches", &key).await;
    assert_eq!((&page["data"][0]["id"], &page["has_more"]), (&json!(id), &json!(false)), "{page}");
    assert_eq!(world.get("/v1/batches", &other).await.1["data"], json!([]));
    assert_refused(&world.get(&format!("/v1/batches/{id}"), &other).await, 404, "not_found", None);
    let stop = world.post(&format!("/v1/batches/{id}/cancel"), &other, &json!({})).await;
    assert_refused(&stop, 404, "not_found", None);
    let (status, cancelling) = world.post(&format!("/v1/batches/{id}/cancel"), &key, &json!({})).await;
    assert_eq!((status, &cancelling["status"]), (200, &json!("cancelling")), "{cancelling}");
    assert!(cancelling["cancelling_at"].is_u64(), "{cancelling}");
}

#[actix_web::test]
async fn a_batch_that_no_kernel_runs_is_begun_later() {
    let world = World::start().await;
    let input = keep(&world, &world.admin, b"{}\n", "batch").await;
    world.players.seen.lock().kernel_is_away = true;
    let body = json!({"input_file_id": input, "endpoint": "/v1/embeddings", "completion_window": "24h"});
    let (status, batch) = world.post("/v1/batches", &world.admin, &body).await;
    assert_eq!((status, &batch["status"], &batch["task_id"]), (200, &json!("validating"), &json!(null)), "{batch}");
    world.players.seen.lock().kernel_is_away = false;
    let begun = || async {
        let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
        let (_, now) = world.get(&path, &world.admin).await;
        now["task_id"].is_string().then_some(())
    };
    // Twice what lies between two sweeps.
    let begun = eventually_within(Duration::from_secs(60), begun).await;
    assert!(begun.is_some(), "{}", world.log());
}
