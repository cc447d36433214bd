//! The actor that owns the right edge of the tree. It handles one batch at a time, and when another writer has moved
//! the log on it fails, so that a fresh instance reads the log again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use orrery_errors::Error;
use orrery_proof::{NoteSigner, Record};
use orrery_supervise::{ActorSpec, Heartbeat, SupervisedContext as _};
use orrery_types::UnixMillis;
use serde_json::json;
use tokio::sync::watch;

use crate::domain::Entry;
use crate::error::AuditError;
use crate::store::{Appended, LogStore, LogWriter};

/// A commit on a slow disk or a database that fails over must not pass for a hang.
const HEARTBEAT: Duration = Duration::from_secs(5);
const MISSES: u32 = 12;
/// Batches waiting; there is one sender, which waits for each.
const MAILBOX: usize = 4;
/// Tenant and kind of leaf 0, which says whose log this is.
const OPENING_TENANT: &str = "system";
const OPENING_KIND: &str = "log.opened";

/// Appends a batch.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Appended, Error>")]
pub struct Append(pub Vec<Entry>);

/// Owns the writer. It is away while a batch is being committed.
pub struct Sequencer {
    writer: Option<LogWriter>,
    grown: Arc<watch::Sender<u64>>,
}

/// The supervised sequencer. `grown` is told the size of the tree whenever it changes.
pub fn spec(log: LogStore, signer: Arc<NoteSigner>, grown: Arc<watch::Sender<u64>>) -> ActorSpec<Sequencer> {
    let open = move || {
        let (log, signer, grown) = (log.clone(), signer.clone(), grown.clone());
        async move {
            let opening = opening(&signer)?;
            let writer = LogWriter::open(log, signer, opening).await?;
            let size = writer.size();
            announce(&grown, size);
            tracing::info!(tree.size = size, "the log is open");
            Ok::<_, AuditError>(Sequencer { writer: Some(writer), grown })
        }
    };
    ActorSpec::try_new("sequencer", open)
        .mailbox(MAILBOX)
        .heartbeat(Heartbeat::every(HEARTBEAT).misses(MISSES))
        .ask_deadline(HEARTBEAT * MISSES)
}

/// Leaf 0: the log's own first word.
fn opening(signer: &NoteSigner) -> Result<Entry, AuditError> {
    let verifier = signer.verifier();
    Ok(Entry::new(Record {
        id: format!("{OPENING_KIND}:{}", verifier.name()),
        tenant: OPENING_TENANT.to_owned(),
        task_id: String::new(),
        service: "audit".to_owned(),
        kind: OPENING_KIND.to_owned(),
        at_ms: UnixMillis::now().0,
        facts: json!({"origin": verifier.name(), "verifier_key": verifier.vkey()}),
    })?)
}

#[allow(clippy::cast_precision_loss)] // a gauge is a float
fn announce(grown: &watch::Sender<u64>, size: u64) {
    grown.send_replace(size);
    metrics::gauge!("orrery_audit_tree_size").set(size as f64);
}

impl Actor for Sequencer {
    type Context = Context<Self>;
}

impl Handler<Append> for Sequencer {
    type Result = AtomicResponse<Self, Result<Appended, Error>>;

    fn handle(&mut self, Append(entries): Append, _: &mut Self::Context) -> Self::Result {
        let writer = self.writer.take();
        let began = Instant::now();
        let work = async move {
            let Some(mut writer) = writer else { return (None, Err(AuditError::Starting)) };
            let result = writer.append(entries).await;
            (Some(writer), result)
        };
        let work = work.into_actor(self).map(move |(writer, result), actor, ctx| {
            actor.writer = writer;
            match &result {
                Ok(appended) => {
                    announce(&actor.grown, appended.size);
                    metrics::counter!("orrery_audit_leaves_total").increment(appended.fresh as u64);
                    metrics::counter!("orrery_audit_duplicates_total").increment(appended.repeated as u64);
                    metrics::histogram!("orrery_audit_append_seconds").record(began.elapsed().as_secs_f64());
                }
                Err(AuditError::Fenced) => ctx.fail(AuditError::Fenced),
                Err(error) => tracing::warn!(%error, "a batch was not appended"),
            }
            result.map_err(Error::from)
        });
        AtomicResponse::new(Box::pin(work))
    }
}
