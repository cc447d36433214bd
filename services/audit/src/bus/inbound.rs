//! The calls that the audit service answers. All but the checkpoint speak for one tenant and see nothing of others.

use std::time::Duration;

use orrery_bus::{Bus, CallContext, Server, verbs};
use orrery_errors::Error;
use orrery_proof::Record;
use orrery_proof::outcome::LoggedRecord;
use orrery_proof::proof_file::{Entry, ProofFile};
use orrery_proto::v1::{
    CheckpointReply, CheckpointRequest, ExplainReply, ExplainRequest, ExportReply, ExportRequest, ProofReply,
    ProofRequest,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::convert;
use crate::config::{AuditConfig, SETTLE_MS_MAX};
use crate::domain::Dossier;
use crate::error::AuditError;
use crate::store::{Exported, LogStore};

/// Calls of one kind at once.
const CALLS: usize = 64;
/// Records in one page of an export.
const EXPORT_DEFAULT: u32 = 100;
const EXPORT_MAX: u32 = 1000;
/// Bytes of records in one answer; a message holds 8 MiB.
const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;

/// What the calls need.
#[derive(Debug, Clone)]
pub struct Api {
    log: LogStore,
    verifier_key: String,
    growth: watch::Receiver<u64>,
    settle: Duration,
}

impl Api {
    /// Answers from `log`; `growth` changes whenever it has grown.
    pub fn new(log: LogStore, verifier_key: String, growth: watch::Receiver<u64>, config: &AuditConfig) -> Self {
        let settle = Duration::from_millis(config.settle_ms.min(SETTLE_MS_MAX));
        Self { log, verifier_key, growth, settle }
    }

    /// All calls, ready to be started.
    pub fn server(&self, bus: &Bus) -> Server {
        let (explain, proof, checkpoint, export) = (self.clone(), self.clone(), self.clone(), self.clone());
        Server::new(bus, "audit", env!("CARGO_PKG_VERSION"))
            .handle(verbs::audit::EXPLAIN, CALLS, move |context, request| {
                let api = explain.clone();
                async move { api.explain(context, request).await.map_err(Error::from) }
            })
            .handle(verbs::audit::PROOF, CALLS, move |context, request| {
                let api = proof.clone();
                async move { api.proof(context, request).await.map_err(Error::from) }
            })
            .handle(verbs::audit::CHECKPOINT, CALLS, move |_, _: CheckpointRequest| {
                let api = checkpoint.clone();
                async move { api.checkpoint().await.map_err(Error::from) }
            })
            .handle(verbs::audit::EXPORT, CALLS, move |_, request| {
                let api = export.clone();
                async move { api.export(request).await.map_err(Error::from) }
            })
    }

    async fn explain(&self, context: CallContext, request: ExplainRequest) -> Result<ExplainReply, AuditError> {
        let tenant = convert::tenant(request.caller)?;
        let dossier = self.dossier(&context, tenant, request.task_id, Dossier::is_settled).await?;
        let outcome = dossier.outcome()?;
        let mut plain = outcome.plain();
        let missing = dossier.missing();
        if let Some(missing) = missing.as_ref().filter(|_| outcome.closed.is_some()) {
            plain.push_str(&format!("Some records are still on their way: {missing}.\n"));
        }
        let mut explanation = json!(outcome);
        if let Value::Object(members) = &mut explanation {
            members.insert("complete".to_owned(), json!(missing.is_none()));
            members.insert("missing".to_owned(), json!(missing));
        }
        Ok(ExplainReply { explanation_json: explanation.to_string(), plain })
    }

    async fn proof(&self, context: CallContext, request: ProofRequest) -> Result<ProofReply, AuditError> {
        let tenant = convert::tenant(request.caller)?;
        let complete = |dossier: &Dossier| dossier.missing().is_none();
        let dossier = self.dossier(&context, tenant, request.task_id, complete).await?;
        let statement = dossier.statement()?;
        let (closing, others) = dossier.split()?;
        // Read after the records, so the tree it signs holds them.
        let head = self.log.head().await?;
        let indexes = others.iter().map(|logged| logged.index).chain([closing.index]).collect();
        let mut paths = self.log.inclusion_paths(indexes, head.size).await?;
        let path = paths.pop().unwrap_or_default();
        let entries = others.into_iter().zip(paths).map(|(LoggedRecord { index, record }, path)| Entry {
            index,
            path: path.iter().map(|hash| hash.to_base64()).collect(),
            record: json!(record),
        });
        let file = ProofFile {
            verifier_key: self.verifier_key.clone(),
            statement,
            closing: json!(closing.record),
            index: closing.index,
            path,
            entries: entries.collect(),
            checkpoint: head.checkpoint,
        };
        let proof = file.encode()?.into_bytes();
        if proof.len() > ANSWER_BYTES_MAX {
            return Err(AuditError::ProofTooLarge { size: proof.len(), limit: ANSWER_BYTES_MAX });
        }
        Ok(ProofReply { proof, verifier_key: self.verifier_key.clone() })
    }

    async fn checkpoint(&self) -> Result<CheckpointReply, AuditError> {
        let checkpoint = self.log.head().await?.checkpoint;
        Ok(CheckpointReply { checkpoint, verifier_key: self.verifier_key.clone() })
    }

    async fn export(&self, request: ExportRequest) -> Result<ExportReply, AuditError> {
        let tenant = convert::tenant(request.caller)?;
        let limit = match request.limit {
            0 => EXPORT_DEFAULT,
            limit => limit.min(EXPORT_MAX),
        };
        let (records, tree_size) = self.log.export(tenant, request.after_index, i64::from(limit)).await?;
        Ok(ExportReply { records: page(records).into_iter().map(convert::exported).collect(), tree_size })
    }

    /// The records of a task, once `ready` says so or no more can be waited for. Services report side by side with the
    /// work, so the last records of a task may arrive a moment after it is over.
    async fn dossier(
        &self,
        context: &CallContext,
        tenant: String,
        task_id: String,
        ready: impl Fn(&Dossier) -> bool,
    ) -> Result<Dossier, AuditError> {
        if task_id.is_empty() {
            return Err(AuditError::Unnamed("task"));
        }
        // Half of the caller's time at most, so that there is time left for the answer.
        let patience = context.remaining().map_or(Duration::ZERO, |left| left / 2).min(self.settle);
        let deadline = Instant::now() + patience;
        let mut growth = self.growth.clone();
        loop {
            growth.borrow_and_update();
            let records = self.log.task_records(tenant.clone(), task_id.clone()).await?;
            let opened = Dossier::open(&task_id, records);
            match &opened {
                Ok(dossier) if ready(dossier) => return opened,
                Ok(_) | Err(AuditError::UnknownTask(_) | AuditError::Incomplete { .. }) => {}
                Err(_) => return opened,
            }
            if !matches!(timeout_at(deadline, growth.changed()).await, Ok(Ok(()))) {
                return opened;
            }
        }
    }
}

/// As many records as fit into one answer, at least one.
fn page(records: Vec<Exported>) -> Vec<Exported> {
    let mut bytes = 0;
    let mut fits = |record: &Record| {
        let before = bytes;
        bytes += record.facts.to_string().len() + 1024;
        before == 0 || bytes <= ANSWER_BYTES_MAX
    };
    records.into_iter().take_while(|exported| fits(&exported.record)).collect()
}
