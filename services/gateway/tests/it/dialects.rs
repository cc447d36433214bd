//! What all dialects promise, and the official packages of each, run as they are.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_config::Paths;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::world::{World, answer};

/// What tiktoken names its copy of the vocabulary cl100k: the SHA-1 of the address that it would fetch it from.
const CL100K: &str = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4";

/// Runs a script of a client until it says that all holds.
async fn run(world: &World, script: &str, base: &str, vocabularies: &Path) {
    let packages = Paths::from_env().cache.join("python-clients");
    assert!(packages.is_dir(), "{} is missing; run deploy/setup/python-clients.sh", packages.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let run = tokio::process::Command::new("python3")
        .arg(script)
        .arg(format!("{}{base}", world.base))
        .arg(&world.admin)
        .env("PYTHONPATH", packages)
        .env("TIKTOKEN_CACHE_DIR", vocabularies)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{}", world.log());
    assert!(said.contains("all calls hold"), "{said}");
}

#[actix_web::test]
async fn the_openai_package_works_unchanged() {
    let world = World::start().await;
    run(&world, "openai_client.py", "/v1", world.folder.path()).await;
}

#[actix_web::test]
async fn the_anthropic_package_works_unchanged() {
    let world = World::start().await;
    run(&world, "anthropic_client.py", "", world.folder.path()).await;
}

#[actix_web::test]
async fn langchain_works_unchanged() {
    let world = World::start().await;
    // LangChain counts tokens by itself and would fetch the vocabulary; here it finds it, checked by its digest.
    let vocabulary = tiktoken_rs::cl100k_base().unwrap();
    let ranks = (0_u32..100_256).map(|rank| {
        let bytes = vocabulary.decode_bytes(&[rank]).unwrap();
        format!("{} {rank}\n", STANDARD.encode(bytes))
    });
    std::fs::write(world.folder.path().join(CL100K), ranks.collect::<String>()).unwrap();
    run(&world, "langchain_client.py", "/v1", world.folder.path()).await;
}

/// A call in each dialect, and where its errors say what kind they are.
fn calls() -> [(&'static str, &'static str, Value); 4] {
    let messages = json!([{"role": "user", "content": "hi"}]);
    [
        ("/v1/chat/completions", "/error/code", json!({"model": "m", "messages": messages})),
        ("/v1/messages", "/error/type", json!({"model": "m", "max_tokens": 9, "messages": messages})),
        ("/v1/responses", "/error/code", json!({"model": "m", "input": "hi"})),
        ("/v1/completions", "/error/code", json!({"model": "m", "prompt": "hi"})),
    ]
}

#[actix_web::test]
async fn heads_say_the_same_in_every_dialect() {
    let world = World::start().await;
    for (path, _, body) in calls() {
        let send = |name: &'static str, value: &[u8]| {
            let value = HeaderValue::from_bytes(value).unwrap();
            let request = world.request(Method::POST, path, &world.admin).header(name, value).json(&body);
            async move { request.send().await.unwrap() }
        };
        for (name, value) in [("Orrery-Session", "s1"), ("Orrery-Priority", "batch"), ("Orrery-Cache", "refresh")] {
            let answered = send(name, value.as_bytes()).await;
            assert_eq!(answered.status().as_u16(), 200, "{path} {name}");
            assert_eq!(answered.headers()["orrery-decision"], "dec_1");
            assert_eq!(answered.headers()["orrery-cache"], "miss");
        }
        let seen: Vec<_> = std::mem::take(&mut world.players.seen.lock().invocations);
        let heads: Vec<_> =
            seen.iter().map(|it| (it.session.as_str(), it.priority.as_str(), it.cache.as_str())).collect();
        assert_eq!(heads, [("s1", "", ""), ("", "batch", ""), ("", "", "refresh")], "{path}");
        let key = &seen[0].caller.as_ref().unwrap().key_id;
        assert!(world.admin.contains(key.as_str()) && key.len() == 16, "{key}");
        let long = "x".repeat(129);
        for (name, value) in [
            ("Orrery-Priority", "urgent".as_bytes()),
            ("Orrery-Cache", b"on"),
            ("Orrery-Cost-Max-Nanos", b"much"),
            ("Orrery-Purpose", b"\xe4"),
            ("Orrery-Session", long.as_bytes()),
        ] {
            assert_eq!(send(name, value).await.status().as_u16(), 400, "{path} {name}");
        }
        assert!(world.players.seen.lock().invocations.is_empty(), "{path}");
    }
}

#[actix_web::test]
async fn a_prompt_that_is_too_large_is_refused_in_the_callers_words() {
    let world = World::start().await;
    let prompt = "x".repeat(50 * 1024 * 1024);
    for (path, kind, expected) in [
        ("/v1/chat/completions", "/error/code", "payload_too_large"),
        ("/v1/messages", "/error/type", "request_too_large"),
        ("/v1/responses", "/error/code", "payload_too_large"),
    ] {
        let sent = world.request(Method::POST, path, &world.admin).header("content-type", "application/json");
        let (status, body) = answer(sent.body(prompt.clone()).send().await.unwrap()).await;
        assert_eq!((status, body.pointer(kind)), (413, Some(&json!(expected))), "{path} {body}");
    }
}

#[actix_web::test]
async fn bodies_that_make_no_sense_are_named_in_the_callers_words() {
    let world = World::start().await;
    for (path, kind, whole) in calls() {
        let post = |body: Vec<u8>| {
            let request = world.request(Method::POST, path, &world.admin).header("content-type", "application/json");
            async move { answer(request.body(body).send().await.unwrap()).await }
        };
        let deep = format!("{{\"model\":\"m\",\"extra\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        let nul = whole.to_string().replace("hi", "a\u{0}b").into_bytes();
        for body in [Vec::new(), b"{".to_vec(), b"[]".to_vec(), b"{}".to_vec(), b"\xff\xfe".to_vec(), deep.into(), nul]
        {
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let (status, answered) = post(body).await;
            let kind = answered.pointer(kind).and_then(Value::as_str).unwrap_or_default();
            assert!(
                status == 400 && matches!(kind, "invalid_request" | "invalid_request_error"),
                "{path} {shown}: {answered}"
            );
        }
        let (status, answered) =
            post(whole.to_string().replace("hi", "\u{1F30D} \u{202E} \\u0000 e\u{301}").into_bytes()).await;
        assert_eq!(status, 200, "{path}: {answered}");
        let form = world.request(Method::POST, path, &world.admin).header("content-type", "text/plain").body("hi");
        let (status, answered) = answer(form.send().await.unwrap()).await;
        assert!(status == 415 && answered.pointer(kind).is_some(), "{path}: {answered}");
        let (status, answered) = answer(world.request(Method::DELETE, path, &world.admin).send().await.unwrap()).await;
        assert!(status == 405 && answered.pointer(kind).is_some(), "{path}: {answered}");
        let keyless = world.http.post(format!("{}{path}", world.base)).json(&whole).send().await.unwrap();
        let (status, answered) = answer(keyless).await;
        assert!(status == 401 && answered.pointer(kind).is_some(), "{path}: {answered}");
        let named = world.http.post(format!("{}{path}", world.base)).header("x-api-key", &world.admin).json(&whole);
        assert_eq!(named.send().await.unwrap().status().as_u16(), 200, "{path}");
    }
}

#[actix_web::test]
async fn an_answer_out_of_a_cache_says_so_and_streams_whole() {
    let world = World::start().await;
    let messages = json!([{"role": "user", "content": "only at the end"}]);
    let body = json!({"model": "m", "stream": true, "max_tokens": 9, "messages": messages});
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let streamed = world.request(Method::POST, path, &world.admin).json(&body).send().await.unwrap();
        assert_eq!(streamed.headers()["orrery-cache"], "hit-exact", "{path}");
        let text = streamed.text().await.unwrap();
        assert!(text.contains("You said: only at the end"), "{path}: {text}");
    }
}

#[actix_web::test]
async fn documents_are_put_in_order() {
    let world = World::start().await;
    let documents = json!(["a", {"text": "abc"}, "ab"]);
    let body = json!({"model": "m", "query": "q", "documents": documents, "top_n": 2, "return_documents": true});
    let (status, ranked) = world.post("/v1/rerank", &world.admin, &body).await;
    assert_eq!(status, 200, "{ranked}");
    assert_eq!(
        ranked["results"],
        json!([
            {"index": 1, "relevance_score": 1.0, "document": {"text": "abc"}},
            {"index": 2, "relevance_score": 0.5, "document": {"text": "ab"}},
        ])
    );
    let (status, refused) = world.post("/v1/rerank", &world.admin, &json!({"model": "m", "query": "q"})).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("invalid_request")), "{refused}");
}
