//! The audit service as a process of its own, on a real bus.

use std::time::Duration;

use orrery_audit::store::LogStore;
use orrery_bus::{Bus, CallContext, verbs};
use orrery_proof::{Checkpoint, NoteVerifier, Record};
use orrery_proto::v1::{AuditRecord, Caller, CheckpointReply, CheckpointRequest, ExportRequest, ExportedRecord};
use orrery_testkit::{NatsServer, Process, eventually_within};
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct System {
    pub nats: NatsServer,
    pub gateway: Bus,
    pub audit: Process,
    folder: TempDir,
}

impl System {
    pub async fn start() -> Self {
        let nats = NatsServer::start().await.unwrap();
        let gateway = nats.connect("gateway").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let audit = launch(&nats, &folder);
        Self { nats, gateway, audit, folder }
    }

    /// The same data, a new process.
    pub fn restart(&mut self) {
        self.audit = launch(&self.nats, &self.folder);
    }

    pub fn database_url(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("audit.db").display())
    }

    /// The service's own database, opened beside it for reading.
    pub async fn log(&self) -> LogStore {
        LogStore::open(&self.database_url()).await.unwrap()
    }

    /// The newest checkpoint, checked against the key that came with it; waits for the service to be up.
    pub async fn checkpoint(&self) -> (Checkpoint, NoteVerifier) {
        let ask = || async {
            let context = CallContext::within(Duration::from_secs(2));
            self.gateway.call(verbs::audit::CHECKPOINT, &context, &CheckpointRequest {}).await.ok()
        };
        let reply: CheckpointReply = eventually_within(PATIENCE, ask).await.expect("no checkpoint");
        let verifier = NoteVerifier::parse(&reply.verifier_key).unwrap();
        (Checkpoint::open(&reply.checkpoint, &verifier).unwrap(), verifier)
    }

    /// Waits until the log holds at least so many leaves.
    pub async fn grown_to(&self, size: u64) -> Checkpoint {
        let probe = || async { Some(self.checkpoint().await.0).filter(|checkpoint| checkpoint.size >= size) };
        eventually_within(PATIENCE, probe).await.expect("the log did not grow")
    }

    /// Every record of a tenant, page by page.
    pub async fn export(&self, tenant: &str, page: u32) -> Vec<ExportedRecord> {
        let mut all: Vec<ExportedRecord> = Vec::new();
        loop {
            let after_index = all.last().map_or(0, |record| record.index);
            let request = ExportRequest { caller: Some(caller(tenant)), after_index, limit: page };
            let context = CallContext::within(Duration::from_secs(10));
            let reply = self.gateway.call(verbs::audit::EXPORT, &context, &request).await.unwrap();
            if reply.records.is_empty() {
                return all;
            }
            all.extend(reply.records);
        }
    }

    /// Reports records as the services named in them.
    pub async fn report(&self, records: &[Record]) {
        for record in records {
            let bus = self.nats.connect(&record.service).await.unwrap();
            bus.audit(&wire(record)).await.unwrap();
        }
    }
}

fn launch(nats: &NatsServer, folder: &TempDir) -> Process {
    let command = nats.service("audit", env!("CARGO_BIN_EXE_orrery-audit"), folder.path());
    Process::start(command, &folder.path().join("audit.log")).unwrap()
}

pub fn caller(tenant: &str) -> Caller {
    Caller {
        tenant: tenant.to_owned(),
        principal: "auditor".to_owned(),
        roles: vec!["auditor".to_owned()],
        ..Caller::default()
    }
}

pub fn wire(record: &Record) -> AuditRecord {
    AuditRecord {
        id: record.id.clone(),
        tenant: record.tenant.clone(),
        task_id: record.task_id.clone(),
        service: record.service.clone(),
        kind: record.kind.clone(),
        at_ms: record.at_ms,
        facts_json: record.facts.to_string(),
    }
}
