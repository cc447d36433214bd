//! Runs that wait for their turn, as rows.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use crate::domain::event::{Event, Fact};
use crate::domain::state::State;
use crate::store::partition_of;
use crate::store::rows::signed;
use crate::store::schema::pending;

/// A run that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = pending)]
#[allow(missing_docs)] // the columns are what it waits with
pub struct PendingRow {
    pub run_id: String,
    pub tenant: String,
    pub partition: i32,
    pub workflow: String,
    pub priority: i64,
    pub since_ms: i64,
}

/// What becomes of such a row.
#[derive(Debug, Clone)]
pub enum PendingChange {
    /// The run waits.
    Accepted(Box<PendingRow>),
    /// It waits no more: it starts, or ends without having started.
    Gone(String),
}

impl PendingChange {
    /// The run that waits no more.
    pub fn gone(&self) -> Option<&str> {
        match self {
            Self::Gone(run) => Some(run),
            Self::Accepted(_) => None,
        }
    }
}

/// The change that an event makes. A run that starts at once has no row and costs nothing here.
pub(super) fn of(state: &State, event: &Event) -> Option<PendingChange> {
    let run = &state.run;
    match &event.fact {
        Fact::Accepted { .. } => Some(PendingChange::Accepted(Box::new(PendingRow {
            run_id: run.id.to_string(),
            tenant: run.tenant.to_string(),
            partition: partition_of(&run.tenant, &run.id),
            workflow: run.workflow.1.clone(),
            priority: i64::from(run.priority),
            since_ms: signed(event.at.0),
        }))),
        Fact::Started { .. } | Fact::Restarted { .. } | Fact::Cancelled { .. } | Fact::Faulted { .. }
            if state.accepted_at.is_some() =>
        {
            Some(PendingChange::Gone(run.id.to_string()))
        }
        _ => None,
    }
}

/// Makes it.
pub(super) fn write(connection: &mut AnyConnection, change: &PendingChange) -> Result<(), StoreError> {
    match change {
        PendingChange::Accepted(row) => {
            diesel::insert_into(pending::table).values(&**row).execute(connection)?;
        }
        PendingChange::Gone(run) => {
            diesel::delete(pending::table.find(run)).execute(connection)?;
        }
    }
    Ok(())
}
