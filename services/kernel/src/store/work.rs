//! What leases and heartbeats read and write beside the moves of runs.

use diesel::dsl::count_star;
use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::changes::{WorkRow, work_status};
use super::schema::work;

/// A sign of life with what the worker wants to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The step.
    pub key: String,
    /// The attempt.
    pub token: String,
    /// For the next attempt; none: as they were.
    pub details: Option<String>,
}

impl KernelStore {
    /// The steps of a queue that wait for a worker, in their turn.
    pub async fn queued_work(&self, tenant: String, queue: String, limit: i64) -> Result<Vec<WorkRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = work::table
                    .filter(work::tenant.eq(tenant))
                    .filter(work::queue.eq(queue))
                    .filter(work::status.eq(work_status::QUEUED));
                Ok(rows.order((work::turn_ms, work::key)).limit(limit).load(connection)?)
            })
            .await
    }

    /// How many steps wait in each queue that is not empty: tenant, queue, count.
    pub async fn work_waiting(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        self.store
            .read(|connection: &mut AnyConnection| {
                let rows = work::table.filter(work::status.eq(work_status::QUEUED));
                let counts = rows.group_by((work::tenant, work::queue));
                Ok(counts.select((work::tenant, work::queue, count_star())).load(connection)?)
            })
            .await
    }

    /// A step of a tenant.
    pub async fn work(&self, tenant: String, key: String) -> Result<Option<WorkRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(work::table.find(key).filter(work::tenant.eq(tenant)).first(connection).optional()?)
            })
            .await
    }

    /// Keeps what heartbeats brought, all of them in one transaction. One whose attempt is not under way changes nothing.
    pub async fn keep_beats(&self, beats: Vec<Beat>) -> Result<(), StoreError> {
        self.store
            .write(move |connection| {
                for beat in &beats {
                    let Some(details) = &beat.details else { continue };
                    let attempt = work::table
                        .filter(work::key.eq(&beat.key))
                        .filter(work::token.eq(&beat.token))
                        .filter(work::status.eq(work_status::STARTED));
                    diesel::update(attempt).set(work::details.eq(details)).execute(connection)?;
                }
                Ok(())
            })
            .await
    }
}
