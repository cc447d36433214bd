//! The real kernel process on a real NATS, with a router beside it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use orrery_bus::{Bus, CallContext, RunningServer, verbs};
use orrery_config::env;
use orrery_errors::Error;
use orrery_proto::v1::{
    Caller, DeployReply, DeployRequest, GetTaskRequest, ListReviewsRequest, Review, StartTaskRequest, Task, TaskEvent,
    TaskHistoryRequest, TaskStatus,
};
use orrery_testkit::{NatsServer, Process, eventually_within};
use tempfile::TempDir;

use crate::router::Router;

/// Until when a condition must hold; long, since the machine may be busy. Nothing waits longer than it has to.
pub const WITHIN: Duration = Duration::from_secs(120);

pub struct System {
    pub nats: NatsServer,
    pub bus: Bus,
    pub router: Router,
    pub kernel: Option<Process>,
    database_url: Option<String>,
    folder: TempDir,
    _served: RunningServer,
}

impl System {
    pub async fn start() -> Self {
        Self::start_on(None).await
    }

    /// `None`: SQLite in the system's own folder.
    pub async fn start_on(database_url: Option<String>) -> Self {
        Self::start_with(database_url, "").await
    }

    /// With a configuration file.
    pub async fn start_with(database_url: Option<String>, config: &str) -> Self {
        let mut system = Self::without_kernel(database_url, config).await;
        system.start_kernel().await;
        system
    }

    /// All but the kernel.
    pub async fn without_kernel(database_url: Option<String>, config: &str) -> Self {
        let nats = NatsServer::start().await.unwrap();
        let bus = nats.connect("gateway").await.unwrap();
        let router = Router::default();
        let served = router.serve(&nats.connect("router").await.unwrap()).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("orrery.toml"), config).unwrap();
        Self { nats, bus, router, kernel: None, database_url, folder, _served: served }
    }

    pub async fn start_kernel(&mut self) {
        self.launch();
        self.ready().await;
    }

    pub fn launch(&mut self) {
        self.kernel = Some(self.spawn("kernel"));
    }

    /// One more kernel on the same database.
    pub fn spawn(&self, name: &str) -> Process {
        self.run(name, self.command())
    }

    /// Another kernel, once it has its share of the partitions.
    pub async fn joined_by(&self, name: &str) -> Process {
        let other = self.spawn(name);
        let took_part = || async { other.log().contains("taken up").then_some(()) };
        assert!(eventually_within(WITHIN, took_part).await.is_some(), "it got no share:\n{}", other.log());
        other
    }

    /// What starts a kernel, for tests that change something about it.
    pub fn command(&self) -> Command {
        let mut command = self.nats.service("kernel", env!("CARGO_BIN_EXE_orrery-kernel"), self.folder.path());
        command.env(env::CONFIG, self.folder.path().join("orrery.toml"));
        if let Some(url) = &self.database_url {
            command.env(env::DATABASE_URL, url);
        }
        command
    }

    pub fn run(&self, name: &str, command: Command) -> Process {
        Process::start(command, &self.folder.path().join(format!("{name}.log"))).unwrap()
    }

    /// What the kernel's own database lies in, if there is no other, and how the names of its files begin.
    pub fn database_path(&self) -> PathBuf {
        self.folder.path().join("kernel.db")
    }

    /// What all kernels have logged so far.
    pub fn logs(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = files.filter(|path| path.extension().is_some_and(|it| it == "log"));
        logs.map(|path| format!("{}:\n{}\n", path.display(), std::fs::read_to_string(&path).unwrap())).collect()
    }

    pub async fn ready(&self) {
        let answers = || async {
            let request = orrery_proto::v1::ListDefinitionsRequest { caller: Some(alice()) };
            let context = CallContext::within(Duration::from_secs(2));
            self.bus.call(verbs::kernel::DEFINITIONS, &context, &request).await.ok()
        };
        let ready = eventually_within(WITHIN, answers).await;
        assert!(ready.is_some(), "{}", self.logs());
    }

    pub fn kill_kernel(&mut self) {
        if let Some(mut kernel) = self.kernel.take() {
            kernel.kill().unwrap();
        }
    }

    pub async fn deploy(&self, name: &str, body: &str) -> Result<DeployReply, Error> {
        self.deploy_version(name, "1.0.0", body).await
    }

    pub async fn deploy_version(&self, name: &str, version: &str, body: &str) -> Result<DeployReply, Error> {
        let source = format!("document: {{dsl: 1.0.0, namespace: test, name: {name}, version: {version}}}\n{body}");
        let request = DeployRequest { caller: Some(alice()), source };
        self.bus.call(verbs::kernel::DEPLOY, &CallContext::default(), &request).await
    }

    pub async fn submit(&self, workflow: &str, input: &str, key: &str) -> Result<Task, Error> {
        self.submit_within(CallContext::default(), workflow, input, key).await
    }

    pub async fn submit_within(
        &self,
        context: CallContext,
        workflow: &str,
        input: &str,
        key: &str,
    ) -> Result<Task, Error> {
        let request = StartTaskRequest {
            caller: Some(alice()),
            workflow: workflow.into(),
            input_json: input.into(),
            idempotency_key: key.into(),
            ..StartTaskRequest::default()
        };
        self.bus.call(verbs::kernel::START, &context, &request).await
    }

    pub async fn get(&self, id: &str) -> Result<Task, Error> {
        let request = GetTaskRequest { caller: Some(alice()), task_id: id.into() };
        self.bus.call(verbs::kernel::GET, &CallContext::within(Duration::from_secs(3)), &request).await
    }

    pub async fn finished(&self, id: &str) -> Task {
        let over = || async {
            let task = self.get(id).await.ok()?;
            let over = [TaskStatus::Completed, TaskStatus::Faulted, TaskStatus::Cancelled, TaskStatus::Terminated];
            over.contains(&task.status()).then_some(task)
        };
        match eventually_within(WITHIN, over).await {
            Some(task) => task,
            None => panic!("{id} did not end: {:?}\n{}", self.get(id).await, self.logs()),
        }
    }

    pub async fn history(&self, id: &str) -> Vec<TaskEvent> {
        let request = TaskHistoryRequest { caller: Some(alice()), task_id: id.into(), after_seq: 0, limit: 1_000 };
        // Whoever is asked may just be going.
        let context = || CallContext::within(Duration::from_secs(3));
        let told = || async { self.bus.call(verbs::kernel::HISTORY, &context(), &request).await.ok() };
        eventually_within(WITHIN, told).await.expect("a history").events
    }

    pub async fn reviews(&self, caller: Caller, task: &str) -> Result<Vec<Review>, Error> {
        let request =
            ListReviewsRequest { caller: Some(caller), task_id: task.into(), ..ListReviewsRequest::default() };
        let context = CallContext::within(Duration::from_secs(3));
        Ok(self.bus.call(verbs::kernel::REVIEWS, &context, &request).await?.reviews)
    }

    /// The task's one review, once it is asked for.
    pub async fn review(&self, task: &str) -> Review {
        let asked = || async { self.reviews(bob(), task).await.ok()?.into_iter().next() };
        eventually_within(WITHIN, asked).await.expect("a review")
    }
}

pub fn caller(principal: &str, role: &str) -> Caller {
    Caller { tenant: "acme".into(), principal: principal.into(), roles: vec![role.into()], ..Caller::default() }
}

pub fn alice() -> Caller {
    caller("alice", "developer")
}

pub fn bob() -> Caller {
    caller("bob", "adjuster")
}
