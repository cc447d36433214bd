//! Who listens to an event.

use std::collections::BTreeSet;

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
    /// Which of these tenants and types of event anybody listens to; an empty type stands for any.
    pub async fn listened(&self, of: BTreeSet<(String, String)>) -> Result<BTreeSet<(String, String)>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let (tenants, mut types): (Vec<_>, Vec<_>) = of.into_iter().unzip();
                types.push(String::new());
                let runs: Vec<(String, String)> = subscriptions::table
                    .filter(subscriptions::tenant.eq_any(&tenants))
                    .filter(subscriptions::event_type.eq_any(&types))
                    .select((subscriptions::tenant, subscriptions::event_type))
                    .distinct()
                    .load(connection)?;
                let starts: Vec<(String, String)> = schedule_events::table
                    .filter(schedule_events::tenant.eq_any(&tenants))
                    .filter(schedule_events::event_type.eq_any(&types))
                    .select((schedule_events::tenant, schedule_events::event_type))
                    .distinct()
                    .load(connection)?;
                Ok(runs.into_iter().chain(starts).collect())
            })
            .await
    }

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
