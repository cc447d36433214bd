//! The kernel as it runs in production: its own release program, NATS that syncs each message, SQLite or PostgreSQL.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use futures::StreamExt as _;
use orrery_bus::{Bus, CallContext, CloudEvent, subjects, verbs};
use orrery_config::env;
use orrery_proto::v1::{Caller, DeployRequest, ListDefinitionsRequest, StartTaskRequest};
use orrery_testkit::{NatsServer, PostgresServer, Process, eventually, eventually_within, free_port};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::System;
use crate::histogram::Histogram;

/// The tenant that the test's NATS knows.
pub const TENANT: &str = "acme";
const WORKFLOW: &str = "ten-steps";
/// A whole run, at the highest concurrency on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file beside the kernel.
    Sqlite,
    /// A server.
    Postgresql,
}

/// Runs that somebody waits for, and those that were over before their sender knew their name.
#[derive(Debug, Default)]
struct Ends {
    waiting: HashMap<String, oneshot::Sender<()>>,
    early: HashMap<String, ()>,
}

/// A kernel with its servers.
#[derive(Debug)]
pub struct Orrery {
    database: Database,
    bus: Bus,
    ends: Arc<Mutex<Ends>>,
    kernel: Process,
    metrics: String,
    nats: NatsServer,
    postgres: Option<PostgresServer>,
    _folder: TempDir,
}

impl Orrery {
    /// Starts everything and deploys the workflow.
    pub async fn start(database: Database) -> anyhow::Result<Self> {
        let nats = NatsServer::start().await?;
        let postgres = match database {
            Database::Postgresql => Some(PostgresServer::start().await?),
            Database::Sqlite => None,
        };
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let program = std::env::current_exe()?.with_file_name("orrery-kernel");
        let mut command = nats.service("kernel", &program.to_string_lossy(), folder.path());
        command.env(env::ADMIN_LISTEN, format!("127.0.0.1:{port}")).env(env::LOG, "warn");
        if let Some(postgres) = &postgres {
            command.env(env::DATABASE_URL, postgres.url());
        }
        let kernel = Process::start(command, &folder.path().join("kernel.log"))?;
        let bus = nats.connect("gateway").await?;
        let ends = Arc::new(Mutex::new(Ends::default()));
        let metrics = format!("http://127.0.0.1:{port}/metrics");
        let system = Self { database, bus, ends, kernel, metrics, nats, postgres, _folder: folder };
        system.ready().await?;
        system.listen().await?;
        system.deploy(&ten_steps()).await?;
        Ok(system)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let answers = || async {
            let context = CallContext::within(Duration::from_secs(2));
            let request = ListDefinitionsRequest { caller: Some(caller()) };
            self.bus.call(verbs::kernel::DEFINITIONS, &context, &request).await.ok()
        };
        let ready = eventually(answers).await;
        ready.map(drop).with_context(|| format!("the kernel did not start: {}", self.kernel.log()))
    }

    /// Learns of ends from the events that every client of the platform sees.
    async fn listen(&self) -> anyhow::Result<()> {
        let mut events = self.bus.subscribe(subjects::event(TENANT, "task", "completed")).await?;
        self.bus.client().flush().await?;
        let ends = self.ends.clone();
        tokio::spawn(async move {
            while let Some(message) = events.next().await {
                let Ok(event) = serde_json::from_slice::<CloudEvent>(&message.payload) else { continue };
                let mut ends = ends.lock();
                match ends.waiting.remove(&event.subject) {
                    Some(waiting) => drop(waiting.send(())),
                    None => drop(ends.early.insert(event.subject, ())),
                }
            }
        });
        Ok(())
    }

    async fn deploy(&self, source: &str) -> anyhow::Result<()> {
        let request = DeployRequest { caller: Some(caller()), source: source.to_owned() };
        self.bus.call(verbs::kernel::DEPLOY, &CallContext::default(), &request).await?;
        Ok(())
    }
}

#[async_trait]
impl System for Orrery {
    fn name(&self) -> (&'static str, &'static str) {
        match self.database {
            Database::Sqlite => ("orrery", "sqlite"),
            Database::Postgresql => ("orrery", "postgresql"),
        }
    }

    async fn workflow(&self) -> anyhow::Result<()> {
        let request =
            StartTaskRequest { caller: Some(caller()), workflow: WORKFLOW.to_owned(), ..StartTaskRequest::default() };
        let task = self.bus.call(verbs::kernel::START, &CallContext::within(PATIENCE), &request).await?;
        let (sender, over) = oneshot::channel();
        {
            let mut ends = self.ends.lock();
            if ends.early.remove(&task.id).is_some() {
                return Ok(());
            }
            ends.waiting.insert(task.id.clone(), sender);
        }
        tokio::time::timeout(PATIENCE, over).await.with_context(|| format!("{} did not end", task.id))??;
        Ok(())
    }

    async fn steps(&self) -> anyhow::Result<Histogram> {
        Histogram::parse(&reqwest::get(&self.metrics).await?.text().await?)
    }

    async fn settle(&self) -> anyhow::Result<()> {
        // Events leave in the order of the commits, so the last run's end is behind everything else.
        let nobody_waits = || async { self.ends.lock().waiting.is_empty().then_some(()) };
        eventually_within(PATIENCE, nobody_waits).await.context("runs are still under way")
    }

    fn processes(&self) -> Vec<u32> {
        let postgres = self.postgres.as_ref().map(|server| server.process().id());
        [self.kernel.id(), self.nats.process().id()].into_iter().chain(postgres).collect()
    }
}

fn ten_steps() -> String {
    let steps: String = (0..10).map(|step| format!("  - step{step}: {{call: orrery.uuid}}\n")).collect();
    format!("document: {{dsl: 1.0.0, namespace: bench, name: {WORKFLOW}, version: 1.0.0}}\ndo:\n{steps}")
}

fn caller() -> Caller {
    Caller { tenant: TENANT.to_owned(), principal: "bench".to_owned(), roles: vec!["developer".to_owned()] }
}
