//! Rows, and how a run becomes rows.

use diesel::prelude::*;
use serde_json::json;

use super::partition_of;
use super::schema::{definitions, journal, runs};
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
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl RunRow {
    /// The row of a run.
    pub fn of(state: &State) -> Self {
        let run = &state.run;
        let (status, output, error) = match &state.status {
            Status::Running if state.is_waiting() => (status::WAITING, String::new(), String::new()),
            Status::Running => (status::RUNNING, String::new(), String::new()),
            Status::Completed(output) => (status::COMPLETED, output.to_string(), String::new()),
            Status::Faulted(error) => (status::FAULTED, String::new(), error.to_value().to_string()),
            Status::Cancelled => (status::CANCELLED, String::new(), String::new()),
        };
        Self {
            id: run.id.to_string(),
            tenant: run.tenant.to_string(),
            partition: partition_of(&run.tenant, &run.id),
            workflow: run.workflow.1.clone(),
            version: run.workflow.2.clone(),
            definition_hash: run.definition.to_string(),
            status: status.to_owned(),
            submitted_by: run.submitted_by.clone(),
            created_ms: signed(state.started_at.0),
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

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = journal)]
#[allow(missing_docs)]
pub struct JournalRow {
    pub run_id: String,
    pub seq: i64,
    pub kind: String,
    pub pointer: String,
    pub event: String,
    pub at_ms: i64,
}

impl JournalRow {
    /// The row of an event.
    pub fn of(run: &str, seq: u64, event: &Event) -> Result<Self, serde_json::Error> {
        Ok(Self {
            run_id: run.to_owned(),
            seq: signed(seq),
            kind: event.fact.kind().to_owned(),
            pointer: event.fact.pointer().to_owned(),
            event: serde_json::to_string(event)?,
            at_ms: signed(event.at.0),
        })
    }
}
