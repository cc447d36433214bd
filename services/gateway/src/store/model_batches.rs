//! Batches of calls to models: what was asked for, how far each is, and how it ended. Each change holds only from the
//! states that it may follow, so that it does not matter which process makes it, or whether it is made twice.

use diesel::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_store::StoreError;
use orrery_types::{TenantId, UnixMillis};

use super::files::{FileRow, Slice, insert as insert_file, unknown_place};
use super::keys::column;
use super::schema::{model_batch_parts as parts, model_batches as batches};
use super::{ControlError, ControlPlane};
use crate::domain::batch::Status;

/// Batches of one tenant that may be under way.
const OPEN_MAX: i64 = 100;

/// A batch as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = batches)]
#[allow(missing_docs)] // the columns are those of the batch, described in the migration
pub struct BatchRow {
    pub id: String,
    pub tenant: String,
    pub key_id: String,
    pub created_by: String,
    pub endpoint: String,
    pub input_file_id: String,
    pub completion_window: String,
    pub metadata: String,
    pub terms: String,
    pub outputs_kept_s: i64,
    pub status: String,
    pub task_id: String,
    pub errors: String,
    pub parts: i64,
    pub total: i64,
    pub completed: i64,
    pub failed: i64,
    pub output_file_id: String,
    pub error_file_id: String,
    pub created_ms: i64,
    pub expires_ms: i64,
    pub in_progress_ms: i64,
    pub finalizing_ms: i64,
    pub cancelling_ms: i64,
    pub finished_ms: i64,
}

impl BatchRow {
    /// How it stands.
    pub fn status(&self) -> Status {
        Status::of(&self.status).unwrap_or(Status::Failed)
    }

    /// Whether nothing more is to be called for it: it is over, being cancelled, or its time has passed.
    pub fn is_stopping(&self, now: UnixMillis) -> bool {
        self.finished_ms > 0 || self.cancelling_ms > 0 || self.expires_ms <= column(now)
    }
}

/// How a batch ends.
#[derive(Debug, Clone)]
pub struct Ending {
    /// One of those that are over.
    pub status: Status,
    /// What is wrong, in JSON; empty: nothing.
    pub errors: String,
    /// Lines that were answered.
    pub completed: i64,
    /// Lines that were not.
    pub failed: i64,
    /// The answers.
    pub output: Option<FileRow>,
    /// The failures.
    pub error: Option<FileRow>,
    /// Now.
    pub now: UnixMillis,
}

impl ControlPlane {
    /// Takes a batch in.
    pub async fn create_batch(&self, row: BatchRow) -> Result<BatchRow, ControlError> {
        self.store
            .write(move |connection| {
                let own = batches::table.filter(batches::tenant.eq(&row.tenant)).filter(batches::finished_ms.eq(0));
                let open: i64 = own.count().get_result(connection)?;
                if open >= OPEN_MAX {
                    let message = format!("{open} batches of the tenant are under way, the most there may be");
                    let wait = std::time::Duration::from_secs(60);
                    return Err(ControlError::Rule(Error::new(ErrorCode::RateLimited, message).retry_after(wait)));
                }
                diesel::insert_into(batches::table).values(&row).execute(connection)?;
                Ok(row)
            })
            .await
    }

    /// Notes which task runs a batch.
    pub async fn batch_started(&self, id: &str, task: &str) -> Result<(), StoreError> {
        let (id, task) = (id.to_owned(), task.to_owned());
        self.store
            .write(move |connection| {
                let row = diesel::update(batches::table.find(id)).set(batches::task_id.eq(task));
                Ok(row.execute(connection).map(drop)?)
            })
            .await
    }

    /// A batch, with the count of its lines so far.
    pub async fn batch(&self, tenant: &TenantId, id: &str) -> Result<Option<BatchRow>, StoreError> {
        let (tenant, id) = (tenant.to_string(), id.to_owned());
        self.store
            .read(move |connection| {
                let own = batches::table.find(id).filter(batches::tenant.eq(tenant));
                let row: Option<BatchRow> = own.first(connection).optional()?;
                Ok(row.map(|row| counted(connection, row)).transpose()?)
            })
            .await
    }

    /// Batches of a tenant by the time of their creation; one more than asked for, if there are more.
    pub async fn batches(&self, tenant: &TenantId, slice: Slice) -> Result<Vec<BatchRow>, ControlError> {
        let tenant = tenant.to_string();
        self.store
            .read(move |connection| {
                let mut rows = batches::table.filter(batches::tenant.eq(tenant.clone())).into_boxed();
                if let Some(after) = &slice.after {
                    let place = batches::table.find(after.clone()).filter(batches::tenant.eq(tenant));
                    let place: Option<(i64, String)> =
                        place.select((batches::created_ms, batches::id)).first(connection).optional()?;
                    let Some((at, id)) = place else { return Err(unknown_place("batch", after)) };
                    let same = batches::created_ms.eq(at).and(batches::id.lt(id));
                    rows = rows.filter(batches::created_ms.lt(at).or(same));
                }
                let rows = rows.order((batches::created_ms.desc(), batches::id.desc())).limit(slice.rows());
                let rows: Vec<BatchRow> = rows.load(connection)?;
                Ok(rows.into_iter().map(|row| counted(connection, row)).collect::<QueryResult<_>>()?)
            })
            .await
    }

    /// Batches that are not over, oldest first.
    pub async fn batches_open(&self, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        self.store
            .read(move |connection| {
                let open = batches::table.filter(batches::finished_ms.eq(0)).order(batches::created_ms);
                Ok(open.limit(limit).load(connection)?)
            })
            .await
    }

    /// Tenants with batches that are not over.
    pub async fn tenants_with_batches(&self) -> Result<Vec<String>, StoreError> {
        self.store
            .read(|connection| {
                let open = batches::table.filter(batches::finished_ms.eq(0));
                Ok(open.select(batches::tenant).distinct().load(connection)?)
            })
            .await
    }

    /// Begins to cancel a batch that is not over. Gives it as it is then, or none when there is no such batch.
    pub async fn cancel_batch(
        &self,
        tenant: &TenantId,
        id: &str,
        now: UnixMillis,
    ) -> Result<Option<BatchRow>, StoreError> {
        let (own, name) = (tenant.to_string(), id.to_owned());
        self.store
            .write(move |connection| {
                let open = batches::table.find(name).filter(batches::tenant.eq(own)).filter(batches::finished_ms.eq(0));
                diesel::update(open.filter(batches::cancelling_ms.eq(0)))
                    .set((batches::status.eq(Status::Cancelling.as_str()), batches::cancelling_ms.eq(column(now))))
                    .execute(connection)
                    .map(drop)
                    .map_err(StoreError::from)
            })
            .await?;
        self.batch(tenant, id).await
    }

    /// The input is as it should be, and cut into parts.
    pub async fn batch_checked(&self, id: &str, cut_into: i64, lines: i64, now: UnixMillis) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.store
            .write(move |connection| {
                let unread = batches::table.find(&id).filter(batches::finished_ms.eq(0)).filter(batches::parts.eq(0));
                diesel::update(unread)
                    .set((
                        batches::parts.eq(cut_into),
                        batches::total.eq(lines),
                        batches::in_progress_ms.eq(column(now)),
                    ))
                    .execute(connection)?;
                let begun = batches::table.find(&id).filter(batches::status.eq(Status::Validating.as_str()));
                let begun = diesel::update(begun).set(batches::status.eq(Status::InProgress.as_str()));
                Ok(begun.execute(connection).map(drop)?)
            })
            .await
    }

    /// Its files are being put together.
    pub async fn batch_finalizing(&self, id: &str, now: UnixMillis) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.store
            .write(move |connection| {
                let open = batches::table.find(&id).filter(batches::finished_ms.eq(0));
                diesel::update(open.filter(batches::finalizing_ms.eq(0)))
                    .set(batches::finalizing_ms.eq(column(now)))
                    .execute(connection)?;
                let wanted = batches::table.find(&id).filter(batches::finished_ms.eq(0));
                let wanted = diesel::update(wanted.filter(batches::cancelling_ms.eq(0)));
                Ok(wanted.set(batches::status.eq(Status::Finalizing.as_str())).execute(connection).map(drop)?)
            })
            .await
    }

    /// Notes how far a part is.
    pub async fn part_counted(&self, id: &str, part: i64, completed: i64, failed: i64) -> Result<(), StoreError> {
        let row = (
            parts::batch.eq(id.to_owned()),
            parts::part.eq(part),
            parts::completed.eq(completed),
            parts::failed.eq(failed),
        );
        let key = (id.to_owned(), part);
        self.store
            .write(move |connection| {
                let found = diesel::update(parts::table.find(key))
                    .set((parts::completed.eq(completed), parts::failed.eq(failed)))
                    .execute(connection)?;
                if found == 0 {
                    diesel::insert_into(parts::table).values(row).execute(connection)?;
                }
                Ok(())
            })
            .await
    }

    /// Ends a batch, unless it is over already; its files are there from this moment on.
    pub async fn end_batch(&self, id: &str, ending: Ending) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.store
            .write(move |connection| {
                let name = |file: &Option<FileRow>| file.as_ref().map(|file| file.id.clone()).unwrap_or_default();
                let open = batches::table.find(&id).filter(batches::finished_ms.eq(0));
                let ended = diesel::update(open)
                    .set((
                        batches::status.eq(ending.status.as_str()),
                        batches::errors.eq(&ending.errors),
                        batches::completed.eq(ending.completed),
                        batches::failed.eq(ending.failed),
                        batches::output_file_id.eq(name(&ending.output)),
                        batches::error_file_id.eq(name(&ending.error)),
                        batches::finished_ms.eq(column(ending.now)),
                    ))
                    .execute(connection)?;
                if ended > 0 {
                    for file in ending.output.iter().chain(&ending.error) {
                        insert_file(connection, file)?;
                    }
                    diesel::delete(parts::table.filter(parts::batch.eq(&id))).execute(connection)?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        self.pump.wake();
        Ok(())
    }
}

/// Until a batch is over, its parts know how many lines are done.
fn counted(connection: &mut orrery_store::AnyConnection, row: BatchRow) -> QueryResult<BatchRow> {
    if row.finished_ms > 0 {
        return Ok(row);
    }
    let own = parts::table.filter(parts::batch.eq(&row.id)).select((parts::completed, parts::failed));
    let counts: Vec<(i64, i64)> = own.load(connection)?;
    let (completed, failed) = counts.into_iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    Ok(BatchRow { completed, failed, ..row })
}
