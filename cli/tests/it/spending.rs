//! A hard limit on money holds whatever dies in the middle, and the ledger has exactly what providers charged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use nix::sys::signal::Signal;
use orrery_standins::openai::{OpenaiServer, Script};
use orrery_testkit::eventually_within;
use reqwest::Method;
use serde_json::{Value, json};

use crate::live::Live;

const CLIENTS: usize = 200;
/// What one call costs, whatever it says.
const CALL_NANOS: u64 = 1_000;
/// Leaves room for 600 calls and half of one.
const LIMIT_NANOS: u64 = 600_500;
const MENDED_WITHIN: Duration = Duration::from_secs(60);
/// Clients give up after this; the test fails then.
const PATIENCE: Duration = Duration::from_secs(240);

fn catalogue(provider: &OpenaiServer) -> String {
    format!(
        r#"
currency = "EUR"
[[provider]]
name = "cloud"
kind = "openai"
location = "external"
base_url = "{}"
[[model]]
name = "metered"
provider = "cloud"
capabilities = ["chat"]
data_classes = ["public"]
tenants = ["*"]
purposes = ["*"]
price = {{ request = {CALL_NANOS} }}
"#,
        provider.base_url
    )
}

/// Calls until the limit refuses; what fails for another reason is tried again. Counts the answers.
async fn spend(live: &Live, answers: &AtomicUsize) -> Result<(), String> {
    let began = Instant::now();
    let body = json!({"model": "metered", "messages": [{"role": "user", "content": "hello"}]});
    loop {
        let request = live.request(Method::POST, "/v1/chat/completions", &live.admin).json(&body);
        let answer = request.header("Orrery-Data-Classes", "public").send().await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let told: Value = answer.json().await.map_err(|error| error.to_string())?;
        match (status, told["error"]["code"].as_str()) {
            (200, _) => drop(answers.fetch_add(1, Ordering::SeqCst)),
            (_, Some("insufficient_quota")) => return Ok(()),
            _ if began.elapsed() > PATIENCE => return Err(format!("{status}: {told}")),
            // The router is away; what is leased lasts a while, and then clients are told to come again.
            (503, _) => tokio::time::sleep(Duration::from_millis(50)).await,
            _ => return Err(format!("{status}: {told}")),
        }
    }
}

async fn answered(answers: &AtomicUsize, many: usize) {
    let there = eventually_within(PATIENCE, || async { (answers.load(Ordering::SeqCst) >= many).then_some(()) });
    assert!(there.await.is_some(), "{} of {many} calls were answered", answers.load(Ordering::SeqCst));
}

#[actix_rt::test]
async fn two_hundred_clients_never_pass_a_hard_limit_though_router_and_redis_crash() {
    let provider = OpenaiServer::start(Script::Says("four words of text")).await;
    let live = Live::with_catalogue(&catalogue(&provider)).await;
    let limit =
        json!({"scope": "tenant", "metric": "cost", "window": "total", "amount": LIMIT_NANOS, "alert_percents": [50]});
    let set = live.request(Method::PUT, "/v1/limits/hard", &live.admin).json(&limit).send().await.unwrap();
    assert_eq!(set.status().as_u16(), 204, "{}", set.text().await.unwrap());

    let answers = Arc::new(AtomicUsize::new(0));
    let clients = join_all((0..CLIENTS).map(|_| spend(&live, &answers)));
    let crashes = async {
        answered(&answers, 50).await;
        let router = live.signal("router", Signal::SIGKILL);
        let redis = live.signal("redis", Signal::SIGKILL);
        live.mended("router", router, MENDED_WITHIN).await;
        live.mended("redis", redis, MENDED_WITHIN).await;
        answered(&answers, 300).await;
        let router = live.signal("router", Signal::SIGKILL);
        live.mended("router", router, MENDED_WITHIN).await;
    };
    let (clients, ()) = tokio::join!(clients, crashes);
    for client in clients {
        client.unwrap();
    }

    let charged = provider.calls() as u64 * CALL_NANOS;
    assert!(charged <= LIMIT_NANOS, "{charged} were charged, the limit is {LIMIT_NANOS}");
    assert_eq!(provider.calls(), answers.load(Ordering::SeqCst), "a call was charged that nobody was answered");
    assert_eq!(charged, LIMIT_NANOS / CALL_NANOS * CALL_NANOS, "money was left over that nobody could spend");
    let settled = eventually_within(MENDED_WITHIN, || async {
        let (_, spend) = live.get("/v1/spend", &live.admin).await;
        (spend["spent_nanos"] == charged).then_some(spend)
    });
    let Some(spend) = settled.await else {
        panic!("the ledger has not what was charged, {charged}: {}", live.get("/v1/spend", &live.admin).await.1)
    };
    assert_eq!(spend["rows"][0]["calls"].as_u64(), Some(charged / CALL_NANOS), "{spend}");
    let (_, limits) = live.get("/v1/limits", &live.admin).await;
    assert_eq!(limits["data"][0]["used"].as_u64(), Some(charged), "{limits}");
}
