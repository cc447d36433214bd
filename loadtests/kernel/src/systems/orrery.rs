//! The kernel as it runs in production: its own release program, NATS that syncs each message, SQLite or PostgreSQL.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use futures::StreamExt as _;
use orrery_bus::{Bus, CallContext, CloudEvent, subjects, verbs};
use orrery_config::env;
use orrery_proto::v1::{Caller, DeployRequest, ListDefinitionsRequest, StartTaskRequest, TaskStatus, WaitTaskRequest};
use orrery_testkit::{NatsServer, PostgresServer, Process, eventually, eventually_within, free_port};
use parking_lot::Mutex;
use tempfile::TempDir;

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

/// Runs whose end was told to their sender or to the public, but not yet to both.
type Ends = Arc<Mutex<HashSet<String>>>;

/// A kernel with its servers.
#[derive(Debug)]
pub struct Orrery {
    database: Database,
    bus: Bus,
    unpublished: Ends,
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
        let unpublished = Ends::default();
        let metrics = format!("http://127.0.0.1:{port}/metrics");
        let system = Self { database, bus, unpublished, kernel, metrics, nats, postgres, _folder: folder };
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

    /// Watches the events that every client of the platform sees, to know when all are out.
    async fn listen(&self) -> anyhow::Result<()> {
        let mut events = self.bus.subscribe(subjects::event(TENANT, "task", "completed")).await?;
        self.bus.client().flush().await?;
        let ends = self.unpublished.clone();
        tokio::spawn(async move {
            while let Some(message) = events.next().await {
                let Ok(event) = serde_json::from_slice::<CloudEvent>(&message.payload) else { continue };
                tell(&ends, event.subject);
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
        let within_ms = u64::try_from(PATIENCE.as_millis())?;
        let request = WaitTaskRequest { caller: Some(caller()), task_id: task.id, within_ms };
        let task = self.bus.call(verbs::kernel::WAIT, &CallContext::within(PATIENCE), &request).await?;
        ensure!(task.status() == TaskStatus::Completed, "{} is {:?}: {}", task.id, task.status(), task.error_json);
        tell(&self.unpublished, task.id);
        Ok(())
    }

    async fn steps(&self) -> anyhow::Result<Histogram> {
        Histogram::parse(&reqwest::get(&self.metrics).await?.text().await?)
    }

    async fn settle(&self) -> anyhow::Result<()> {
        let all_told = || async { self.unpublished.lock().is_empty().then_some(()) };
        eventually_within(PATIENCE, all_told).await.context("events lag behind the journal by minutes")
    }

    fn processes(&self) -> Vec<u32> {
        let postgres = self.postgres.as_ref().map(|server| server.process().id());
        [self.kernel.id(), self.nats.process().id()].into_iter().chain(postgres).collect()
    }
}

fn tell(ends: &Ends, run: String) {
    let mut ends = ends.lock();
    if !ends.remove(&run) {
        ends.insert(run);
    }
}

fn ten_steps() -> String {
    let steps: String = (0..10).map(|step| format!("  - step{step}: {{call: orrery.uuid}}\n")).collect();
    format!("document: {{dsl: 1.0.0, namespace: bench, name: {WORKFLOW}, version: 1.0.0}}\ndo:\n{steps}")
}

fn caller() -> Caller {
    Caller { tenant: TENANT.to_owned(), principal: "bench".to_owned(), roles: vec!["developer".to_owned()] }
}
