//! Steps that are just being given to workers. Where a queue limits how many its workers may hold, a step is held here before
//! it is started and until that is settled, so that all kernel processes together never exceed the limit.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Text;
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::changes::work_status;
use super::schema::{work, work_holds};

/// Whether a step may be given to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Yes, by whoever asked.
    Yes,
    /// Another request is giving it away.
    Taken,
    /// The workers of the queue hold as many as they may.
    Full,
}

impl KernelStore {
    /// Holds a step, unless that would be more than `most` of its queue. What was not let go is forgotten at `until_ms`.
    pub async fn hold_work(
        &self,
        (tenant, queue): (String, String),
        key: String,
        most: u32,
        (now_ms, until_ms): (i64, i64),
    ) -> Result<Held, StoreError> {
        self.store
            .write_relaxed(move |connection| {
                one_at_a_time(connection, &tenant, &queue)?;
                let of =
                    || work_holds::table.filter(work_holds::tenant.eq(&tenant)).filter(work_holds::queue.eq(&queue));
                diesel::delete(of().filter(work_holds::until_ms.le(now_ms))).execute(connection)?;
                // In this order: a step that is started meanwhile, and no longer held, is then in one of the two at least.
                let mut keys: BTreeSet<String> =
                    of().select(work_holds::key).load::<String>(connection)?.into_iter().collect();
                if keys.contains(&key) {
                    return Ok(Held::Taken);
                }
                let started = work::table
                    .filter(work::tenant.eq(&tenant))
                    .filter(work::queue.eq(&queue))
                    .filter(work::status.eq(work_status::STARTED));
                keys.extend(started.select(work::key).load::<String>(connection)?);
                if keys.len() as u64 >= u64::from(most) {
                    return Ok(Held::Full);
                }
                diesel::insert_into(work_holds::table)
                    .values((
                        work_holds::key.eq(&key),
                        work_holds::tenant.eq(&tenant),
                        work_holds::queue.eq(&queue),
                        work_holds::until_ms.eq(until_ms),
                    ))
                    .execute(connection)?;
                Ok(Held::Yes)
            })
            .await
    }

    /// Lets a step go that is started, or is not going to be.
    pub async fn let_work_go(&self, key: String) -> Result<(), StoreError> {
        self.store
            .write_relaxed(move |connection| {
                diesel::delete(work_holds::table.find(key)).execute(connection)?;
                Ok(())
            })
            .await
    }
}

/// Two transactions that count at the same time would both find room. SQLite has one writer anyway.
fn one_at_a_time(connection: &mut AnyConnection, tenant: &str, queue: &str) -> Result<(), StoreError> {
    if let AnyConnection::Postgres(postgres) = connection {
        diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind::<Text, _>(format!("work/{tenant}/{queue}"))
            .execute(postgres)?;
    }
    Ok(())
}
