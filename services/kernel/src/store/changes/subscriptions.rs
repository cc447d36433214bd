//! Who listens to what, as rows: a run that waits for an event is found by them, wherever it is.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use crate::domain::event::{Event, Fact};
use crate::domain::state::{Activity, State};
use crate::store::rows::signed;
use crate::store::schema::subscriptions;

/// What becomes of a listener's rows.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the fields are columns
pub enum SubscriptionChange {
    Opened { run: String, frame: i64, tenant: String, types: Vec<String> },
    Closed { run: String, frame: i64 },
}

/// The change that an event makes.
pub(super) fn of(state: &State, event: &Event) -> Option<SubscriptionChange> {
    let run = state.run.id.to_string();
    match &event.fact {
        Fact::StepStarted { frame, .. } => match &frame.activity {
            Activity::Listen { types, .. } => {
                let types = if types.is_empty() { vec![String::new()] } else { types.clone() };
                let tenant = state.run.tenant.to_string();
                Some(SubscriptionChange::Opened { run, frame: signed(frame.id), tenant, types })
            }
            _ => None,
        },
        Fact::ListeningEnded { step, .. } => Some(SubscriptionChange::Closed { run, frame: signed(*step) }),
        _ => None,
    }
}

/// Makes it.
pub(super) fn write(connection: &mut AnyConnection, change: &SubscriptionChange) -> Result<(), StoreError> {
    match change {
        SubscriptionChange::Opened { run, frame, tenant, types } => {
            for kind in types {
                diesel::insert_into(subscriptions::table)
                    .values((
                        subscriptions::run_id.eq(run),
                        subscriptions::frame.eq(frame),
                        subscriptions::event_type.eq(kind),
                        subscriptions::tenant.eq(tenant),
                    ))
                    .execute(connection)?;
            }
        }
        SubscriptionChange::Closed { run, frame } => {
            let rows = subscriptions::table.filter(subscriptions::run_id.eq(run));
            diesel::delete(rows.filter(subscriptions::frame.eq(frame))).execute(connection)?;
        }
    }
    Ok(())
}
