//! Requests that are refused at the door.

use std::time::Duration;

use futures::stream;
use orrery_testkit::eventually;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::command::{process_state, run};
use crate::live::{Live, answer, assert_refused, id};

const UPLOAD_BYTES: usize = 200 * 1024 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
/// What a gateway may need more at its peak, whatever it is sent.
const GROWTH_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub async fn are_refused_with_the_reason(live: &Live) {
    let admin = &live.admin;
    assert_refused(&live.post("/v1/tasks", admin, &json!({"workflow": "no-such"})).await, 404, "not_found");
    assert_refused(&live.send("no-such", Vec::new(), admin).await, 404, "not_found");
    let past = json!({"workflow": "hello", "deadline": "2001-01-01T00:00:00Z"});
    assert_refused(&live.post("/v1/tasks", admin, &past).await, 400, "invalid_request");

    let json_body = |body: &'static [u8]| {
        live.request(Method::POST, "/v1/tasks", admin).header("content-type", "application/json").body(body)
    };
    for body in [&b"{\"workflow\": \"hel\xfflo\"}"[..], b"{\"workflow\": \"hello\"", b""] {
        assert_refused(&answer(json_body(body).send().await.unwrap()).await, 400, "invalid_request");
    }
    let form = Form::new().text("workflow", "hello").part("input", Part::bytes(&b"{\"a\": \"\xc3\x28\"}"[..]));
    let request = live.request(Method::POST, "/v1/tasks", admin).multipart(form);
    let refused = answer(request.send().await.unwrap()).await;
    assert_refused(&refused, 400, "invalid_request");
    assert!(refused.1["error"]["message"].as_str().unwrap().contains("UTF-8"), "{}", refused.1);
}

pub async fn sent_twice_start_one_task(live: &Live) {
    let send = |workflow: &'static str| {
        let request = live.request(Method::POST, "/v1/tasks", &live.admin).header("Idempotency-Key", "twice");
        let request = request.json(&json!({"workflow": "hello", "input": {"of": workflow}}));
        async move { answer(request.send().await.unwrap()).await }
    };
    // At the same moment, and once more.
    let (one, other) = futures::join!(send("a"), send("a"));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201], "{} {}", one.1, other.1);
    let again = send("a").await;
    assert_eq!((again.0, &again.1["duplicate"]), (200, &json!(true)), "{}", again.1);
    assert_eq!((id(&one.1), id(&one.1)), (id(&other.1), id(&again.1)));
    assert_refused(&send("b").await, 409, "conflict");
}

pub async fn of_another_tenant_find_nothing(live: &Live) {
    let tenant = live.post("/v1/admin/tenants", &live.admin, &json!({"id": "neighbour"})).await;
    assert_eq!(tenant.0, 201, "{}", tenant.1);
    let neighbour = live.key("neighbour", "nora", &["admin"]).await;
    let task = live.submit("hello", Vec::new()).await;
    live.settled(&task, &live.admin).await;
    for path in
        [format!("/v1/tasks/{task}"), format!("/v1/tasks/{task}/events"), format!("/v1/audit/tasks/{task}/explain")]
    {
        assert_refused(&live.get(&path, &neighbour).await, 404, "not_found");
    }
    let cancel = live.post(&format!("/v1/tasks/{task}/cancel"), &neighbour, &json!({})).await;
    assert_refused(&cancel, 404, "not_found");
    assert_eq!(live.get("/v1/tasks", &neighbour).await.1["data"], json!([]));
}

/// The most memory that the gateway ever had.
fn gateway_peak_bytes(live: &Live) -> u64 {
    let pid = &process_state(live.data.path(), "gateway")["pid"];
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

pub async fn that_are_too_large_cost_no_memory(live: &Live) {
    let before = gateway_peak_bytes(live);
    // With its length in the head, it is refused before a byte of it is read.
    let head = format!(
        "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {UPLOAD_BYTES}\r\n\r\n--b\r\n",
        live.admin
    );
    let mut socket = TcpStream::connect(live.base.trim_start_matches("http://")).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answered = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(30), socket.read(&mut answered)).await;
    let answered = String::from_utf8_lossy(&answered[..read.expect("no answer").unwrap()]).into_owned();
    assert!(answered.starts_with("HTTP/1.1 413") && answered.contains("payload_too_large"), "{answered}");

    // Without, as soon as the limit is passed. The server hangs up on the sender, who sees the answer or the hang-up.
    let chunk = vec![0_u8; CHUNK_BYTES];
    let endless = stream::iter((0..UPLOAD_BYTES / CHUNK_BYTES).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let part = Part::stream(Body::wrap_stream(endless)).file_name("large.bin");
    let form = Form::new().text("workflow", "read").part("file", part);
    if let Ok(response) = live.request(Method::POST, "/v1/tasks", &live.admin).multipart(form).send().await {
        assert_refused(&answer(response).await, 413, "payload_too_large");
    }
    let grown = gateway_peak_bytes(live).saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "the gateway grew by {grown} bytes");
}

/// Files in the folder where uploads wait. They have no name, so that this shows open ones only by the space they take.
fn waiting_uploads(live: &Live) -> usize {
    let pid = &process_state(live.data.path(), "gateway")["pid"];
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let folder = live.data.path().join("uploads");
    open.filter_map(|file| std::fs::read_link(file.path()).ok()).filter(|path| path.starts_with(&folder)).count()
}

pub async fn that_break_off_leave_nothing(live: &Live) {
    let head = format!(
        "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: 50000000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"workflow\"\r\n\r\nbroken-off\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n",
        live.admin
    );
    let mut socket = TcpStream::connect(live.base.trim_start_matches("http://")).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![7; 5_000_000]).await.unwrap();
    let received = eventually(|| async { (waiting_uploads(live) > 0).then_some(()) }).await;
    assert!(received.is_some(), "the gateway never began to keep the upload");
    drop(socket);
    let gone = eventually(|| async { (waiting_uploads(live) == 0).then_some(()) }).await;
    assert!(gone.is_some(), "half an upload is still kept");
    assert_eq!(live.get("/v1/tasks?workflow=broken-off", &live.admin).await.1["data"], json!([]));
}

/// What was refused before there was a task is in the tenant's log.
pub async fn in_vain_are_on_the_record(live: &Live) {
    let wanted = ["not_found", "invalid_request", "payload_too_large", "conflict"];
    let recorded = eventually(|| async {
        let export = run(live.data.path(), &["audit", "export"]).stdout;
        let records = String::from_utf8(export).unwrap();
        let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].take());
        let refusals: Vec<Value> = records.filter(|record| record["kind"] == "request.refused").collect();
        let is_there = |code: &&str| refusals.iter().any(|it| it["facts"]["reason"] == **code);
        wanted.iter().all(is_there).then_some(refusals)
    });
    let refusals = recorded.await.expect("refusals are not on the record");
    assert!(refusals.iter().all(|it| it["facts"]["principal"] == "admin"), "{refusals:?}");
    assert!(refusals.iter().any(|it| it["facts"]["route"] == "POST /v1/tasks"), "{refusals:?}");
}
