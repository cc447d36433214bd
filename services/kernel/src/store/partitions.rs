//! Who owns which partition. Liveness is a count that each process raises; whoever sees one that no longer rises takes
//! its partitions over, by an epoch that fences the old owner out of every later write (K-9).
//!
//! All of it goes over connections whose transactions the database ends soon when nothing more comes from them: one that a
//! dead process left open holds the rows that its successor needs.

use diesel::prelude::*;
use diesel::sql_types::Text;
use orrery_store::{AnyConnection, StoreError};

use super::rows::ErrandRow;
use super::schema::{errands, members, partitions};
use super::{KernelStore, PARTITIONS};

/// The processes and partitions as one of them sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Each process and its count.
    pub members: Vec<(String, i64)>,
    /// Each partition, its epoch, and its owner or nothing.
    pub partitions: Vec<(i32, i64, String)>,
}

impl KernelStore {
    /// Raises the count of a process, and reads what the others have written.
    pub async fn beat(&self, member: String) -> Result<Cluster, StoreError> {
        self.store
            .pulse(move |connection| {
                diesel::sql_query(
                    "INSERT INTO members (id, beat) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET beat = members.beat + 1",
                )
                .bind::<Text, _>(&member)
                .execute(connection)?;
                let members = members::table.order(members::id).load(connection)?;
                let mut rows = partitions::table.order(partitions::id).load(connection)?;
                if rows.len() < usize::try_from(PARTITIONS).unwrap_or(0) {
                    for id in 0..PARTITIONS {
                        let row = (partitions::id.eq(id), partitions::epoch.eq(0), partitions::owner.eq(""));
                        let insert = diesel::insert_into(partitions::table).values(row).on_conflict_do_nothing();
                        match connection {
                            AnyConnection::Postgres(postgres) => insert.execute(postgres)?,
                            AnyConnection::Sqlite(sqlite) => insert.execute(sqlite)?,
                        };
                    }
                    rows = partitions::table.order(partitions::id).load(connection)?;
                }
                Ok(Cluster { members, partitions: rows })
            })
            .await
    }

    /// Notes whether the database is silent: while it is, nothing but [`Self::beat`] waits for it.
    pub fn set_silent(&self, is_silent: bool) {
        self.store.set_silent(is_silent);
    }

    /// Takes partitions whose epochs are still those seen. Gives each that was taken, with its new epoch.
    pub async fn take(&self, member: String, seen: Vec<(i32, i64)>) -> Result<Vec<(i32, i64)>, StoreError> {
        self.store
            .journal(move |connection| {
                let mut taken = Vec::new();
                for (id, epoch) in seen {
                    let row = partitions::table.find(id).filter(partitions::epoch.eq(epoch));
                    let change = (partitions::epoch.eq(epoch + 1), partitions::owner.eq(&member));
                    if diesel::update(row).set(change).execute(connection)? == 1 {
                        taken.push((id, epoch + 1));
                    }
                }
                Ok(taken)
            })
            .await
    }

    /// Gives partitions up, so that another process takes them at once.
    pub async fn release(&self, member: String, ids: Vec<i32>) -> Result<(), StoreError> {
        self.store
            .journal(move |connection| {
                let mine = partitions::table.filter(partitions::owner.eq(member)).filter(partitions::id.eq_any(ids));
                diesel::update(mine).set(partitions::owner.eq("")).execute(connection)?;
                Ok(())
            })
            .await
    }

    /// Waits until no transaction holds the partition any more: whatever was sent under its epoch and may yet be written is
    /// written by then, or never will be. SQLite's one writer has answered for every transaction before it takes the next.
    pub async fn settled(&self, partition: i32) -> Result<(), StoreError> {
        self.store
            .journal_at_once(move |connection| {
                if let AnyConnection::Postgres(postgres) = connection {
                    let row = partitions::table.find(partition).select(partitions::id);
                    row.for_update().load::<i32>(postgres)?;
                }
                Ok(())
            })
            .await
    }

    /// Removes a process that has ended, and what it owned.
    pub async fn forget(&self, member: String) -> Result<(), StoreError> {
        self.store
            .journal(move |connection| {
                let owned = partitions::table.filter(partitions::owner.eq(&member));
                diesel::update(owned).set(partitions::owner.eq("")).execute(connection)?;
                diesel::delete(members::table.find(&member)).execute(connection)?;
                Ok(())
            })
            .await
    }

    /// What the runs of a partition still have to tell others.
    pub async fn errands(&self, partition: i32) -> Result<Vec<ErrandRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(errands::table.filter(errands::partition.eq(partition)).order(errands::id).load(connection)?)
            })
            .await
    }

    /// What one run still has to tell others.
    pub async fn errands_of(&self, run: String) -> Result<Vec<ErrandRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(errands::table.filter(errands::run_id.eq(run)).order(errands::id).load(connection)?)
            })
            .await
    }
}
