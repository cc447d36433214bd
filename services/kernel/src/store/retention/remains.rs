//! What remains of runs that were removed: nobody reads it any more, and it goes piece by piece, so that no transaction is
//! long. Doing a piece twice does nothing.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use super::super::KernelStore;
use super::super::reviews::ReviewRow;
use super::super::rows::JournalRow;
use super::super::schema::{
    batch_failures, batches, journal, removals, review_comments, review_people, review_votes, reviews, run_attributes,
    work,
};

/// A run that is removed but for its remains.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = removals)]
#[allow(missing_docs)]
pub struct Remains {
    pub run_id: String,
    pub tenant: String,
    pub partition: i32,
    /// Texts of its row, some of which may be references: a list in JSON.
    pub texts: String,
}

impl KernelStore {
    /// Runs of some partitions that are removed but for their remains.
    pub async fn removals(&self, of: Vec<i32>, limit: i64) -> Result<Vec<Remains>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = removals::table.filter(removals::partition.eq_any(of));
                Ok(rows.order(removals::run_id).limit(limit).load(connection)?)
            })
            .await
    }

    /// Removes rows of a journal that were read.
    pub async fn drop_journal(&self, rows: Vec<JournalRow>) -> Result<(), StoreError> {
        self.store
            .write_relaxed(move |connection| {
                let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
                let read = journal::table.filter(journal::run_id.eq(&first.run_id)).filter(journal::seq.le(last.seq));
                diesel::delete(read).execute(connection)?;
                Ok::<_, StoreError>(())
            })
            .await
    }

    /// Reviews of a run, so many at most.
    pub async fn reviews_of(&self, run: String, limit: i64) -> Result<Vec<ReviewRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(reviews::table.filter(reviews::run_id.eq(run)).order(reviews::id).limit(limit).load(connection)?)
            })
            .await
    }

    /// Removes reviews with everything of theirs.
    pub async fn drop_reviews(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.store
            .write_relaxed(move |connection| {
                diesel::delete(review_people::table.filter(review_people::review_id.eq_any(&ids)))
                    .execute(connection)?;
                diesel::delete(review_comments::table.filter(review_comments::review_id.eq_any(&ids)))
                    .execute(connection)?;
                diesel::delete(review_votes::table.filter(review_votes::review_id.eq_any(&ids))).execute(connection)?;
                diesel::delete(reviews::table.filter(reviews::id.eq_any(&ids))).execute(connection)?;
                Ok::<_, StoreError>(())
            })
            .await
    }

    /// Removes the last that remains of a run.
    pub async fn forget_run(&self, run: String) -> Result<(), StoreError> {
        self.store
            .write(move |connection| {
                diesel::delete(run_attributes::table.filter(run_attributes::run_id.eq(&run))).execute(connection)?;
                diesel::delete(work::table.filter(work::run_id.eq(&run))).execute(connection)?;
                diesel::delete(removals::table.find(&run)).execute(connection)?;
                Ok::<_, StoreError>(())
            })
            .await
    }

    /// By what a run is found.
    pub async fn attributes_of(&self, run: String) -> Result<Vec<(String, String)>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = run_attributes::table.filter(run_attributes::run_id.eq(run)).order(run_attributes::name);
                Ok(rows.select((run_attributes::name, run_attributes::value)).load(connection)?)
            })
            .await
    }

    /// Removes batches that were over before a time, so many at most; how many there were.
    pub async fn drop_batches(&self, before_ms: i64, limit: i64) -> Result<usize, StoreError> {
        self.store
            .write_relaxed(move |connection| {
                let old = batches::table.filter(batches::finished_ms.gt(0)).filter(batches::finished_ms.lt(before_ms));
                let ids: Vec<String> = old.select(batches::id).limit(limit).load(connection)?;
                diesel::delete(batch_failures::table.filter(batch_failures::batch_id.eq_any(&ids)))
                    .execute(connection)?;
                diesel::delete(batches::table.filter(batches::id.eq_any(&ids))).execute(connection)?;
                Ok::<_, StoreError>(ids.len())
            })
            .await
    }
}
