//! The router as a process of its own, with everything around it that it has in a real system.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orrery_bus::{Bus, CallContext, ConsumerSpec, RunningServer, subjects, verbs};
use orrery_config::env;
use orrery_errors::Error;
use orrery_proof::facts::{ModelCalled, ModelsCalled, kind};
use orrery_proto::v1::{
    AuditRecord, Caller, ChatInput, ChatMessage, InvokeReply, InvokeRequest, ListModelsRequest, ModelInput,
    SetBudgetRequest, SpendReply, SpendRequest, model_input,
};
use orrery_testkit::{NatsServer, PostgresServer, Process, RedisServer, eventually};
use prost::Message as _;
use tempfile::TempDir;

use orrery_standins::inference::{Behaviour, Model};
use orrery_standins::openai::OpenaiServer;

pub struct System {
    pub nats: NatsServer,
    pub redis: RedisServer,
    pub model: Arc<Model>,
    /// Connected as the gateway, which may call the router.
    pub bus: Bus,
    pub router: Process,
    /// Its data, its log and its configuration.
    pub folder: TempDir,
    pub database_url: String,
    _inference: RunningServer,
    pub postgres: Option<PostgresServer>,
}

/// Two local models and, where a server is given, one external model that is cheaper, faster and first in every route.
pub fn catalogue(cloud: Option<&OpenaiServer>) -> String {
    let classes = r#"["public", "internal", "personal"]"#;
    let mut text = format!(
        r#"
currency = "EUR"
[[provider]]
name = "local"
kind = "local"
location = "local"
[[model]]
name = "home"
provider = "local"
capabilities = ["chat", "embed"]
data_classes = {classes}
price = {{ request = 1000 }}
latency_ms = 500
[[model]]
name = "by-token"
provider = "local"
capabilities = ["chat"]
data_classes = {classes}
price = {{ output_token = 1000 }}
limits = {{ context_tokens = 8192, output_tokens = 100 }}
latency_ms = 5000
"#
    );
    if let Some(cloud) = cloud {
        let base_url = &cloud.base_url;
        text.push_str(&format!(
            r#"
[[provider]]
name = "cloud"
kind = "openai"
location = "external"
base_url = "{base_url}"
[[model]]
name = "cloud-chat"
provider = "cloud"
capabilities = ["chat"]
data_classes = {classes}
tenants = ["acme"]
purposes = ["", "drafting"]
latency_ms = 1
[[route]]
name = "drafts"
models = ["cloud-chat", "home"]
strategy = "ordered"
"#
        ));
    }
    text
}

impl System {
    pub async fn start(catalogue: &str) -> Self {
        Self::start_on(catalogue, None).await
    }

    pub async fn start_on(catalogue: &str, postgres: Option<PostgresServer>) -> Self {
        let nats = NatsServer::start().await.unwrap();
        let redis = RedisServer::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let model = Model::new(Behaviour::Says("four words of text"));
        let inference = model.serve(&nats.connect("inference").await.unwrap()).await;
        let bus = nats.connect("gateway").await.unwrap();
        let catalogue_path = folder.path().join("catalogue.toml");
        std::fs::write(&catalogue_path, catalogue).unwrap();
        std::fs::write(folder.path().join("orrery.toml"), format!("[router]\ncatalogue = {catalogue_path:?}\n"))
            .unwrap();
        let sqlite = format!("sqlite://{}", folder.path().join("router.db").display());
        let database_url = postgres.as_ref().map_or(sqlite, PostgresServer::url);
        let router = launch(&nats, &redis, folder.path().into(), &database_url);
        let system = Self { nats, redis, model, bus, router, folder, database_url, _inference: inference, postgres };
        system.ready().await;
        system
    }

    /// Ends the router as a power cut would, and starts it again.
    pub async fn crash_router(&mut self) {
        self.router.kill().unwrap();
        self.router = launch(&self.nats, &self.redis, self.folder.path().into(), &self.database_url);
        self.ready().await;
    }

    async fn ready(&self) {
        let asked = eventually(|| async {
            let context = CallContext::within(Duration::from_secs(1));
            let request = ListModelsRequest { caller: Some(caller(&[])) };
            self.bus.call(verbs::router::MODELS, &context, &request).await.ok()
        });
        assert!(asked.await.is_some(), "the router did not start: {}", self.router.log());
    }

    pub async fn invoke(&self, request: &InvokeRequest) -> Result<InvokeReply, Error> {
        self.bus.call(verbs::router::INVOKE, &CallContext::within(Duration::from_secs(20)), request).await
    }

    pub async fn invoke_keyed(&self, key: &str, request: &InvokeRequest) -> Result<InvokeReply, Error> {
        let context = CallContext::within(Duration::from_secs(20)).with_key(key);
        self.bus.call(verbs::router::INVOKE, &context, request).await
    }

    pub async fn set_budget(&self, limit_nanos: u64, when_unavailable: &str) -> Result<(), Error> {
        let request = SetBudgetRequest {
            caller: Some(caller(&["admin"])),
            limit_nanos,
            when_unavailable: when_unavailable.into(),
        };
        self.bus.call(verbs::router::SET_BUDGET, &CallContext::default(), &request).await.map(drop)
    }

    pub async fn spend(&self, task_id: &str) -> SpendReply {
        let request = SpendRequest { caller: Some(caller(&[])), task_id: task_id.into() };
        self.bus.call(verbs::router::SPEND, &CallContext::default(), &request).await.unwrap()
    }

    /// The spend once so much is in the ledger, which is a moment after the answers.
    pub async fn spent(&self, spent_nanos: u64) -> SpendReply {
        let settled = eventually(|| async {
            let spend = self.spend("").await;
            (spend.spent_nanos == spent_nanos).then_some(spend)
        });
        match settled.await {
            Some(spend) => spend,
            None => panic!("not {spent_nanos} were spent: {:?}", self.spend("").await),
        }
    }

    /// The facts of the first calls on record, `count` or some more.
    pub async fn audited(&self, count: usize) -> Vec<(AuditRecord, ModelCalled)> {
        let mut found = Vec::new();
        self.records(|record| {
            // Direct calls that were recorded together stand in one record.
            let calls = match record.kind.as_str() {
                kind::MODELS_CALLED => serde_json::from_str::<ModelsCalled>(&record.facts_json).unwrap().calls,
                _ => vec![serde_json::from_str::<ModelCalled>(&record.facts_json).unwrap()],
            };
            found.extend(calls.into_iter().map(|call| (record.clone(), call)));
            found.len() >= count
        })
        .await;
        found
    }

    /// Takes audit records in their order until they are enough.
    pub async fn records(&self, mut enough: impl FnMut(AuditRecord) -> bool) {
        let spec = ConsumerSpec {
            stream: subjects::STREAM_AUDIT,
            durable: "audit",
            filter: String::new(),
            ack_wait: Duration::from_secs(10),
            pending_max: 100,
        };
        let bus = self.nats.connect("audit").await.unwrap();
        let mut consumer = bus.consume(spec).await.unwrap();
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), consumer.next()).await;
            let delivery = next.expect("an audit record is missing").unwrap().unwrap();
            let record = AuditRecord::decode(delivery.payload()).unwrap();
            delivery.ack().await.unwrap();
            if enough(record) {
                return;
            }
        }
    }
}

fn launch(nats: &NatsServer, redis: &RedisServer, folder: PathBuf, database_url: &str) -> Process {
    let mut command = nats.service("router", env!("CARGO_BIN_EXE_orrery-router"), &folder);
    command
        .env(env::REDIS_URL, redis.url())
        .env(env::DATABASE_URL, database_url)
        .env(env::CONFIG, folder.join("orrery.toml"));
    Process::start(command, &folder.join("router.log")).unwrap()
}

pub fn caller(roles: &[&str]) -> Caller {
    Caller {
        tenant: "acme".into(),
        principal: "ana".into(),
        roles: roles.iter().map(|role| (*role).into()).collect(),
        ..Caller::default()
    }
}

pub fn chat(model: &str, content: &str) -> InvokeRequest {
    let messages = vec![ChatMessage { role: "user".into(), content: content.into(), ..ChatMessage::default() }];
    let input = ChatInput { messages, ..ChatInput::default() };
    InvokeRequest {
        caller: Some(caller(&[])),
        model: model.into(),
        input: Some(ModelInput { kind: Some(model_input::Kind::Chat(input)) }),
        ..InvokeRequest::default()
    }
}
