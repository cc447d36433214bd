//! Task queues of workers outside. Each tenant has a work-queue stream of its own, so that the permissions of its NATS user
//! keep its queues from others, and in it each queue has a pull consumer.
//!
//! A message only announces that a step waits in a queue; which one, the kernel decides when a worker asks. So
//! announcements of a queue are alike, may be lost or come twice, and lie in memory: the rows in the kernel's database are the
//! truth, and the kernel announces again what the stream has forgotten.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream;
use futures::TryStreamExt as _;
use orrery_errors::Error;
use orrery_types::TenantId;

use crate::client::unavailable;
use crate::{Bus, subjects};

/// An announcement that a worker took and did not acknowledge comes again after this.
pub const WORK_ACK_WAIT: Duration = Duration::from_secs(30);
/// Announcements kept of one queue; the oldest go, and are made again as the queue empties.
pub const ANNOUNCED_MAX: u64 = 10_000;
/// How the names of queues begin whose steps the platform does itself. Nothing is announced of them: its workers ask, for every
/// tenant, and not every tenant has a user on the bus.
const PLATFORM_QUEUES: &str = "orrery-";
/// The queue of the steps of batches of calls to models, which gateways do.
pub const MODEL_BATCHES: &str = "orrery-model-batches";
const STREAM_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// A queue that nobody pulls from loses its consumer, which opening it brings back.
const IDLE_MAX: Duration = Duration::from_secs(3_600);
const PENDING_MAX: i64 = 10_000;

/// Where the announcements of a queue are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkQueue {
    /// The tenant's stream.
    pub stream: String,
    /// The queue's pull consumer.
    pub consumer: String,
}

/// Whether the platform itself does the steps of a queue.
pub fn is_platform_queue(queue: &str) -> bool {
    queue.starts_with(PLATFORM_QUEUES)
}

impl Bus {
    /// Opens a task queue, creating what is missing.
    pub async fn open_work(&self, tenant: &TenantId, queue: &str) -> Result<WorkQueue, Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("the work stream", error);
        let stream = self.work_stream(tenant).await?;
        let config = pull::Config {
            durable_name: Some(queue.to_owned()),
            filter_subject: subjects::work(tenant.as_str(), queue),
            ack_policy: AckPolicy::Explicit,
            ack_wait: WORK_ACK_WAIT,
            max_ack_pending: PENDING_MAX,
            inactive_threshold: IDLE_MAX,
            ..pull::Config::default()
        };
        stream.create_consumer(config).await.map_err(|error| failed(&error))?;
        Ok(WorkQueue { stream: subjects::work_stream(tenant.as_str()), consumer: queue.to_owned() })
    }

    /// Announces a step of a queue.
    pub async fn announce_work(&self, tenant: &TenantId, queue: &str) -> Result<(), Error> {
        let subject = subjects::work(tenant.as_str(), queue);
        if self.put(subject.clone()).await.is_ok() {
            return Ok(());
        }
        // The stream lies in memory: a server that was restarted has forgotten it.
        self.work_stream(tenant).await?;
        self.put(subject).await
    }

    /// How many announcements lie in each queue of a tenant.
    pub async fn announced_work(&self, tenant: &TenantId) -> Result<HashMap<String, u64>, Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("the work stream", error);
        let stream = self.work_stream(tenant).await?;
        let all = subjects::work(tenant.as_str(), "*");
        let counts = stream.info_with_subjects(all).await.map_err(|error| failed(&error))?;
        let counts: Vec<(String, usize)> = counts.try_collect().await.map_err(|error| failed(&error))?;
        let queue = |subject: String| subject.rsplit('.').next().unwrap_or_default().to_owned();
        Ok(counts.into_iter().map(|(subject, count)| (queue(subject), count as u64)).collect())
    }

    async fn put(&self, subject: String) -> Result<(), Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("the work stream", error);
        let payload = br#"{"orrery":"work"}"#.as_slice();
        let acknowledged = self.jetstream().publish(subject, payload.into()).await.map_err(|error| failed(&error))?;
        acknowledged.await.map(drop).map_err(|error| failed(&error))
    }

    async fn work_stream(&self, tenant: &TenantId) -> Result<stream::Stream, Error> {
        let config = stream::Config {
            name: subjects::work_stream(tenant.as_str()),
            subjects: vec![subjects::work(tenant.as_str(), "*")],
            retention: stream::RetentionPolicy::WorkQueue,
            storage: stream::StorageType::Memory,
            max_messages_per_subject: i64::try_from(ANNOUNCED_MAX).unwrap_or(i64::MAX),
            max_bytes: STREAM_BYTES_MAX,
            discard: stream::DiscardPolicy::Old,
            ..stream::Config::default()
        };
        let stream = self.jetstream().get_or_create_stream(config).await;
        stream.map_err(|error| unavailable("the work stream", &error))
    }
}
