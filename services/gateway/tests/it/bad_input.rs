//! What must not be let in, and that the rest goes on.

use std::time::{Duration, Instant};

use futures::stream;
use orrery_proto::v1::TaskStatus;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{World, answer, assert_error};

/// Connections that never finish their head or their body.
#[actix_web::test]
async fn clients_that_dribble_are_hung_up_on_and_hold_up_nobody() {
    let world = World::start().await;
    let address = world.base.trim_start_matches("http://").to_owned();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n", world.admin);
    let body = format!("{head}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{{\"mod");
    let mut sockets = Vec::new();
    for sent in (0..40).map(|at| if at < 32 { &head } else { &body }) {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket.write_all(sent.as_bytes()).await.unwrap();
        sockets.push(socket);
    }
    assert_eq!(world.get("/v1/me", &world.admin).await.0, 200);
    for mut socket in sockets {
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(40), socket.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(closed.is_ok(), "it is still open: {answer}");
        assert!(["HTTP/1.1 400", "HTTP/1.1 408"].iter().any(|status| answer.starts_with(status)), "{answer}");
    }
}

#[actix_web::test]
async fn compressed_bodies_and_names_that_are_no_names_are_refused() {
    let world = World::start().await;
    let chat = |world: &World| world.request(Method::POST, "/v1/chat/completions", &world.admin);
    let bomb = chat(&world).header("content-type", "application/json").header("content-encoding", "gzip");
    let (status, refused) = answer(bomb.body(vec![0x1f, 0x8b, 8, 0]).send().await.unwrap()).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (415, Some("unsupported_media")), "{refused}");
    let split = json!({"model": "m\r\nSet-Cookie: a=b", "messages": [{"role": "user", "content": "x"}]});
    let response = chat(&world).json(&split).send().await.unwrap();
    assert!(response.headers().get("set-cookie").is_none());
    let many: Vec<_> = (0..10_001).map(|_| json!({"role": "user", "content": ""})).collect();
    let response = chat(&world).json(&json!({"model": "m", "messages": many})).send().await.unwrap();
    let (status, refused) = answer(response).await;
    assert!(status == 413 || status == 400, "{status} {refused}");
}

/// Sends raw bytes and reads until the server closes, or for a while.
async fn raw(world: &World, head: &str, body: &[u8]) -> String {
    let mut socket = TcpStream::connect(world.base.trim_start_matches("http://")).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    // The server may hang up before all is sent.
    let _sent = socket.write_all(body).await;
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut answer)).await;
    String::from_utf8_lossy(&answer[..read.expect("no answer came").unwrap()]).into_owned()
}

#[actix_web::test]
async fn two_hundred_megabytes_are_refused_before_they_are_read() {
    let world = World::start().await;
    let begun = Instant::now();
    let head = format!(
        "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 209715200\r\n\r\n",
        world.admin
    );
    let refused = raw(&world, &head, b"--b\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    assert!(refused.contains("payload_too_large"), "{refused}");

    // Without a length it is refused as soon as the limit is passed.
    let chunk = vec![0_u8; 65536];
    let endless = stream::iter((0..3200).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let part = Part::stream(Body::wrap_stream(endless)).file_name("big.bin");
    let form = Form::new().text("workflow", "claims").part("photo", part);
    let sent = world.request(Method::POST, "/v1/tasks", &world.admin).multipart(form).send().await;
    // The server hangs up on the sender, who sees the answer or the hang-up.
    if let Ok(response) = sent {
        assert_error(&answer(response).await, "payload_too_large");
    }
    let endless = vec![b' '; 300_000];
    let json = world.request(Method::POST, "/v1/tasks", &world.admin).header("content-type", "application/json");
    assert_error(&answer(json.body(endless).send().await.unwrap()).await, "payload_too_large");
    assert!(begun.elapsed() < Duration::from_secs(15), "refusing took {:?}", begun.elapsed());
    assert_eq!(world.get("/v1/me", &world.admin).await.0, 200);
    assert!(world.players.seen.lock().tasks.is_empty());
}

#[actix_web::test]
async fn a_form_that_is_cut_short_starts_nothing() {
    let world = World::start().await;
    let whole = "--b\r\nContent-Disposition: form-data; name=\"workflow\"\r\n\r\nclaims\r\n\
                 --b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n1234567890\r\n--b--\r\n";
    let send = |body: &str| {
        let kind = "multipart/form-data; boundary=b";
        let request = world.request(Method::POST, "/v1/tasks", &world.admin).header("content-type", kind);
        let request = request.body(body.to_owned());
        async move { answer(request.send().await.unwrap()).await }
    };
    for cut in [20, 60, whole.len() - 12] {
        assert_error(&send(&whole[..cut]).await, "invalid_request");
    }
    assert!(world.players.seen.lock().tasks.is_empty());
    assert_eq!(send(whole).await.0, 201);

    let many = (0..9).fold(Form::new().text("workflow", "claims"), |form, n| form.text(format!("f{n}"), "x"));
    let request = world.request(Method::POST, "/v1/tasks", &world.admin).multipart(many);
    assert_error(&answer(request.send().await.unwrap()).await, "payload_too_large");
    let twice = Form::new().text("workflow", "claims").text("a", "1").text("a", "2");
    let request = world.request(Method::POST, "/v1/tasks", &world.admin).multipart(twice);
    assert_error(&answer(request.send().await.unwrap()).await, "invalid_request");
    let unnamed = Form::new().text("workflow", "claims").text("../a", "1");
    let request = world.request(Method::POST, "/v1/tasks", &world.admin).multipart(unnamed);
    assert_error(&answer(request.send().await.unwrap()).await, "invalid_request");
}

#[actix_web::test]
async fn bodies_and_heads_that_make_no_sense_are_named() {
    let world = World::start().await;
    let post = |body: Vec<u8>, kind: &'static str| {
        let request = world.request(Method::POST, "/v1/tasks", &world.admin).header("content-type", kind);
        async move { answer(request.body(body).send().await.unwrap()).await }
    };
    for body in ["", "{", "[]", "{\"workflow\": 7}", "{\"workflow\":\"a\",\"wrkflow\":1}"] {
        assert_error(&post(body.into(), "application/json").await, "invalid_request");
    }
    assert_error(&post(b"{\"workflow\":\"\xff\"}".to_vec(), "application/json").await, "invalid_request");
    let deep = format!("{{\"workflow\":\"a\",\"input\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_error(&post(deep.into(), "application/json").await, "invalid_request");
    assert_error(&post(b"workflow=claims".to_vec(), "application/x-www-form-urlencoded").await, "unsupported_media");
    assert_error(&world.post("/v1/tasks", &world.admin, &json!({"workflow": "unknown"})).await, "not_found");
    let past = json!({"workflow": "claims", "deadline": "2001-01-01T00:00:00Z"});
    assert_error(&world.post("/v1/tasks", &world.admin, &past).await, "invalid_request");

    assert_error(&world.get("/v1/nothing", &world.admin).await, "not_found");
    let wrong = world.request(Method::DELETE, "/v1/tasks", &world.admin).send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "POST, GET");
    assert_error(&answer(wrong).await, "method_not_allowed");
    let impatient = world.request(Method::GET, "/v1/tasks", &world.admin).header("Orrery-Deadline-Ms", "soon");
    assert_error(&answer(impatient.send().await.unwrap()).await, "invalid_request");

    // None of it kept the gateway from its work.
    assert_eq!(world.post("/v1/tasks", &world.admin, &json!({"workflow": "claims"})).await.0, 201);
    assert!(world.players.seen.lock().tasks.values().all(|task| task.status() == TaskStatus::Running));
}

#[actix_web::test]
async fn a_bus_that_is_killed_is_a_typed_error_and_comes_back() {
    let mut world = World::start().await;
    world.nats.kill().unwrap();
    let body = json!({"workflow": "claims"});
    let request =
        world.request(Method::POST, "/v1/tasks", &world.admin).header("Orrery-Deadline-Ms", "500").json(&body);
    let (status, failed) = answer(request.send().await.unwrap()).await;
    assert!(matches!(status, 503 | 504), "{failed}");
    // Admission waits for nothing, so keys still hold.
    assert_eq!(world.get("/v1/me", &world.admin).await.0, 200);
    world.nats.restart().await.unwrap();
    let world = &world;
    let again = || async {
        (world.post("/v1/tasks", &world.admin, &json!({"workflow": "claims"})).await.0 == 201).then_some(())
    };
    assert!(orrery_testkit::eventually(again).await.is_some(), "the gateway did not find the bus again");
}
