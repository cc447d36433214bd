//! Rows, and how a run becomes rows.

use diesel::prelude::*;
use orrery_types::UnixMillis;
use serde_json::json;

use super::partition_of;
use super::schema::{definitions, errands, journal, runs, schedules, snapshots};
use crate::domain::effect::Effect;
use crate::domain::event::Event;
use crate::domain::state::{State, Status};

/// A deployed definition.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = definitions)]
#[allow(missing_docs)] // the columns are those of the definition
pub struct DefinitionRow {
    pub tenant: String,
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub hash: String,
    pub title: String,
    pub source: String,
    pub deployed_ms: i64,
}

/// A run as others see it; its truth is the journal.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, AsChangeset, Selectable)]
#[diesel(table_name = runs, treat_none_as_null = true)]
#[allow(missing_docs)]
pub struct RunRow {
    pub id: String,
    pub tenant: String,
    pub partition: i32,
    pub workflow: String,
    pub version: String,
    pub definition_hash: String,
    pub status: String,
    pub submitted_by: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub finished_ms: i64,
    pub seq: i64,
    pub wake_ms: Option<i64>,
    pub active: String,
    pub input: String,
    pub attachments: String,
    pub output: String,
    pub error: String,
}

/// The words in which a run's status is stored.
pub mod status {
    /// Taken in; waits for its turn to start.
    pub const PENDING: &str = "pending";
    /// A step is under way.
    pub const RUNNING: &str = "running";
    /// Only people or time can move it.
    pub const WAITING: &str = "waiting";
    /// Over with an output.
    pub const COMPLETED: &str = "completed";
    /// Over with an error.
    pub const FAULTED: &str = "faulted";
    /// Cancelled.
    pub const CANCELLED: &str = "cancelled";
    /// Ended at once.
    pub const TERMINATED: &str = "terminated";
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl RunRow {
    /// The word for how a run stands.
    pub fn status_of(state: &State) -> &'static str {
        match &state.status {
            Status::Pending => status::PENDING,
            Status::Running if state.is_waiting() => status::WAITING,
            Status::Running => status::RUNNING,
            Status::Completed(_) => status::COMPLETED,
            Status::Faulted(_) => status::FAULTED,
            Status::Cancelled => status::CANCELLED,
            Status::Terminated => status::TERMINATED,
        }
    }

    /// The row of a run.
    pub fn of(state: &State) -> Self {
        let run = &state.run;
        let (output, error) = match &state.status {
            Status::Pending | Status::Running | Status::Cancelled | Status::Terminated => {
                (String::new(), String::new())
            }
            Status::Completed(output) => (output.to_string(), String::new()),
            Status::Faulted(error) => (String::new(), error.to_value().to_string()),
        };
        Self {
            id: run.id.to_string(),
            tenant: run.tenant.to_string(),
            partition: partition_of(&run.tenant, &run.id),
            workflow: run.workflow.1.clone(),
            version: run.workflow.2.clone(),
            definition_hash: run.definition.to_string(),
            status: Self::status_of(state).to_owned(),
            submitted_by: run.submitted_by.clone(),
            created_ms: signed(state.accepted_at.unwrap_or(state.started_at).0),
            updated_ms: signed(state.updated_at.0),
            finished_ms: if state.is_over() { signed(state.updated_at.0) } else { 0 },
            seq: signed(state.seq),
            wake_ms: state.wake_at().map(|at| signed(at.0)),
            active: json!(state.active()).to_string(),
            input: run.input.to_string(),
            attachments: json!(run.attachments).to_string(),
            output,
            error,
        }
    }
}

/// The events of one move.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = journal)]
#[allow(missing_docs)]
pub struct JournalRow {
    pub run_id: String,
    /// Of the first event.
    pub seq: i64,
    /// A list in JSON, or a reference to it.
    pub events: String,
    pub at_ms: i64,
}

impl JournalRow {
    /// The row of a move's events, which follow those up to the number `after`.
    pub fn of(run: &str, after: u64, events: &[Event]) -> Result<Self, serde_json::Error> {
        Ok(Self {
            run_id: run.to_owned(),
            seq: signed(after + 1),
            events: serde_json::to_string(events)?,
            at_ms: events.last().map_or(0, |event| signed(event.at.0)),
        })
    }
}

/// A run's whole state.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = snapshots)]
#[allow(missing_docs)]
pub struct SnapshotRow {
    pub run_id: String,
    pub seq: i64,
    /// In JSON, or a reference to it.
    pub state: String,
}

impl SnapshotRow {
    /// The row of a state.
    pub fn of(state: &State) -> Result<Self, serde_json::Error> {
        Ok(Self { run_id: state.run.id.to_string(), seq: signed(state.seq), state: serde_json::to_string(state)? })
    }
}

/// What a run has to tell another.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = errands)]
#[allow(missing_docs)]
pub struct ErrandRow {
    pub id: String,
    pub partition: i32,
    pub run_id: String,
    pub tenant: String,
    /// The effect, in JSON.
    pub errand: String,
}

impl ErrandRow {
    /// The errands among the effects of the move that led to `state`.
    pub fn all(state: &State, effects: &[Effect]) -> Result<Vec<Self>, serde_json::Error> {
        let row = |(index, effect): (usize, &Effect)| {
            Ok(Self {
                id: Self::id(state, index),
                partition: partition_of(&state.run.tenant, &state.run.id),
                run_id: state.run.id.to_string(),
                tenant: state.run.tenant.to_string(),
                errand: serde_json::to_string(effect)?,
            })
        };
        effects.iter().enumerate().filter(|(_, effect)| effect.is_errand()).map(row).collect()
    }

    /// The id of the errand that is the effect at this place of the move that led to `state`.
    pub fn id(state: &State, index: usize) -> String {
        format!("{}/{}/{index}", state.run.id, state.seq)
    }
}

/// When a workflow starts by itself.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = schedules)]
#[allow(missing_docs)]
pub struct ScheduleRow {
    pub tenant: String,
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub definition_hash: String,
    pub partition: i32,
    pub submitted_by: String,
    pub roles: String,
    pub deployed_ms: i64,
    pub next_ms: Option<i64>,
    pub running: String,
    pub gathered: String,
}

impl ScheduleRow {
    /// When it fires next.
    pub fn due_at(&self) -> Option<UnixMillis> {
        self.next_ms.map(|at| UnixMillis(u64::try_from(at).unwrap_or(0)))
    }

    /// When it began.
    pub fn deployed_at(&self) -> UnixMillis {
        UnixMillis(u64::try_from(self.deployed_ms).unwrap_or(0))
    }
}
