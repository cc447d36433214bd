//! Takes records off the stream in batches and acknowledges them once the tree that holds them is durable. What is no
//! record is kept aside and taken off the stream for good.

use std::future::Future;
use std::time::Duration;

use futures::FutureExt as _;
use orrery_bus::{Bus, Consumer, ConsumerSpec, Delivery, subjects};
use orrery_errors::Error;
use orrery_supervise::{Handle, TaskContext, TaskSpec};
use orrery_types::UnixMillis;

use super::sequencer::{Append, Sequencer};
use crate::bus::convert;
use crate::domain::Entry;
use crate::store::{DeadLetter, LogStore};

const DURABLE: &str = "audit-log";
/// Records in one transaction. There is no linger: a batch is what queued while the last one committed.
const BATCH: usize = 256;
const PENDING_MAX: i64 = 1024;
/// How long records that a killed process held are withheld from the next one. Too short only costs repeats.
const ACK_WAIT: Duration = Duration::from_secs(5);
/// Pause after a failure of the bus or the database.
const PAUSE: Duration = Duration::from_millis(500);
/// A batch is asked for again after this, whatever became of it; a record is never logged twice.
const APPEND_WITHIN: Duration = Duration::from_secs(30);

/// The supervised consumer.
pub fn spec(bus: Bus, log: LogStore, sequencer: Handle<Sequencer>) -> TaskSpec {
    TaskSpec::new("intake", move |task| {
        let intake = Intake { bus: bus.clone(), log: log.clone(), sequencer: sequencer.clone(), task };
        async move {
            intake.run().await;
            Ok::<(), Error>(())
        }
    })
}

struct Intake {
    bus: Bus,
    log: LogStore,
    sequencer: Handle<Sequencer>,
    task: TaskContext,
}

impl Intake {
    /// Runs until drained. The bus or the database being away is waited out here: it is no fault of this process.
    async fn run(&self) {
        while !self.task.is_draining() {
            if let Err(error) = self.consume().await {
                tracing::warn!(%error, "the stream of audit records is interrupted");
                self.pause().await;
            }
        }
    }

    async fn consume(&self) -> Result<(), Error> {
        let spec = ConsumerSpec {
            stream: subjects::STREAM_AUDIT,
            durable: DURABLE,
            filter: String::new(),
            ack_wait: ACK_WAIT,
            pending_max: PENDING_MAX,
        };
        let mut consumer = self.bus.consume(spec).await?;
        loop {
            let batch = tokio::select! {
                () = self.task.draining() => return Ok(()),
                batch = next_batch(&mut consumer) => batch?,
            };
            if batch.is_empty() {
                return Ok(());
            }
            self.take(batch).await?;
        }
    }

    async fn take(&self, batch: Vec<Delivery>) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(batch.len());
        let mut good = Vec::with_capacity(batch.len());
        for delivery in batch {
            match convert::entry(delivery.subject(), delivery.payload()) {
                Ok(entry) => {
                    entries.push(entry);
                    good.push(delivery);
                }
                Err(refusal) => {
                    let (subject, payload) = (delivery.subject().to_owned(), delivery.payload().to_vec());
                    self.bury(DeadLetter { subject, reason: refusal.to_string(), payload }).await;
                    delivery.terminate().await?;
                }
            }
        }
        if !self.append(entries).await {
            return Ok(());
        }
        for delivery in good {
            delivery.ack().await?;
        }
        Ok(())
    }

    /// False when the drain came first; the records are then delivered again after the next start.
    async fn append(&self, entries: Vec<Entry>) -> bool {
        if entries.is_empty() {
            return true;
        }
        let ask = || async {
            let asked = self.sequencer.ask_patiently(Append(entries.clone()), APPEND_WITHIN).await;
            asked.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        };
        let Some(appended) = self.insist("append", ask).await else { return false };
        for entry in appended.conflicting {
            let subject = subjects::audit_record(&entry.record.service);
            let reason = format!("the log holds another record with the id {}", entry.record.id);
            self.bury(DeadLetter { subject, reason, payload: entry.canonical.into_bytes() }).await;
        }
        true
    }

    async fn bury(&self, letter: DeadLetter) {
        metrics::counter!("orrery_audit_dead_letters_total").increment(1);
        tracing::warn!(
            bus.subject = letter.subject,
            reason = letter.reason,
            "a message is no audit record; kept aside"
        );
        let bury =
            || async { self.log.bury(letter.clone(), UnixMillis::now()).await.map_err(|error| error.to_string()) };
        self.insist("dead letter", bury).await;
    }

    /// Tries until it works or the drain comes.
    async fn insist<T, F: Future<Output = Result<T, String>>>(&self, what: &str, attempt: impl Fn() -> F) -> Option<T> {
        loop {
            match attempt().await {
                Ok(done) => return Some(done),
                Err(error) => tracing::warn!(work = what, error, "the log cannot be written; trying again"),
            }
            if self.task.is_draining() {
                return None;
            }
            self.pause().await;
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.task.draining() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Waits for one message and adds those that are here already. Nothing is lost when this is dropped: it waits only
/// while it holds none. Empty when the connection was closed for good.
async fn next_batch(consumer: &mut Consumer) -> Result<Vec<Delivery>, Error> {
    let Some(first) = consumer.next().await else { return Ok(Vec::new()) };
    let mut batch = vec![first?];
    while batch.len() < BATCH {
        match consumer.next().now_or_never() {
            Some(Some(Ok(delivery))) => batch.push(delivery),
            // A failure shows itself again once this batch is taken.
            Some(Some(Err(_)) | None) | None => break,
        }
    }
    Ok(batch)
}
