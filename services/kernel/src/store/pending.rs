//! The runs that wait for their turn.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::changes::PendingRow;
use super::schema::pending;

impl KernelStore {
    /// Those of a partition, in the order in which they came.
    pub async fn pending(&self, partition: i32) -> Result<Vec<PendingRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = pending::table.filter(pending::partition.eq(partition));
                Ok(rows.order((pending::since_ms, pending::run_id)).load(connection)?)
            })
            .await
    }
}
