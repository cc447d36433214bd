//! Schedules: what is due, what becomes of it, and what events have gathered.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};
use orrery_types::{Sha256Digest, UnixMillis};

use super::rows::{ScheduleRow, signed};
use super::schema::{schedule_events, schedules};
use super::{KernelStore, PARTITIONS};
use crate::domain::trigger::Gathered;

/// Schedules looked at together.
const DUE_MAX: i64 = 256;

/// A schedule that a deployment brings.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// Its row.
    pub row: ScheduleRow,
    /// Types of the events that start it; an empty one: any.
    pub types: Vec<String>,
}

/// The partition whose owner looks after a schedule.
pub fn partition_of_schedule(tenant: &str, namespace: &str, name: &str) -> i32 {
    let digest = Sha256Digest::of(format!("{tenant}/{namespace}/{name}").as_bytes());
    let [first, second, ..] = *digest.as_bytes();
    i32::from(u16::from_be_bytes([first, second])) % PARTITIONS
}

/// The schedule of a newly deployed version takes the place of the one before, or leaves none.
pub(super) fn replace(
    connection: &mut AnyConnection,
    key: (&str, &str, &str),
    schedule: Option<&NewSchedule>,
) -> Result<(), StoreError> {
    let (tenant, namespace, name) = key;
    diesel::delete(schedules::table.find(key)).execute(connection)?;
    let types = schedule_events::table.filter(schedule_events::tenant.eq(tenant));
    let types = types.filter(schedule_events::namespace.eq(namespace)).filter(schedule_events::name.eq(name));
    diesel::delete(types).execute(connection)?;
    let Some(NewSchedule { row, types }) = schedule else { return Ok(()) };
    diesel::insert_into(schedules::table).values(row).execute(connection)?;
    for event_type in types {
        diesel::insert_into(schedule_events::table)
            .values((
                schedule_events::tenant.eq(tenant),
                schedule_events::event_type.eq(event_type),
                schedule_events::namespace.eq(namespace),
                schedule_events::name.eq(name),
            ))
            .execute(connection)?;
    }
    Ok(())
}

impl KernelStore {
    /// Schedules that are due by a point in time, the earliest first, and those that wait for the end of a run.
    pub async fn schedules_due(&self, by: UnixMillis) -> Result<Vec<ScheduleRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let due = schedules::table.filter(schedules::next_ms.le(signed(by.0)));
                let mut rows: Vec<ScheduleRow> = due.order(schedules::next_ms).limit(DUE_MAX).load(connection)?;
                rows.extend(schedules::table.filter(schedules::running.ne("")).load::<ScheduleRow>(connection)?);
                Ok(rows)
            })
            .await
    }

    /// Sets when a schedule fires next and for the end of which run it waits, unless it has changed since it was read.
    pub async fn reschedule(
        &self,
        row: ScheduleRow,
        next: Option<UnixMillis>,
        running: String,
    ) -> Result<(), StoreError> {
        self.store
            .write(move |connection| {
                let key = schedules::table.find((&row.tenant, &row.namespace, &row.name));
                let same = key.filter(schedules::definition_hash.eq(&row.definition_hash));
                let same = same.filter(schedules::running.eq(&row.running));
                let set = (schedules::next_ms.eq(next.map(|at| signed(at.0))), schedules::running.eq(running));
                match row.next_ms {
                    Some(due) => {
                        diesel::update(same.filter(schedules::next_ms.eq(due))).set(set).execute(connection)?
                    }
                    None => diesel::update(same.filter(schedules::next_ms.is_null())).set(set).execute(connection)?,
                };
                Ok(())
            })
            .await
    }

    /// Changes what a schedule has gathered, alone with its row. None: the schedule has been replaced.
    pub async fn gather(
        &self,
        row: ScheduleRow,
        change: impl FnOnce(&mut Gathered) -> bool + Send + 'static,
    ) -> Result<Option<Gathered>, StoreError> {
        self.store
            .write(move |connection| {
                let same = schedules::table
                    .find((&row.tenant, &row.namespace, &row.name))
                    .filter(schedules::definition_hash.eq(&row.definition_hash));
                // The update takes the row's lock, so that nobody else reads what is about to change.
                let locked = diesel::update(same).set(schedules::partition.eq(row.partition)).execute(connection)?;
                if locked == 0 {
                    return Ok::<_, StoreError>(None);
                }
                let text: String = same.select(schedules::gathered).first(connection)?;
                let mut gathered = serde_json::from_str(&text).unwrap_or_default();
                if change(&mut gathered) {
                    let text = serde_json::json!(gathered).to_string();
                    diesel::update(same).set(schedules::gathered.eq(text)).execute(connection)?;
                }
                Ok(Some(gathered))
            })
            .await
    }
}
