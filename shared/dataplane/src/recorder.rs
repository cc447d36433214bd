//! Where records of calls go: into the call log at once, and from there to the router in batches. One that the log does not
//! take, because the disk is full, goes to the router directly, and the answer waits for it.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::CallRecord;
use orrery_supervise::TaskSpec;

use crate::budget::{Authority, Budgets};
use crate::call_log::CallLog;
use crate::calls::{KeptReply, Replies};

/// Records sent at once; a message of the bus holds 8 MiB, a record some kilobytes.
const BATCH: usize = 512;
/// How long a record waits for others to go with it. A batch costs the router and the audit log some milliseconds of work
/// whatever its size, which calls would feel if each had its own.
const LINGER: Duration = Duration::from_millis(100);
/// Pause after a failure.
const RETRY: Duration = Duration::from_millis(250);

/// Writes records down. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    log: Arc<CallLog>,
    authority: Arc<dyn Authority>,
}

impl Recorder {
    /// Into this log, and to the authority where the log fails.
    pub fn new(log: Arc<CallLog>, authority: Arc<dyn Authority>) -> Self {
        Self { log, authority }
    }

    pub(crate) fn began(&self, record: &CallRecord) -> Result<(), Error> {
        self.log.began(record).map_err(|error| {
            tracing::error!(%error, "the call log cannot be written; no provider is asked");
            let message =
                "the call cannot be written down before it is made: is the disk full? retry when there is room";
            Error::new(ErrorCode::Unavailable, message).retry_after(Duration::from_secs(5))
        })
    }

    pub(crate) async fn ended(&self, record: CallRecord) -> Result<(), Error> {
        let Err(error) = self.log.ended(&record) else { return Ok(()) };
        tracing::error!(%error, call.id = record.id, "the call log cannot be written; the record goes to the router directly");
        self.authority.record(vec![record]).await
    }

    /// The record and the reply of a keyed call, committed in one.
    pub(crate) async fn ended_with(
        &self,
        record: CallRecord,
        reply: KeptReply,
        replies: &dyn Replies,
    ) -> Result<(), Error> {
        let id = record.id.clone();
        replies.record(record, reply).await?;
        if let Err(error) = self.log.settled(&id) {
            // In the next life it is in doubt, and the ledger has it already.
            tracing::warn!(%error, call.id = id, "the call log was not told that a call is recorded");
        }
        Ok(())
    }
}

/// The supervised task that carries records to the router for as long as the process runs. Once it has carried all that an
/// earlier life left, what that life held of budgets is freed.
pub fn ship(log: &Arc<CallLog>, budgets: &Arc<Budgets>, authority: &Arc<dyn Authority>) -> TaskSpec {
    let (log, budgets, authority) = (log.clone(), budgets.clone(), authority.clone());
    TaskSpec::new("call-log", move |task| {
        let shipper = Shipper { log: log.clone(), budgets: budgets.clone(), authority: authority.clone() };
        async move {
            tokio::select! {
                ended = shipper.run() => ended,
                () = task.draining() => shipper.finish().await,
            }
        }
    })
}

struct Shipper {
    log: Arc<CallLog>,
    budgets: Arc<Budgets>,
    authority: Arc<dyn Authority>,
}

impl Shipper {
    async fn run(&self) -> Result<(), Error> {
        // What an earlier task of this process had in hand was perhaps not taken.
        self.log.again();
        let mut retired = false;
        loop {
            match self.carry().await {
                Ok(0) if !retired => retired = self.retire().await,
                Ok(BATCH..) => {}
                Ok(taken) => {
                    if taken == 0 {
                        self.log.more().await;
                    }
                    tokio::time::sleep(LINGER).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "records of calls wait in the call log");
                    self.log.again();
                    let log = self.log.clone();
                    if let Err(error) = blocking(move || log.sync()).await {
                        tracing::error!(%error, "the call log cannot be synced; a power cut may lose records of calls");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// A last try before the process ends; what stays goes in its next life.
    async fn finish(&self) -> Result<(), Error> {
        self.log.again();
        while self.carry().await? > 0 {}
        self.budgets.give_all_back().await;
        Ok(())
    }

    async fn carry(&self) -> Result<usize, Error> {
        let log = self.log.clone();
        let records = blocking(move || log.next(BATCH)).await?;
        if records.is_empty() {
            return Ok(0);
        }
        self.authority.record(records.clone()).await?;
        self.budgets.recorded(&records);
        let log = self.log.clone();
        if let Err(error) = blocking(move || log.taken()).await {
            // They are taken all the same; at worst they are sent again by the next life, and count once.
            tracing::warn!(%error, "the call log did not let go of what was taken");
        }
        Ok(records.len())
    }

    async fn retire(&self) -> bool {
        let Some((instance, life)) = self.budgets.holder().split_once('/') else { return true };
        match self.authority.retire(instance, life).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "what earlier lives held of budgets is not free yet");
                tokio::time::sleep(RETRY).await;
                false
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal(&error))?.map_err(|error| Error::internal(&error))
}
