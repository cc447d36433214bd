//! What a new owner of partitions does first: take the epoch, then load what is under way.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::changes::PendingRow;
use super::schema::{journal, partitions, pending, runs};
use crate::domain::event::Event;
use crate::domain::state::State;

/// What was found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Partition and epoch, for each that is now owned.
    pub epochs: Vec<(i32, i64)>,
    /// Runs under way.
    pub states: Vec<State>,
    /// Runs whose journal cannot be read, with the reason; they stay as they are.
    pub damaged: Vec<(String, String)>,
}

impl KernelStore {
    /// Takes partitions over, so that any earlier owner is fenced, and loads their runs.
    pub async fn recover(&self, mine: Vec<i32>) -> Result<Recovered, StoreError> {
        self.store
            .write(move |connection| {
                let epochs = mine.iter().map(|id| Ok((*id, take(connection, *id)?)));
                let epochs = epochs.collect::<Result<Vec<_>, StoreError>>()?;
                let ids: Vec<String> = runs::table
                    .filter(runs::partition.eq_any(&mine))
                    .filter(runs::finished_ms.eq(0))
                    .select(runs::id)
                    .load(connection)?;
                let mut recovered = Recovered { epochs, ..Recovered::default() };
                for id in ids {
                    match load(connection, &id)? {
                        Ok(state) => recovered.states.push(state),
                        Err(reason) => recovered.damaged.push((id, reason)),
                    }
                }
                Ok(recovered)
            })
            .await
    }

    /// The runs of partitions that wait for their turn.
    pub async fn pending(&self, mine: Vec<i32>) -> Result<Vec<PendingRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = pending::table.filter(pending::partition.eq_any(mine));
                Ok(rows.order((pending::since_ms, pending::run_id)).load(connection)?)
            })
            .await
    }

    /// When each waiting run wants to be woken: the timers.
    pub async fn timers(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        self.store
            .read(|connection: &mut AnyConnection| {
                let rows = runs::table.filter(runs::wake_ms.is_not_null());
                let rows: Vec<(String, String, Option<i64>)> =
                    rows.select((runs::tenant, runs::id, runs::wake_ms)).load(connection)?;
                Ok(rows.into_iter().filter_map(|(tenant, id, at)| Some((tenant, id, at?))).collect())
            })
            .await
    }
}

fn take(connection: &mut AnyConnection, id: i32) -> Result<i64, StoreError> {
    let row = partitions::table.find(id);
    if diesel::update(row).set(partitions::epoch.eq(partitions::epoch + 1)).execute(connection)? == 0 {
        diesel::insert_into(partitions::table)
            .values((partitions::id.eq(id), partitions::epoch.eq(1_i64)))
            .execute(connection)?;
    }
    Ok(partitions::table.find(id).select(partitions::epoch).first(connection)?)
}

fn load(connection: &mut AnyConnection, id: &str) -> Result<Result<State, String>, StoreError> {
    let rows: Vec<String> =
        journal::table.filter(journal::run_id.eq(id)).order(journal::seq).select(journal::event).load(connection)?;
    let events = rows.iter().map(|row| serde_json::from_str::<Event>(row)).collect::<Result<Vec<_>, _>>();
    Ok(match events {
        Ok(events) => State::replay(events).ok_or_else(|| "the journal does not begin with a start".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}
