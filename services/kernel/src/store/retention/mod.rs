//! How long runs that are over are kept, and removing them. The run's own row goes in one transaction with what says that it
//! is gone; what remains of it is then nobody's, is listed in `removals`, and goes in small pieces.

mod remains;
mod rules;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use orrery_store::outbox::{self, Message};
use orrery_store::{AnyConnection, StoreError};

pub use remains::Remains;
pub use rules::RetentionRow;

use super::KernelStore;
use super::changes::{ORIGIN, PARENT};
use super::rows::RunRow;
use super::schema::{
    archives, errands, inbox, partitions, pending, removals, retention, run_attributes, run_pauses, runs, schedules,
    snapshots, subscriptions,
};
use crate::domain::retention::Reach;

/// Where a run that was removed is archived.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = archives)]
#[allow(missing_docs)] // the columns are those of the run, and of the object
pub struct ArchiveRow {
    pub run_id: String,
    pub tenant: String,
    pub workflow: String,
    pub version: String,
    pub definition_hash: String,
    pub status: String,
    pub submitted_by: String,
    pub created_ms: i64,
    pub finished_ms: i64,
    pub key: String,
    pub sha256: String,
    pub size_bytes: i64,
    pub archived_ms: i64,
}

impl ArchiveRow {
    /// Of a run whose archive lies as this object.
    pub fn of(row: &RunRow, key: String, sha256: String, size_bytes: i64, archived_ms: i64) -> Self {
        Self {
            run_id: row.id.clone(),
            tenant: row.tenant.clone(),
            workflow: row.workflow.clone(),
            version: row.version.clone(),
            definition_hash: row.definition_hash.clone(),
            status: row.status.clone(),
            submitted_by: row.submitted_by.clone(),
            created_ms: row.created_ms,
            finished_ms: row.finished_ms,
            key,
            sha256,
            size_bytes,
            archived_ms,
        }
    }
}

/// A run whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Its tenant.
    pub tenant: String,
    /// It.
    pub run: String,
    /// When it ended.
    pub finished_ms: i64,
}

/// Runs that ended before these times, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// All.
    pub any_ms: i64,
    /// Those that were started under an idempotency key, which is kept as long as they are.
    pub keyed_ms: i64,
}

/// What became of a run that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is gone; its remains are listed.
    Done,
    /// Another process owns its partition.
    Fenced,
    /// Something still needs it.
    Kept(&'static str),
}

impl KernelStore {
    /// Runs of some partitions whose time is over and whose rule reaches so far, the earliest first, after a place in that
    /// order.
    pub async fn expired(
        &self,
        of: Vec<i32>,
        reach: Reach,
        before: Before,
        after: (i64, String),
        limit: i64,
    ) -> Result<Vec<Expired>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let keyed = inbox::table.filter(inbox::run_id.eq(runs::id));
                let of_workflow = retention::table
                    .filter(retention::tenant.eq(runs::tenant))
                    .filter(retention::workflow.eq(runs::workflow));
                let of_tenant =
                    retention::table.filter(retention::tenant.eq(runs::tenant)).filter(retention::workflow.eq(""));
                let (time, id) = after;
                let mut rows = runs::table
                    .filter(runs::finished_ms.gt(0))
                    .filter(runs::finished_ms.lt(before.any_ms))
                    .filter(runs::partition.eq_any(of))
                    .filter(runs::finished_ms.lt(before.keyed_ms).or(not(exists(keyed))))
                    .filter(runs::finished_ms.gt(time).or(runs::finished_ms.eq(time).and(runs::id.gt(id))))
                    .into_boxed();
                rows = match reach {
                    Reach::Workflow(tenant, workflow) => {
                        rows.filter(runs::tenant.eq(tenant)).filter(runs::workflow.eq(workflow))
                    }
                    Reach::Tenant(tenant) => rows.filter(runs::tenant.eq(tenant)).filter(not(exists(of_workflow))),
                    Reach::System => rows.filter(not(exists(of_workflow))).filter(not(exists(of_tenant))),
                };
                let rows = rows.order((runs::finished_ms, runs::id)).limit(limit);
                let found: Vec<(String, String, i64)> =
                    rows.select((runs::tenant, runs::id, runs::finished_ms)).load(connection)?;
                let expired = |(tenant, run, finished_ms)| Expired { tenant, run, finished_ms };
                Ok(found.into_iter().map(expired).collect())
            })
            .await
    }

    /// The texts of what runs have to tell each other, so many at most.
    pub async fn errand_texts(&self, limit: i64) -> Result<Vec<String>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(errands::table.select(errands::errand).limit(limit).load(connection)?)
            })
            .await
    }

    /// What still needs a run that is over.
    pub async fn needed_by(&self, tenant: String, run: String) -> Result<Option<&'static str>, StoreError> {
        self.store.read(move |connection: &mut AnyConnection| needed_by(connection, &tenant, &run)).await
    }

    /// Removes a run that is over, as it was read, under the epoch of its partition; where it is archived, and what is
    /// published of it, are written with that.
    pub async fn remove_run(
        &self,
        row: RunRow,
        epoch: i64,
        archive: Option<ArchiveRow>,
        messages: Vec<Message>,
    ) -> Result<Removal, StoreError> {
        self.store
            .write(move |connection| {
                let fence = partitions::table.find(row.partition).select(partitions::epoch);
                let owned: Option<i64> = match connection {
                    AnyConnection::Postgres(postgres) => fence.for_share().get_result(postgres).optional()?,
                    AnyConnection::Sqlite(sqlite) => fence.get_result(sqlite).optional()?,
                };
                if owned != Some(epoch) {
                    return Ok(Removal::Fenced);
                }
                if let Some(reason) = needed_by(connection, &row.tenant, &row.id)? {
                    return Ok(Removal::Kept(reason));
                }
                let same = runs::table.find(&row.id).filter(runs::finished_ms.gt(0)).filter(runs::seq.eq(row.seq));
                if diesel::delete(same).execute(connection)? == 0 {
                    return Ok::<_, StoreError>(Removal::Kept("it is gone already, or is not over"));
                }
                diesel::delete(inbox::table.filter(inbox::run_id.eq(&row.id))).execute(connection)?;
                diesel::delete(snapshots::table.find(&row.id)).execute(connection)?;
                diesel::delete(pending::table.find(&row.id)).execute(connection)?;
                diesel::delete(run_pauses::table.filter(run_pauses::run_id.eq(&row.id))).execute(connection)?;
                diesel::delete(subscriptions::table.filter(subscriptions::run_id.eq(&row.id))).execute(connection)?;
                if let Some(archive) = &archive {
                    diesel::insert_into(archives::table).values(archive).execute(connection)?;
                }
                let remains = Remains {
                    run_id: row.id.clone(),
                    tenant: row.tenant.clone(),
                    partition: row.partition,
                    texts: serde_json::json!([row.input, row.output]).to_string(),
                };
                diesel::insert_into(removals::table).values(&remains).execute(connection)?;
                outbox::insert(connection, &messages)?;
                Ok(Removal::Done)
            })
            .await
    }

    /// Where a run of a tenant is archived.
    pub async fn archived(&self, tenant: String, run: String) -> Result<Option<ArchiveRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(archives::table.find(run).filter(archives::tenant.eq(tenant)).first(connection).optional()?)
            })
            .await
    }
}

/// What still needs a run: a table that names it, or a run that is not over.
fn needed_by(connection: &mut AnyConnection, tenant: &str, run: &str) -> Result<Option<&'static str>, StoreError> {
    let has = |count: i64| count > 0;
    if has(errands::table.filter(errands::run_id.eq(run)).count().get_result(connection)?) {
        return Ok(Some("it has something to tell another task"));
    }
    let waited = schedules::table.filter(schedules::tenant.eq(tenant)).filter(schedules::running.eq(run));
    if has(waited.count().get_result(connection)?) {
        return Ok(Some("a schedule waits for its end"));
    }
    // The ids of a run's messages begin with one of these and a slash, and the zero follows the slash.
    for kind in ["kernel", "event"] {
        let messages = outbox::outbox::table
            .filter(outbox::outbox::message_id.ge(format!("{kind}/{run}/")))
            .filter(outbox::outbox::message_id.lt(format!("{kind}/{run}0")))
            .filter(outbox::outbox::published_ms.is_null());
        if has(messages.count().get_result(connection)?) {
            return Ok(Some("what it said is not on the bus yet"));
        }
    }
    let unfinished = |names: Vec<&'static str>| {
        let naming = run_attributes::table
            .filter(run_attributes::tenant.eq(tenant.to_owned()))
            .filter(run_attributes::name.eq_any(names))
            .filter(run_attributes::value.eq(run.to_owned()));
        runs::table.filter(runs::finished_ms.eq(0)).filter(runs::id.eq_any(naming.select(run_attributes::run_id)))
    };
    if has(unfinished(vec![ORIGIN, PARENT]).count().get_result(connection)?) {
        return Ok(Some("a task that it started, or that began from it, is not over"));
    }
    let parent = run_attributes::table.find((run, PARENT)).select(run_attributes::value);
    let Some(parent) = parent.first::<String>(connection).optional()? else { return Ok(None) };
    let busy = runs::table.find(&parent).filter(runs::finished_ms.eq(0)).count().get_result(connection)?;
    let told = errands::table.filter(errands::run_id.eq(&parent)).count().get_result(connection)?;
    Ok((has(busy) || has(told)).then_some("the task that started it is not over"))
}
