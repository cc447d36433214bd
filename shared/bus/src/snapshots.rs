//! Snapshots of the control plane: small values that one service puts and others follow.

use std::time::Duration;

use async_nats::jetstream::kv::Operation;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use orrery_errors::Error;

use crate::client::unavailable;
use crate::{Bus, subjects};

/// Time for the bucket to take a value.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Bus {
    /// Puts a snapshot in the place of the one before it.
    pub async fn put_snapshot(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("the bucket of snapshots", error);
        let put = async {
            let bucket = self.jetstream().get_key_value(subjects::BUCKET_SNAPSHOTS).await;
            let bucket = bucket.map_err(|error| failed(&error))?;
            bucket.put(key, value.into()).await.map(drop).map_err(|error| failed(&error))
        };
        tokio::time::timeout(TIMEOUT, put).await.map_err(|error| failed(&error))?
    }

    /// The snapshot that is there and each that follows. Ends when the connection is closed for good.
    pub async fn follow_snapshot(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("the bucket of snapshots", error);
        let bucket = self.jetstream().get_key_value(subjects::BUCKET_SNAPSHOTS).await;
        let bucket = bucket.map_err(|error| failed(&error))?;
        let entries = bucket.watch_with_history(key).await.map_err(|error| failed(&error))?;
        let values = entries.filter_map(|entry| async move {
            match entry {
                Ok(entry) if entry.operation == Operation::Put => Some(Ok(entry.value)),
                Ok(_) => None,
                Err(error) => Some(Err(unavailable("the bucket of snapshots", &error))),
            }
        });
        Ok(values.boxed())
    }
}
