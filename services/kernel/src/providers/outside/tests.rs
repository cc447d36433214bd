//! Calls over the real wire: an HTTP server on loopback, or a bare socket where a server would not misbehave enough.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use orrery_types::{Sha256Digest, TaskId, TenantId, UnixMillis};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::domain::expression::{Sealed, SealedExpression};
use crate::domain::fault::Fault;
use crate::providers::perform;

/// What the server counts.
#[derive(Default)]
struct Seen {
    tokens: AtomicUsize,
    flaky: AtomicUsize,
}

async fn echo(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let headers = request.headers().iter();
    let headers: BTreeMap<&str, String> =
        headers.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    HttpResponse::Ok().json(json!({
        "method": request.method().as_str(), "path": request.path(), "query": request.query_string(),
        "headers": headers, "body": String::from_utf8_lossy(&body),
    }))
}

async fn redirect(path: web::Path<(u16, String)>) -> HttpResponse {
    let (status, to) = path.into_inner();
    HttpResponse::build(StatusCode::from_u16(status).unwrap())
        .insert_header((header::LOCATION, format!("/{to}")))
        .finish()
}

async fn away(request: HttpRequest) -> HttpResponse {
    let port = request.query_string().to_owned();
    HttpResponse::Found().insert_header((header::LOCATION, format!("http://localhost:{port}/echo"))).finish()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packing.write_all(content).unwrap();
    packing.finish().unwrap()
}

async fn zipped(path: web::Path<usize>) -> HttpResponse {
    let content = vec![b'a'; path.into_inner()];
    HttpResponse::Ok().insert_header((header::CONTENT_ENCODING, "gzip")).content_type("text/plain").body(gzip(&content))
}

async fn form_of(body: web::Bytes) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// A token endpoint: one client, a short token first.
async fn token(request: HttpRequest, body: web::Bytes, seen: web::Data<Seen>) -> HttpResponse {
    let form = form_of(body).await;
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let basic =
        request.headers().get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()) == Some("Basic YXBwOnMzY3JldA==");
    let known = basic || (field("client_id") == "app" && field("client_secret") == "s3cret");
    if !known || (field("grant_type") == "password" && field("password") != "pa55word") {
        return HttpResponse::Unauthorized()
            .json(json!({ "error": "invalid_client", "error_description": field("client_secret") }));
    }
    let number = seen.tokens.fetch_add(1, Ordering::SeqCst) + 1;
    HttpResponse::Ok().json(json!({
        "access_token": format!("token-{number}"), "expires_in": 3600, "scope": field("scope"), "audience": field("audience"),
    }))
}

/// Takes the second token and later ones; the first has been revoked.
async fn guarded(request: HttpRequest) -> HttpResponse {
    let value = request.headers().get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    match value {
        "" | "Bearer token-1" => HttpResponse::Unauthorized().finish(),
        value => HttpResponse::Ok().json(json!({ "authorization": value })),
    }
}

async fn digest(request: HttpRequest) -> HttpResponse {
    let value = request.headers().get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if value.starts_with("Digest username=\"ann\", realm=\"r\", nonce=\"n\", uri=\"/digest?x=1\", qop=auth") {
        return HttpResponse::Ok().json(json!({ "ok": true }));
    }
    let challenge = HeaderValue::from_static("Digest realm=\"r\", nonce=\"n\", qop=\"auth\"");
    HttpResponse::Unauthorized().insert_header((header::WWW_AUTHENTICATE, challenge)).finish()
}

async fn discovery(request: HttpRequest) -> HttpResponse {
    let host = request.connection_info().host().to_owned();
    HttpResponse::Ok().json(json!({ "token_endpoint": format!("http://{host}/oauth2/token") }))
}

async fn huge() -> HttpResponse {
    let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(web::Bytes::from(vec![b'x'; 1 << 20])));
    HttpResponse::Ok().streaming(chunks)
}

/// Fails to be there twice: the connection ends before an answer.
struct Site {
    port: u16,
    seen: Arc<Seen>,
}

impl Site {
    async fn start() -> Self {
        let seen = web::Data::new(Seen::default());
        let kept = seen.clone().into_inner();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(seen.clone())
                .route("/echo", web::route().to(echo))
                .route("/pet/{id}", web::route().to(echo))
                .route("/redirect/{status}/{to}", web::route().to(redirect))
                .route("/away", web::route().to(away))
                .route("/zipped/{size}", web::get().to(zipped))
                .route("/oauth2/token", web::post().to(token))
                .route("/.well-known/openid-configuration", web::get().to(discovery))
                .route("/guarded", web::route().to(guarded))
                .route("/digest", web::route().to(digest))
                .route("/huge", web::get().to(huge))
                .route("/text", web::get().to(|| async { HttpResponse::Ok().content_type("text/plain").body("héllo") }))
                .route("/bytes", web::get().to(|| async { HttpResponse::Ok().body(vec![0u8, 159, 146, 150]) }))
                .route("/nothing", web::get().to(|| async { HttpResponse::NoContent().finish() }))
                .route(
                    "/nojson",
                    web::get().to(|| async { HttpResponse::Ok().content_type("application/json").body("<p>") }),
                )
                .route(
                    "/problem",
                    web::get().to(|| async {
                        HttpResponse::NotFound()
                            .content_type("application/problem+json")
                            .json(json!({ "detail": "no such pet" }))
                    }),
                )
                .route(
                    "/slow",
                    web::route().to(|| async {
                        tokio::time::sleep(Duration::from_secs(30)).await;
                        HttpResponse::Ok().finish()
                    }),
                )
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let port = server.addrs()[0].port();
        actix_web::rt::spawn(server.run());
        Self { port, seen: kept }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn outside() -> OutwardCalls {
    OutwardCalls::new(&KernelConfig::embedded(None, None)).unwrap()
}

fn run() -> Run {
    Run {
        id: TaskId::new("task_1").unwrap(),
        tenant: TenantId::new("acme").unwrap(),
        workflow: ("test".into(), "sample".into(), "1.0.0".into()),
        definition: Sha256Digest::of(b""),
        submitted_by: "alice".into(),
        roles: Vec::new(),
        input: Arc::new(Value::Null),
        attachments: BTreeMap::new(),
        deadline_at: None,
        seed: 7,
        parent: None,
        depth: 0,
        traceparent: String::new(),
        attributes: BTreeMap::new(),
        origin: None,
        priority: 0,
    }
}

fn call(outward: Outward, arguments: Value) -> Call {
    Call {
        key: "task_1/do/0/call/0/1".into(),
        function: Target::Outward(outward),
        arguments,
        sealed: Sealed::default(),
        pointer: "/do/0/call".into(),
        deadline_at: UnixMillis::now().saturating_add(Duration::from_secs(20)),
    }
}

/// Makes a call as the executor does.
async fn made(outside: &OutwardCalls, call: &Call) -> Result<Value, Fault> {
    perform(outside, &run(), call).await.map(|reply| reply.output)
}

async fn http(arguments: Value) -> Result<Value, Fault> {
    made(&outside(), &call(Outward::Http, arguments)).await
}

async fn get(uri: &str) -> Result<Value, Fault> {
    http(json!({ "method": "get", "endpoint": { "uri": uri } })).await
}

#[actix_web::test]
async fn content_is_read_by_its_type_and_shown_as_asked() {
    let site = Site::start().await;
    assert_eq!(get(&site.url("/text")).await.unwrap(), json!("héllo"));
    assert_eq!(get(&site.url("/bytes")).await.unwrap(), json!("AJ+Slg=="));
    assert_eq!(get(&site.url("/nothing")).await.unwrap(), Value::Null);
    let raw =
        http(json!({ "method": "get", "endpoint": { "uri": site.url("/text") }, "output": "raw" })).await.unwrap();
    assert_eq!(raw, json!("aMOpbGxv"));
    let whole = json!({
        "method": "get", "endpoint": { "uri": site.url("/pet/7") }, "query": { "a": "x y", "b": [1, 2], "none": null },
        "headers": { "Accept": "application/json", "X-One": "1" }, "output": "response",
    });
    let whole = http(whole).await.unwrap();
    assert_eq!(whole["statusCode"], 200);
    assert_eq!(whole["headers"]["content-type"], "application/json");
    assert_eq!(whole["request"]["method"], "get");
    assert_eq!(whole["request"]["uri"], json!(site.url("/pet/7?a=x+y&b=1&b=2")));
    assert_eq!(whole["request"]["headers"]["x-one"], "1");
    assert_eq!(whole["content"]["query"], "a=x+y&b=1&b=2");
    let fault = get(&site.url("/nojson")).await.unwrap_err();
    assert!(fault.kind.ends_with("/communication") && fault.detail.unwrap().contains("is not"), "{:?}", fault.title);
}

#[actix_web::test]
async fn bodies_are_written_by_their_type_and_writes_carry_a_key() {
    let site = Site::start().await;
    let sent = |method: &str, body: Value, headers: Value| {
        http(json!({ "method": method, "endpoint": { "uri": site.url("/echo") }, "body": body, "headers": headers }))
    };
    let posted = sent("post", json!({ "a": 1 }), json!({})).await.unwrap();
    assert_eq!(posted["body"], "{\"a\":1}");
    assert_eq!(posted["headers"]["content-type"], "application/json");
    assert_eq!(posted["headers"]["idempotency-key"].as_str().unwrap().len(), 64);
    let form = json!({ "content-type": "application/x-www-form-urlencoded" });
    assert_eq!(sent("put", json!({ "a": "x y", "b": 2 }), form).await.unwrap()["body"], "a=x+y&b=2");
    assert_eq!(
        sent("post", json!("plain"), json!({})).await.unwrap()["headers"]["content-type"],
        "text/plain; charset=utf-8"
    );
    let own = sent("post", json!(1), json!({ "Idempotency-Key": "mine" })).await.unwrap();
    assert_eq!((&own["headers"]["idempotency-key"], &own["body"]), (&json!("mine"), &json!("1")));
    assert_eq!(sent("get", Value::Null, json!({})).await.unwrap()["headers"].get("idempotency-key"), None);
    for headers in [json!({ "Host": "other" }), json!({ "bad name": "x" }), json!({ "X": "a\nb" }), json!("x")] {
        assert!(
            sent("get", Value::Null, headers.clone()).await.unwrap_err().kind.ends_with("/validation"),
            "{headers}"
        );
    }
    let fault = sent("post", json!({ "a": 1 }), json!({ "content-type": "application/xml" })).await.unwrap_err();
    assert!(fault.kind.ends_with("/validation"));
}

#[actix_web::test]
async fn an_answer_outside_the_range_is_a_communication_error_with_its_status() {
    let site = Site::start().await;
    let fault = get(&site.url("/problem")).await.unwrap_err();
    assert_eq!(fault.kind, "https://serverlessworkflow.io/spec/1.0.0/errors/communication");
    assert_eq!((fault.status, fault.title.as_deref()), (404, Some("Not Found")));
    assert!(fault.detail.unwrap().contains("no such pet"));
    // "If set to false, runtimes must raise an error for response status codes outside the 200–299 range."
    assert_eq!(get(&site.url("/redirect/302/echo")).await.unwrap_err().status, 302);
    let followed = |method: &str, status: u16| {
        let uri = site.url(&format!("/redirect/{status}/echo"));
        http(json!({ "method": method, "endpoint": { "uri": uri }, "body": { "a": 1 }, "redirect": true }))
    };
    assert_eq!(followed("post", 303).await.unwrap()["method"], "GET");
    assert_eq!(followed("post", 302).await.unwrap()["method"], "GET");
    let kept = followed("post", 307).await.unwrap();
    assert_eq!((&kept["method"], &kept["body"]), (&json!("POST"), &json!("{\"a\":1}")));
    // "If set to true, they must raise an error for status codes outside the 200–399 range."
    let uri = site.url("/redirect/304/echo");
    let shown =
        http(json!({ "method": "get", "endpoint": { "uri": uri }, "redirect": true, "output": "response" })).await;
    assert!(shown.is_ok());
}

#[actix_web::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let (site, other) = (Site::start().await, Site::start().await);
    let arguments = json!({
        "method": "get", "redirect": true, "headers": { "X-Api-Key": "k", "Accept": "application/json" },
        "endpoint": {
            "uri": site.url(&format!("/away?{}", other.port)), "authentication": { "bearer": { "token": "t0ken" } },
        },
    });
    let seen = http(arguments).await.unwrap();
    assert_eq!(seen["headers"]["host"], json!(format!("localhost:{}", other.port)));
    assert_eq!((seen["headers"].get("authorization"), seen["headers"].get("x-api-key")), (None, None));
}

#[actix_web::test]
async fn what_is_too_large_or_too_slow_ends_in_its_error() {
    let site = Site::start().await;
    let small = get(&site.url("/zipped/1000")).await.unwrap();
    assert_eq!(small.as_str().unwrap().len(), 1000);
    for path in ["/huge", "/zipped/12000000"] {
        let fault = get(&site.url(path)).await.unwrap_err();
        assert_eq!(fault.title.as_deref(), Some("payload_too_large"), "{path}: {fault:?}");
    }
    let mut slow = call(Outward::Http, json!({ "method": "post", "endpoint": { "uri": site.url("/slow") } }));
    slow.deadline_at = UnixMillis::now().saturating_add(Duration::from_millis(300));
    let fault = made(&outside(), &slow).await.unwrap_err();
    assert_eq!((fault.status, fault.title.as_deref()), (408, Some("deadline_exceeded")));
    let loops =
        json!({ "method": "get", "endpoint": { "uri": site.url("/redirect/302/redirect%2F302") }, "redirect": true });
    assert!(http(loops).await.is_err());
}

/// A server that takes a connection, reads the request and hangs up, as often as said; then it answers.
async fn hangs_up(times: usize) -> (u16, Arc<Seen>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::new(Seen::default()));
    let counted = seen.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0u8; 4096];
            let read = socket.read(&mut buffer).await.unwrap_or(0);
            if read > 0 && counted.flaky.fetch_add(1, Ordering::SeqCst) >= times {
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        }
    });
    (port, seen)
}

#[actix_web::test]
async fn only_what_may_be_sent_twice_is_sent_again() {
    let (port, seen) = hangs_up(2).await;
    assert_eq!(get(&format!("http://127.0.0.1:{port}/")).await.unwrap(), json!("ok"));
    assert_eq!(seen.flaky.load(Ordering::SeqCst), 3);
    let (port, seen) = hangs_up(2).await;
    let post = json!({ "method": "post", "endpoint": { "uri": format!("http://127.0.0.1:{port}/") }, "body": 1 });
    let fault = http(post).await.unwrap_err();
    assert!(fault.kind.ends_with("/communication"), "{fault:?}");
    assert_eq!(seen.flaky.load(Ordering::SeqCst), 1);
    // What lasts reaches the workflow soon, whose own retry decides.
    let (port, seen) = hangs_up(100).await;
    assert!(get(&format!("http://127.0.0.1:{port}/")).await.is_err());
    assert_eq!(seen.flaky.load(Ordering::SeqCst), 3);
}

#[actix_web::test]
async fn a_server_calls_no_address_that_is_not_public_by_whatever_name() {
    let site = Site::start().await;
    let closed = OutwardCalls::new(&KernelConfig::default()).unwrap();
    for uri in [site.url("/text"), format!("http://localhost:{}/text", site.port)] {
        let call = call(Outward::Http, json!({ "method": "get", "endpoint": { "uri": uri } }));
        let fault = made(&closed, &call).await.unwrap_err();
        assert_eq!((fault.status, fault.title.as_deref()), (403, Some("policy_denied")), "{uri}: {fault:?}");
    }
    // A redirect leads no further than a call.
    let mut config = KernelConfig::embedded(None, None);
    config.http.deny = vec!["localhost".parse().unwrap()];
    let uri = site.url(&format!("/away?{}", site.port));
    let call = call(Outward::Http, json!({ "method": "get", "endpoint": { "uri": uri }, "redirect": true }));
    let fault = made(&OutwardCalls::new(&config).unwrap(), &call).await.unwrap_err();
    assert_eq!(fault.title.as_deref(), Some("policy_denied"));
}

fn authenticated(uri: &str, policy: &Value) -> Call {
    call(Outward::Http, json!({ "method": "get", "endpoint": { "uri": uri, "authentication": policy } }))
}

#[actix_web::test]
async fn basic_bearer_and_digest_speak_as_their_rfcs_say() {
    let (site, outside) = (Site::start().await, outside());
    let policy = json!({ "basic": { "username": "ann", "password": "s:ä" } });
    let seen = made(&outside, &authenticated(&site.url("/echo"), &policy)).await.unwrap();
    assert_eq!(seen["headers"]["authorization"], "Basic YW5uOnM6w6Q=");
    let policy = json!({ "bearer": { "token": "abc" } });
    let seen = made(&outside, &authenticated(&site.url("/echo"), &policy)).await.unwrap();
    assert_eq!(seen["headers"]["authorization"], "Bearer abc");
    let policy = json!({ "digest": { "username": "ann", "password": "p" } });
    let seen = made(&outside, &authenticated(&site.url("/digest?x=1"), &policy)).await.unwrap();
    assert_eq!(seen, json!({ "ok": true }));
}

#[actix_web::test]
async fn a_token_is_got_once_kept_and_got_anew_when_it_is_refused() {
    let (site, outside) = (Site::start().await, outside());
    let authority = site.url("");
    let client = json!({ "id": "app", "secret": "s3cret" });
    let policy = json!({ "oauth2": { "authority": authority, "grant": "client_credentials", "client": client } });
    let echo = authenticated(&site.url("/echo"), &policy);
    let calls = (0..8).map(|_| made(&outside, &echo));
    for seen in futures::future::join_all(calls).await {
        assert_eq!(seen.unwrap()["headers"]["authorization"], "Bearer token-1");
    }
    assert_eq!(site.seen.tokens.load(Ordering::SeqCst), 1);
    let seen = made(&outside, &authenticated(&site.url("/guarded"), &policy)).await.unwrap();
    assert_eq!(seen["authorization"], "Bearer token-2");
    let client = json!({ "id": "app", "secret": "s3cret", "authentication": "client_secret_basic" });
    let policy = json!({ "oidc": {
        "authority": authority, "grant": "password", "username": "ann", "password": "pa55word", "client": client,
    } });
    let seen = made(&outside, &authenticated(&site.url("/guarded"), &policy)).await.unwrap();
    assert_eq!(seen["authorization"], "Bearer token-3");
    let client = json!({ "id": "app", "secret": "wrong" });
    let policy = json!({ "oauth2": { "authority": authority, "grant": "client_credentials", "client": client } });
    let fault = made(&outside, &authenticated(&site.url("/guarded"), &policy)).await.unwrap_err();
    assert!(fault.kind.ends_with("/authentication") && fault.status == 401, "{fault:?}");
}

fn sealed(at: &str, expression: &str) -> SealedExpression {
    SealedExpression {
        at: at.into(),
        expression: expression.into(),
        input: json!({ "petId": 7 }),
        variables: BTreeMap::new(),
        now_ms: 0,
    }
}

#[actix_web::test]
async fn secrets_are_opened_at_the_edge_and_masked_behind_it() {
    let site = Site::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("acme")).unwrap();
    std::fs::write(folder.path().join("acme/key"), "hunter2-hunter2\n").unwrap();
    std::fs::write(folder.path().join("acme/login"), r#"{"username":"ann","password":"correct horse"}"#).unwrap();
    let outside = OutwardCalls::new(&KernelConfig::embedded(Some(folder.path().to_owned()), None)).unwrap();
    let arguments = json!({
        "method": "get", "output": "response", "query": { "key": null }, "headers": { "x-key": null },
        "endpoint": { "uri": site.url("/echo"), "authentication": { "basic": { "use": "login" } } },
    });
    let mut secret = call(Outward::Http, arguments);
    secret.sealed = Sealed {
        secrets: vec!["key".into(), "login".into()],
        expressions: vec![
            sealed("/query/key", "$secrets.key"),
            sealed("/headers/x-key", "\"\\(.petId):\\($secrets.key)\" | @base64"),
        ],
    };
    let output = made(&outside, &secret).await.unwrap();
    let text = output.to_string();
    assert_eq!(output["content"]["query"], "key=***", "{text}");
    assert_eq!(output["content"]["headers"]["x-key"], "***", "{text}");
    assert!(!text.contains("hunter2") && !text.contains("NzpodW50ZXIy") && !text.contains("correct"), "{text}");
    assert_eq!(output["request"]["uri"], json!(site.url("/echo?key=***")));
    // The service saw what the workflow does not.
    let fault = {
        let mut missing = secret.clone();
        missing.sealed.secrets.push("absent".into());
        made(&outside, &missing).await.unwrap_err()
    };
    assert_eq!((fault.status, fault.kind.ends_with("/authorization")), (403, true), "{fault:?}");
}

#[actix_web::test]
async fn no_input_can_choose_a_secret() {
    let site = Site::start().await;
    let policy = json!({ "basic": { "use": "login" } });
    let fault = made(&outside(), &authenticated(&site.url("/echo"), &policy)).await.unwrap_err();
    assert_eq!(fault.status, 403);
}

#[path = "described_tests.rs"]
mod described;

#[path = "process_tests.rs"]
mod process;

#[path = "authorization_tests.rs"]
mod authorization;

#[path = "agents_tests.rs"]
mod agents;
