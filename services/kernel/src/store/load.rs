//! Reading a run back: its snapshot, if it has one, and what followed.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::schema::{journal, runs, snapshots};

/// What is stored of a run that is under way. The texts may be references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The state after some event, in JSON.
    pub snapshot: Option<String>,
    /// The events of each move after it, in JSON.
    pub events: Vec<String>,
}

/// What became of a run that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is under way.
    UnderWay(Stored),
    /// It is over.
    Over,
    /// There is none.
    Nothing,
}

impl KernelStore {
    /// Looks for a run.
    pub async fn load(&self, tenant: String, id: String) -> Result<Found, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let row = runs::table.find(&id).filter(runs::tenant.eq(tenant)).select(runs::finished_ms);
                match row.first::<i64>(connection).optional()? {
                    None => Ok(Found::Nothing),
                    Some(0) => Ok(Found::UnderWay(stored(connection, &id)?)),
                    Some(_) => Ok(Found::Over),
                }
            })
            .await
    }

    /// Tenant and id of the runs of a partition that have something under way.
    pub async fn active(&self, partition: i32) -> Result<Vec<(String, String)>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = runs::table.filter(runs::partition.eq(partition));
                let rows = rows.filter(runs::status.eq(super::status::RUNNING));
                Ok(rows.select((runs::tenant, runs::id)).load(connection)?)
            })
            .await
    }

    /// What a run that is over was, in the same form.
    pub async fn archive(&self, id: String) -> Result<Stored, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(Stored { snapshot: None, events: events(connection, &id, 0)? })
            })
            .await
    }
}

fn stored(connection: &mut AnyConnection, id: &str) -> Result<Stored, StoreError> {
    let snapshot: Option<(i64, String)> =
        snapshots::table.find(id).select((snapshots::seq, snapshots::state)).first(connection).optional()?;
    let (after, snapshot) = match snapshot {
        Some((seq, state)) => (seq, Some(state)),
        None => (0, None),
    };
    Ok(Stored { snapshot, events: events(connection, id, after)? })
}

fn events(connection: &mut AnyConnection, id: &str, after: i64) -> Result<Vec<String>, StoreError> {
    let rows = journal::table.filter(journal::run_id.eq(id)).filter(journal::seq.gt(after));
    Ok(rows.order(journal::seq).select(journal::events).load(connection)?)
}
