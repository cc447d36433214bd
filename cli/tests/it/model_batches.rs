//! Batches of calls to models in a whole system: the official Python package, processes that are killed in the middle, limits
//! that are used up, batches that are cancelled or run out of time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use orrery_config::Paths;
use orrery_standins::openai::{OpenaiServer, Script};
use orrery_testkit::eventually_within;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::live::{Live, id};

const SAID: &str = "four words of text";
/// A step whose process died is given to another after half a minute; the rest is for busy machines.
const ENDED_WITHIN: Duration = Duration::from_secs(300);
const MENDED_WITHIN: Duration = Duration::from_secs(60);
/// A line that was under way in a router that died is called again after this.
const LINE_MS: u64 = 20_000;
/// What one call costs, whatever it says.
const CALL_NANOS: u64 = 1_000;

fn catalogue(provider: &OpenaiServer) -> String {
    let model = |name: &str, capability: &str| {
        format!(
            "[[model]]\nname = \"{name}\"\nprovider = \"cloud\"\ncapabilities = [\"{capability}\"]\n\
             data_classes = [\"public\"]\ntenants = [\"*\"]\npurposes = [\"*\"]\nprice = {{ request = {CALL_NANOS} }}\n"
        )
    };
    format!(
        "currency = \"EUR\"\n[[provider]]\nname = \"cloud\"\nkind = \"openai\"\nlocation = \"external\"\nbase_url = \"{}\"\n{}{}",
        provider.base_url,
        model("metered", "chat"),
        model("vectors", "embed"),
    )
}

async fn system() -> (OpenaiServer, Live) {
    let provider = OpenaiServer::start(Script::Says(SAID)).await;
    let live = Live::with_catalogue(&catalogue(&provider)).await;
    (provider, live)
}

/// So many questions, each with its number.
fn lines(count: usize) -> String {
    let line = |n: usize| {
        let body = json!({"model": "metered", "messages": [{"role": "user", "content": format!("question {n}")}]});
        format!(
            "{}\n",
            json!({"custom_id": format!("q{n}"), "method": "POST", "url": "/v1/chat/completions", "body": body})
        )
    };
    (0..count).map(line).collect()
}

/// Makes a batch of them.
async fn begin(live: &Live, key: &str, count: usize, window: &str) -> String {
    let part = Part::bytes(lines(count).into_bytes()).file_name("lines.jsonl");
    let form = Form::new().text("purpose", "batch").part("file", part);
    let sent = live.request(Method::POST, "/v1/files", key).multipart(form).send().await.unwrap();
    let file: Value = sent.json().await.unwrap();
    let body = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": window});
    let request = live.request(Method::POST, "/v1/batches", key).header("Orrery-Data-Classes", "public");
    let request = request.header("Orrery-Deadline-Ms", LINE_MS);
    let batch: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
    assert!(batch["status"].is_string(), "{batch}");
    id(&batch)
}

async fn batch(live: &Live, key: &str, id: &str) -> Value {
    let asked = live.request(Method::GET, &format!("/v1/batches/{id}"), key).send().await;
    match asked {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        // It is just being started anew.
        Err(_) => Value::Null,
    }
}

/// The batch once it is over.
async fn ended(live: &Live, key: &str, id: &str) -> Value {
    let over = eventually_within(ENDED_WITHIN, || async {
        let batch = batch(live, key, id).await;
        let status = batch["status"].as_str()?;
        ["completed", "failed", "expired", "cancelled"].contains(&status).then(|| batch.clone())
    });
    match over.await {
        Some(batch) => batch,
        None => panic!("{} is under way: {}", batch(live, key, id).await, live.process.log()),
    }
}

/// The lines of a file by their names; none of a file that is not there.
async fn file(live: &Live, key: &str, id: &Value) -> BTreeMap<String, Value> {
    let Some(id) = id.as_str() else { return BTreeMap::new() };
    let asked = live.request(Method::GET, &format!("/v1/files/{id}/content"), key).send().await.unwrap();
    let text = asked.text().await.unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["custom_id"].as_str().unwrap().to_owned(), line)
    };
    text.lines().map(line).collect()
}

/// How often the provider was asked each question.
fn asked(provider: &OpenaiServer) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for request in provider.requests.lock().iter() {
        *asked.entry(request.body["messages"][0]["content"].to_string()).or_default() += 1;
    }
    asked
}

async fn limit(live: &Live, id: &str, principal: &str, metric: &str, window: &str, amount: u64) {
    let body = json!({"scope": "user", "subject": principal, "metric": metric, "window": window, "amount": amount});
    let set = live.request(Method::PUT, &format!("/v1/limits/{id}"), &live.admin).json(&body).send().await.unwrap();
    assert_eq!(set.status().as_u16(), 204, "{}", set.text().await.unwrap());
}

async fn tenant_key(live: &Live, principal: &str) -> String {
    let tenant = live.get("/v1/me", &live.admin).await.1["tenant"].as_str().unwrap().to_owned();
    live.key(&tenant, principal, &["developer"]).await
}

#[actix_rt::test]
async fn the_openai_package_runs_files_and_batches_unchanged() {
    let (_provider, live) = system().await;
    let (status, made) = live.post("/v1/admin/tenants", &live.admin, &json!({"id": "others", "title": "Others"})).await;
    assert_eq!(status, 201, "{made}");
    let other = live.key("others", "eve", &["developer"]).await;
    let packages = Paths::from_env().cache.join("python-clients");
    assert!(packages.is_dir(), "{} is missing; run deploy/setup/python-clients.sh", packages.display());
    let run = tokio::process::Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/openai_batches.py"))
        .args([&format!("{}/v1", live.base), &live.admin, &other])
        .env("PYTHONPATH", packages)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains("all calls hold"), "{said}\n{}", live.process.log());

    // What runs a batch is a task like any other.
    let (_, batches) = live.get("/v1/batches?limit=1", &live.admin).await;
    let newest = &batches["data"][0];
    let (_, tasks) =
        live.get(&format!("/v1/tasks?attributes=batch={}", newest["id"].as_str().unwrap()), &live.admin).await;
    assert_eq!((&tasks["data"][0]["id"], tasks["data"].as_array().unwrap().len()), (&newest["task_id"], 1), "{tasks}");
}

#[actix_rt::test]
async fn a_batch_survives_the_death_of_any_process_and_calls_no_line_twice() {
    const LINES: usize = 1_500;
    let (provider, live) = system().await;
    let batch_id = begin(&live, &live.admin, LINES, "24h").await;
    let calls = |many: usize| {
        let provider = &provider;
        async move {
            let there = eventually_within(ENDED_WITHIN, || async { (provider.calls() >= many).then_some(()) }).await;
            assert!(there.is_some(), "{} of {many} calls were made", provider.calls());
        }
    };
    for (process, after) in [("gateway", 50), ("kernel", 600)] {
        calls(after).await;
        let pid = live.signal(process, Signal::SIGKILL);
        assert!(provider.calls() < LINES, "the batch was over before {process} was killed");
        live.mended(process, pid, MENDED_WITHIN).await;
    }
    let over = ended(&live, &live.admin, &batch_id).await;
    let counts = json!({"total": LINES, "completed": LINES, "failed": 0});
    assert_eq!((&over["status"], &over["request_counts"]), (&json!("completed"), &counts), "{over}");
    let answers = file(&live, &live.admin, &over["output_file_id"]).await;
    assert_eq!(answers.len(), LINES);
    let asked_once = asked(&provider);
    assert_eq!(asked_once.len(), LINES);
    assert!(asked_once.values().all(|times| *times == 1), "lines were called twice: {asked_once:?}");

    // Of a router that dies, nobody knows the calls that it had under way: those, and no others, are made again.
    provider.requests.lock().clear();
    let batch_id = begin(&live, &live.admin, LINES, "24h").await;
    calls(100).await;
    let pid = live.signal("router", Signal::SIGKILL);
    live.mended("router", pid, MENDED_WITHIN).await;
    let over = ended(&live, &live.admin, &batch_id).await;
    assert_eq!((&over["status"], &over["request_counts"]), (&json!("completed"), &counts), "{over}");
    let asked = asked(&provider);
    assert_eq!(asked.len(), LINES);
    let again = asked.values().filter(|times| **times > 1).count();
    assert!(again <= 16, "{again} lines were called twice, and 16 were under way");
}

#[actix_rt::test]
async fn limits_cancellation_and_time_leave_what_was_done_and_say_what_was_not() {
    let (provider, live) = system().await;

    // A limit on cost that is used up in the middle: what is left fails, the batch goes on to its end.
    let ada = tenant_key(&live, "ada").await;
    limit(&live, "ada", "ada", "cost", "total", 20 * CALL_NANOS).await;
    let over = ended(&live, &ada, &begin(&live, &ada, 100, "24h").await).await;
    let counts = json!({"total": 100, "completed": 20, "failed": 80});
    assert_eq!((&over["status"], &over["request_counts"]), (&json!("completed"), &counts), "{over}");
    assert_eq!(provider.calls(), 20);
    let failures = file(&live, &ada, &over["error_file_id"]).await;
    let answers = file(&live, &ada, &over["output_file_id"]).await;
    assert_eq!((answers.len(), failures.len()), (20, 80));
    for failure in failures.values() {
        let response = &failure["response"];
        assert_eq!(
            (&response["status_code"], &response["body"]["error"]["code"]),
            (&json!(402), &json!("insufficient_quota"))
        );
    }
    let names: BTreeSet<_> = answers.keys().chain(failures.keys()).collect();
    assert_eq!(names.len(), 100, "every line is in one of the files");

    // A limit on requests makes lines wait; cancelling ends the wait.
    let bob = tenant_key(&live, "bob").await;
    limit(&live, "bob", "bob", "requests", "minute", 5).await;
    let waiting = begin(&live, &bob, 100, "24h").await;
    let begun = eventually_within(ENDED_WITHIN, || async {
        let batch = batch(&live, &bob, &waiting).await;
        (batch["request_counts"]["completed"].as_u64()? >= 5).then_some(batch)
    });
    assert_eq!(begun.await.expect("five lines are answered")["status"], "in_progress");
    let (status, cancelling) = live.post(&format!("/v1/batches/{waiting}/cancel"), &bob, &json!({})).await;
    assert_eq!((status, &cancelling["status"]), (200, &json!("cancelling")), "{cancelling}");
    left(&live, &bob, &waiting, "cancelled", "batch_cancelled").await;

    // So does the end of its time.
    let eve = tenant_key(&live, "eve").await;
    limit(&live, "eve", "eve", "requests", "minute", 5).await;
    let late = begin(&live, &eve, 100, "8s").await;
    left(&live, &eve, &late, "expired", "batch_expired").await;

    // A task that is cancelled under it ends its batch, too.
    let dora = tenant_key(&live, "dora").await;
    limit(&live, "dora", "dora", "requests", "minute", 5).await;
    let stopped = begin(&live, &dora, 100, "24h").await;
    let answered = eventually_within(ENDED_WITHIN, || async {
        let batch = batch(&live, &dora, &stopped).await;
        (batch["request_counts"]["completed"].as_u64()? >= 5).then_some(batch)
    });
    let task = answered.await.expect("five lines are answered")["task_id"].as_str().unwrap().to_owned();
    assert_eq!(live.post(&format!("/v1/tasks/{task}/cancel"), &dora, &json!({})).await.0, 200);
    left(&live, &dora, &stopped, "cancelled", "batch_cancelled").await;
}

/// A batch of a hundred lines ended as it should: some were answered, and all others are in the error file with `code`.
async fn left(live: &Live, key: &str, id: &str, status: &str, code: &str) {
    let over = ended(live, key, id).await;
    assert_eq!(over["status"], status, "{over}");
    assert!(over[format!("{status}_at")].is_u64(), "{over}");
    let answers = file(live, key, &over["output_file_id"]).await;
    let failures = file(live, key, &over["error_file_id"]).await;
    assert!(answers.len() >= 5 && answers.len() < 100, "{over}");
    assert_eq!(answers.len() + failures.len(), 100, "{over}");
    for failure in failures.values() {
        assert_eq!((&failure["response"], &failure["error"]["code"]), (&Value::Null, &json!(code)), "{failure}");
    }
}
