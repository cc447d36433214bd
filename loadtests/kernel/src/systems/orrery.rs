//! The kernel as it runs in production: its own release program, NATS that syncs each message, SQLite or PostgreSQL.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
/// Publishing what a load has left in the outbox.
const SETTLING: Duration = Duration::from_secs(600);

/// Where it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file beside the kernel.
    Sqlite,
    /// A server.
    Postgresql,
}

/// Runs that are over.
#[derive(Debug, Default)]
struct Ends {
    /// Those whose senders know, but not the public yet.
    unpublished: HashSet<String>,
    /// Those that the public knows of: it may be told twice, and before the sender.
    published: HashSet<String>,
}

/// A kernel with its servers.
#[derive(Debug)]
pub struct Orrery {
    database: Database,
    bus: Bus,
    ends: Arc<Mutex<Ends>>,
    kernel: Mutex<Process>,
    program: Program,
    nats: NatsServer,
    postgres: Option<PostgresServer>,
    folder: TempDir,
}

/// How the kernel is started.
#[derive(Debug)]
struct Program {
    path: String,
    database_url: String,
    admin: String,
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
        let database_url = match &postgres {
            Some(postgres) => postgres.url(),
            None => format!("sqlite://{}", folder.path().join("kernel.db").display()),
        };
        let path = std::env::current_exe()?.with_file_name("orrery-kernel").to_string_lossy().into_owned();
        let program = Program { path, database_url, admin: format!("127.0.0.1:{}", free_port()?) };
        let kernel = Mutex::new(program.start(&nats, folder.path())?);
        let bus = nats.connect("gateway").await?;
        let ends = Arc::default();
        let system = Self { database, bus, ends, kernel, program, nats, postgres, folder };
        system.ready().await?;
        system.listen().await?;
        system.deploy(TENANT, &ten_steps()).await?;
        Ok(system)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let answers = || async {
            let context = CallContext::within(Duration::from_secs(2));
            let request = ListDefinitionsRequest { caller: Some(caller(TENANT)) };
            self.bus.call(verbs::kernel::DEFINITIONS, &context, &request).await.ok()
        };
        let ready = eventually(answers).await;
        ready.map(drop).with_context(|| format!("the kernel did not start: {}", self.kernel.lock().log()))
    }

    /// Watches the events that every client of the platform sees, to know when all are out.
    async fn listen(&self) -> anyhow::Result<()> {
        let mut events = self.bus.subscribe(subjects::event(TENANT, "task", "completed")).await?;
        self.bus.client().flush().await?;
        let ends = self.ends.clone();
        tokio::spawn(async move {
            while let Some(message) = events.next().await {
                let Ok(event) = serde_json::from_slice::<CloudEvent>(&message.payload) else { continue };
                ends.lock().is_public(event.subject);
            }
        });
        Ok(())
    }

    /// Deploys a definition for a tenant.
    pub async fn deploy(&self, tenant: &str, source: &str) -> anyhow::Result<()> {
        let request = DeployRequest { caller: Some(caller(tenant)), source: source.to_owned() };
        self.bus.call(verbs::kernel::DEPLOY, &CallContext::default(), &request).await?;
        Ok(())
    }

    /// Kills the kernel; its servers stay.
    pub fn stop(&self) -> anyhow::Result<()> {
        Ok(self.kernel.lock().kill()?)
    }

    /// Starts the kernel again, and returns when it answers.
    pub async fn launch(&self) -> anyhow::Result<()> {
        *self.kernel.lock() = self.program.start(&self.nats, self.folder.path())?;
        self.ready().await
    }

    /// Its database.
    pub fn database_url(&self) -> &str {
        &self.program.database_url
    }

    /// The kernel's process.
    pub fn kernel(&self) -> u32 {
        self.kernel.lock().id()
    }

    /// The bus, as the gateway.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Starts a run, and says when its start is durable and when it is over.
    pub async fn run(&self, tenant: &str, workflow: &str) -> anyhow::Result<(Duration, Duration)> {
        let began = Instant::now();
        let workflow = workflow.to_owned();
        let request = StartTaskRequest { caller: Some(caller(tenant)), workflow, ..StartTaskRequest::default() };
        let task = self.bus.call(verbs::kernel::START, &CallContext::within(PATIENCE), &request).await?;
        let started = began.elapsed();
        self.wait(tenant, &task.id).await?;
        Ok((started, began.elapsed()))
    }

    /// Waits until a run has completed.
    pub async fn wait(&self, tenant: &str, task: &str) -> anyhow::Result<()> {
        let within_ms = u64::try_from(PATIENCE.as_millis())?;
        let request = WaitTaskRequest { caller: Some(caller(tenant)), task_id: task.to_owned(), within_ms };
        let task = self.bus.call(verbs::kernel::WAIT, &CallContext::within(PATIENCE), &request).await?;
        ensure!(task.status() == TaskStatus::Completed, "{} is {:?}: {}", task.id, task.status(), task.error_json);
        if tenant == TENANT {
            self.ends.lock().is_known(task.id);
        }
        Ok(())
    }
}

impl Program {
    fn start(&self, nats: &NatsServer, folder: &Path) -> anyhow::Result<Process> {
        let mut command = nats.service("kernel", &self.path, folder);
        command.env(env::ADMIN_LISTEN, &self.admin).env(env::LOG, "warn").env(env::DATABASE_URL, &self.database_url);
        Ok(Process::start(command, &folder.join("kernel.log"))?)
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
        self.run(TENANT, WORKFLOW).await.map(drop)
    }

    async fn steps(&self) -> anyhow::Result<Histogram> {
        Histogram::parse(&reqwest::get(format!("http://{}/metrics", self.program.admin)).await?.text().await?)
    }

    async fn settle(&self) -> anyhow::Result<()> {
        let all_told = || async { self.ends.lock().unpublished.is_empty().then_some(()) };
        eventually_within(SETTLING, all_told).await.context("events lag behind the journal by minutes")
    }

    fn processes(&self) -> Vec<u32> {
        let postgres = self.postgres.as_ref().map(|server| server.process().id());
        [self.kernel(), self.nats.process().id()].into_iter().chain(postgres).collect()
    }
}

impl Ends {
    fn is_known(&mut self, run: String) {
        if !self.published.contains(&run) {
            self.unpublished.insert(run);
        }
    }

    fn is_public(&mut self, run: String) {
        self.unpublished.remove(&run);
        self.published.insert(run);
    }
}

fn ten_steps() -> String {
    let steps: String = (0..10).map(|step| format!("  - step{step}: {{call: orrery.uuid}}\n")).collect();
    format!("document: {{dsl: 1.0.0, namespace: bench, name: {WORKFLOW}, version: 1.0.0}}\ndo:\n{steps}")
}

/// Who asks.
pub fn caller(tenant: &str) -> Caller {
    Caller {
        tenant: tenant.to_owned(),
        principal: "bench".to_owned(),
        roles: vec!["developer".to_owned()],
        ..Caller::default()
    }
}
