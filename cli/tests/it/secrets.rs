//! A provider's key from the command line to the provider, and nowhere else.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use orrery_standins::openai::{OpenaiServer, Script};
use orrery_testkit::eventually;
use reqwest::Method;
use serde_json::{Value, json};

use crate::command::{json as printed, orrery, run};
use crate::live::{Live, answer};

const FIRST: &str = "sk-first-70c2e5b94f1a";
const SECOND: &str = "sk-second-1d8f36a0ce27";

fn catalogue(cloud: &OpenaiServer) -> String {
    format!(
        r#"
currency = "EUR"
[[provider]]
name = "cloud"
kind = "openai"
location = "external"
base_url = "{}"
api_key = {{ store = "cloud-key" }}
[[model]]
name = "cloud-chat"
provider = "cloud"
capabilities = ["chat"]
data_classes = ["public"]
tenants = ["*"]
purposes = ["*"]
"#,
        cloud.base_url
    )
}

fn set(data: &Path, value: &str) -> Output {
    let mut command = orrery(data);
    let command = command.args(["secret", "set", "cloud-key"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{value}").unwrap();
    child.wait_with_output().unwrap()
}

/// What a call that is made now sends as its key.
async fn key_of_a_call(live: &Live, cloud: &OpenaiServer) -> (Option<String>, Value) {
    let body = json!({"model": "cloud-chat", "messages": [{"role": "user", "content": "hello"}]});
    let request = live.request(Method::POST, "/v1/chat/completions", &live.admin).json(&body);
    let (status, told) = answer(request.header("Orrery-Data-Classes", "public").send().await.unwrap()).await;
    let key = (status == 200).then(|| cloud.last().header("authorization").unwrap().to_owned());
    (key, told)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// The files below that hold one of the texts.
fn holding(folder: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, texts));
        } else if std::fs::read(&path).is_ok_and(|bytes| texts.iter().any(|text| has(&bytes, text))) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[actix_rt::test]
async fn a_key_goes_from_standard_input_to_its_provider_and_is_changed_without_a_restart() {
    let cloud = OpenaiServer::start(Script::Says("four words of text")).await;
    let live = Live::with_catalogue(&catalogue(&cloud)).await;
    let data = live.data.path();
    let (none, told) = key_of_a_call(&live, &cloud).await;
    assert!(none.is_none() && told.to_string().contains("orrery secret set cloud-key"), "{told}");

    let first = set(data, FIRST);
    assert_eq!(printed(&first)["providers"], json!(["cloud"]));
    // The gateway makes its own calls and hears of it a moment later.
    for (number, value) in [FIRST, SECOND].into_iter().enumerate() {
        let version = printed(&set(data, value))["version"].as_u64().unwrap();
        assert_eq!(version, number as u64 + 2);
        let sent = format!("Bearer {value}");
        let heard = eventually(|| async { (key_of_a_call(&live, &cloud).await.0? == sent).then_some(()) });
        assert!(heard.await.is_some(), "{value} never reached the provider: {:?}", key_of_a_call(&live, &cloud).await);
    }

    // The sealing key is changed while everything runs.
    let older = printed(&run(data, &["secret", "new-key"]))["older"].as_array().unwrap().len();
    let resealed = printed(&run(data, &["secret", "reseal"]));
    assert_eq!((older, &resealed["resealed"]), (1, &json!(["cloud-key"])), "{resealed}");
    let listed = run(data, &["secret", "list"]);
    assert_eq!(printed(&listed)["data"][0]["key_id"], resealed["key_id"]);
    assert_eq!(key_of_a_call(&live, &cloud).await.0, Some(format!("Bearer {SECOND}")));

    let gateway = std::fs::read_to_string(data.join("logs/gateway.log")).unwrap();
    assert!(gateway.contains("calls are made by the router's snapshot"), "{gateway}");
    assert!(!gateway.contains("cannot be used here"), "the gateway left calls to the router: {gateway}");

    let said = [first.stdout, first.stderr, listed.stdout, listed.stderr].concat();
    assert!(!has(&said, FIRST) && !has(&said, SECOND));
    assert_eq!(holding(data, &[FIRST, SECOND]), Vec::<String>::new(), "databases, streams, buckets, logs");
    let known = holding(data, &["cloud-key"]);
    for place in ["db/router.db", "jetstream", "logs/router.log"] {
        assert!(known.iter().any(|path| path.contains(place)), "{place} was not looked at: {known:?}");
    }
    let deleted = printed(&run(data, &["secret", "delete", "cloud-key"]));
    assert_eq!(deleted["providers"], json!(["cloud"]));
    let closed = eventually(|| async { key_of_a_call(&live, &cloud).await.0.is_none().then_some(()) });
    assert!(closed.await.is_some(), "a removed key is still used");
}
