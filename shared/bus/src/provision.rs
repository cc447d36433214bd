//! Creates the streams and buckets. Run once by the operator's user before the services start; running it again changes
//! nothing.

use std::time::Duration;

use async_nats::jetstream::{kv, object_store, stream};
use orrery_errors::Error;

use crate::client::unavailable;
use crate::{Bus, subjects};

/// Sizes of what is kept.
#[derive(Debug, Clone, Copy)]
pub struct ProvisionOptions {
    /// Copies of each message; 1 on one machine, 3 in a cluster.
    pub replicas: usize,
    /// Bytes that the object store may hold.
    pub blob_bytes_max: i64,
    /// How long public events are kept.
    pub events_age_max: Duration,
}

impl Default for ProvisionOptions {
    fn default() -> Self {
        Self {
            replicas: 1,
            // The server reserves this and refuses what three quarters of the free disk do not cover.
            blob_bytes_max: 8 * 1024 * 1024 * 1024,
            events_age_max: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// A message published again within this time is dropped as a duplicate.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);
/// Leases end by themselves when their holder dies.
const LEASE_AGE: Duration = Duration::from_secs(15);

/// Creates what is missing.
pub async fn provision(bus: &Bus, options: ProvisionOptions) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| unavailable("JetStream", error);
    let jetstream = bus.jetstream();
    let config = |name: &str, subject: &str| stream::Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        num_replicas: options.replicas,
        duplicate_window: DUPLICATE_WINDOW,
        ..stream::Config::default()
    };
    let work = stream::RetentionPolicy::WorkQueue;
    // Fed from outboxes, which keep each message until it is certainly synced: a sync for each would be the better part of
    // what a workflow's step costs.
    let persist_mode = Some(stream::PersistenceMode::Async).filter(|_| options.replicas == 1);
    let streams = [
        stream::Config { retention: work, ..config(subjects::STREAM_COMMANDS, subjects::COMMANDS) },
        stream::Config {
            max_age: options.events_age_max,
            persist_mode,
            ..config(subjects::STREAM_EVENTS, subjects::EVENTS)
        },
        // Kept until the log has taken them; the log itself is the long memory.
        stream::Config { retention: work, persist_mode, ..config(subjects::STREAM_AUDIT, subjects::AUDIT) },
    ];
    for stream in streams {
        jetstream.get_or_create_stream(stream).await.map_err(|error| failed(&error))?;
    }
    if jetstream.get_object_store(subjects::BUCKET_BLOBS).await.is_err() {
        let blobs = object_store::Config {
            bucket: subjects::BUCKET_BLOBS.to_owned(),
            max_bytes: options.blob_bytes_max,
            num_replicas: options.replicas,
            ..object_store::Config::default()
        };
        jetstream.create_object_store(blobs).await.map_err(|error| failed(&error))?;
    }
    for (bucket, max_age) in [(subjects::BUCKET_SNAPSHOTS, Duration::ZERO), (subjects::BUCKET_LEASES, LEASE_AGE)] {
        if jetstream.get_key_value(bucket).await.is_err() {
            let config = kv::Config {
                bucket: bucket.to_owned(),
                max_age,
                num_replicas: options.replicas,
                ..kv::Config::default()
            };
            jetstream.create_key_value(config).await.map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}
