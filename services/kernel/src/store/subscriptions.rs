//! Who listens to an event.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::rows::ScheduleRow;
use super::schema::{schedule_events, schedules, subscriptions};

/// Whoever may be concerned by an event; whether they are is theirs to say.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Runs.
    pub runs: Vec<String>,
    /// Schedules.
    pub schedules: Vec<ScheduleRow>,
}

impl KernelStore {
    /// Who listens to a tenant's events of a type.
    pub async fn listeners(&self, tenant: String, event_type: String) -> Result<Listeners, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let types = [event_type.as_str(), ""];
                let runs = subscriptions::table
                    .filter(subscriptions::tenant.eq(&tenant))
                    .filter(subscriptions::event_type.eq_any(types))
                    .select(subscriptions::run_id)
                    .distinct()
                    .load(connection)?;
                let names: Vec<(String, String)> = schedule_events::table
                    .filter(schedule_events::tenant.eq(&tenant))
                    .filter(schedule_events::event_type.eq_any(types))
                    .select((schedule_events::namespace, schedule_events::name))
                    .distinct()
                    .load(connection)?;
                let mut found = Vec::with_capacity(names.len());
                for (namespace, name) in names {
                    let row = schedules::table.find((&tenant, namespace, name));
                    found.extend(row.first(connection).optional()?);
                }
                Ok(Listeners { runs, schedules: found })
            })
            .await
    }
}
