//! Timers: when each waiting run wants to be woken. Rows are the truth; nobody holds all of them.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::schema::runs;

impl KernelStore {
    /// Tenant, run and time of the next timers of these partitions, at most `limit`, none later than `until`.
    pub async fn timers(&self, of: Vec<i32>, until: i64, limit: i64) -> Result<Vec<(String, String, i64)>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = runs::table.filter(runs::wake_ms.le(until)).filter(runs::partition.eq_any(of));
                let rows: Vec<(String, String, Option<i64>)> = rows
                    .order(runs::wake_ms)
                    .limit(limit)
                    .select((runs::tenant, runs::id, runs::wake_ms))
                    .load(connection)?;
                Ok(rows.into_iter().filter_map(|(tenant, id, at)| Some((tenant, id, at?))).collect())
            })
            .await
    }
}
