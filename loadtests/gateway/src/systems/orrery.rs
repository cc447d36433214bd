//! Orrery as `orrery up` runs it for a direct call: the release programs of gateway, router and audit with their default
//! settings and logs, NATS that syncs, Redis that appends to its file, SQLite. The tenant has a budget; every call is recorded.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, ensure};
use orrery_config::env;
use orrery_testkit::{NatsServer, Process, RedisServer, eventually, free_port};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::provider::Provider;
use super::{System, Target};
use crate::provider::tokens;
use crate::request::PROMPT;

/// Nano-units: a million of the currency, which no load here reaches.
const BUDGET: u64 = 1_000_000_000_000_000;
/// In the order of starting.
const SERVICES: [&str; 3] = ["audit", "router", "gateway"];

/// What keeps it running, and who may ask what it has spent.
#[derive(Debug)]
struct Parts {
    services: Vec<Process>,
    nats: NatsServer,
    redis: RedisServer,
    folder: TempDir,
}

/// The tenant's books.
#[derive(Debug, Clone)]
pub struct Books {
    client: reqwest::Client,
    base: String,
    admin_key: String,
}

/// What was called, by the tenant's ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

#[derive(Deserialize)]
struct Spend {
    rows: Vec<Row>,
    reserved_nanos: u64,
}

#[derive(Deserialize)]
struct Row {
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
}

/// Starts everything; the system, and its books.
pub async fn start(providers: &[Provider]) -> anyhow::Result<(System, Books)> {
    let (nats, redis, folder) =
        (NatsServer::start().await?, RedisServer::start_appending().await?, tempfile::tempdir()?);
    let key_file = folder.path().join("admin.key");
    let catalogue = folder.path().join("catalogue.toml");
    std::fs::write(&catalogue, describe(providers))?;
    let config = format!(
        "[gateway]\nbootstrap_tenant = \"acme\"\nbootstrap_key_file = {key_file:?}\n[router]\ncatalogue = {catalogue:?}\n"
    );
    std::fs::write(folder.path().join("orrery.toml"), config)?;
    let http = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let launch = |name: &&str| launch(name, &nats, &redis, folder.path(), http);
    let services = SERVICES.iter().map(launch).collect::<anyhow::Result<Vec<_>>>()?;
    let parts = Parts { services, nats, redis, folder };
    let key = eventually(|| async { std::fs::read_to_string(&key_file).ok().filter(|key| key.ends_with('\n')) }).await;
    let admin_key = key.with_context(|| parts.logs())?.trim().to_owned();
    let books = Books { client: reqwest::Client::new(), base: format!("http://{http}"), admin_key };
    eventually(|| async { books.set_budget().await.ok() }).await.with_context(|| parts.logs())?;
    let key = books.developer_key().await?;
    let targets: Vec<Target> = providers.iter().map(|provider| parts.target(http, &key, provider)).collect();
    for (target, provider) in targets.iter().zip(providers).filter(|(_, it)| it.is_prompt()) {
        target.ready(provider).await.with_context(|| parts.logs())?;
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok((System { name: "orrery", version, targets, _parts: Box::new(parts) }, books))
}

fn launch(
    name: &str,
    nats: &NatsServer,
    redis: &RedisServer,
    folder: &Path,
    http: SocketAddr,
) -> anyhow::Result<Process> {
    let program = std::env::current_exe()?.with_file_name(format!("orrery-{name}"));
    let mut command = nats.service(name, &program.to_string_lossy(), folder);
    command
        .env_remove(env::LOG)
        .env_remove(env::LOG_FORMAT)
        .env(env::CONFIG, folder.join("orrery.toml"))
        .env(env::DATABASE_URL, format!("sqlite://{}", folder.join(format!("{name}.db")).display()))
        .env(env::REDIS_URL, redis.url())
        .env(env::HTTP_LISTEN, http.to_string());
    Ok(Process::start(command, &folder.join(format!("{name}.log")))?)
}

/// A catalogue in which each provider is an external one, and has an agreement for public data.
fn describe(providers: &[Provider]) -> String {
    let entry = |provider: &Provider| {
        let (model, url) = (provider.model(), provider.url());
        format!(
            "[[provider]]\nname = \"{model}-provider\"\nkind = \"openai\"\nlocation = \"external\"\nbase_url = \"{url}/v1\"\n\
             [[model]]\nname = \"{model}\"\nprovider = \"{model}-provider\"\ncapabilities = [\"chat\"]\n\
             data_classes = [\"public\"]\ntenants = [\"acme\"]\npurposes = [\"drafting\"]\n\
             price = {{ input_token = 140, output_token = 560 }}\n\
             limits = {{ context_tokens = 128000, output_tokens = 16384 }}\nlatency_ms = 900\n"
        )
    };
    providers.iter().map(entry).fold("currency = \"EUR\"\n".to_owned(), |text, entry| text + &entry)
}

impl Parts {
    fn target(&self, address: SocketAddr, key: &str, provider: &Provider) -> Target {
        let services = SERVICES.into_iter().zip(self.services.iter().map(Process::id));
        let servers = [("nats", self.nats.process().id()), ("redis", self.redis.process().id())];
        Target {
            name: "orrery",
            address,
            model: provider.model().to_owned(),
            headers: format!(
                "authorization: Bearer {key}\r\norrery-data-classes: public\r\norrery-purpose: drafting\r\n"
            ),
            processes: services.rev().chain(servers).collect(),
        }
    }

    fn logs(&self) -> String {
        let logs = SERVICES.iter().zip(&self.services).map(|(name, process)| format!("{name}: {}\n", process.log()));
        format!("Orrery did not start in {}:\n{}", self.folder.path().display(), logs.collect::<String>())
    }
}

impl Books {
    async fn ask(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.bearer_auth(&self.admin_key).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "Orrery answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    async fn set_budget(&self) -> anyhow::Result<()> {
        let body = json!({"limit_nanos": BUDGET, "when_unavailable": "closed"});
        self.ask(self.client.put(format!("{}/v1/budget", self.base)).json(&body)).await.map(drop)
    }

    async fn developer_key(&self) -> anyhow::Result<String> {
        let body = json!({"principal": "bench", "roles": ["developer"]});
        let made = self.ask(self.client.post(format!("{}/v1/admin/keys", self.base)).json(&body)).await?;
        Ok(made.get("key").and_then(Value::as_str).context("a new key without its text")?.to_owned())
    }

    /// What was spent, once nothing is reserved any more.
    pub async fn settled(&self) -> anyhow::Result<Spent> {
        let settled = eventually(|| async {
            let spend = self.ask(self.client.get(format!("{}/v1/spend", self.base))).await.ok()?;
            let spend: Spend = serde_json::from_value(spend).ok()?;
            (spend.reserved_nanos == 0).then_some(spend.rows)
        });
        let rows = settled.await.context("money stays reserved after the last call")?;
        let sum = |sum: Spent, row: &Row| Spent {
            calls: sum.calls + row.calls,
            input_tokens: sum.input_tokens + row.input_tokens,
            output_tokens: sum.output_tokens + row.output_tokens,
        };
        Ok(rows.iter().fold(Spent::default(), sum))
    }

    /// Fails unless the ledger holds exactly so many more calls of the prompt, answered in so many words, than it did.
    pub async fn audit(&self, before: Spent, calls: u64, words: usize) -> anyhow::Result<()> {
        let after = self.settled().await?;
        let expected = Spent {
            calls: before.calls + calls,
            input_tokens: before.input_tokens + calls * tokens(PROMPT) as u64,
            output_tokens: before.output_tokens + calls * words as u64,
        };
        ensure!(after == expected, "the ledger holds {after:?} where {expected:?} was called");
        Ok(())
    }
}
