//! Steps for workers outside, as rows: what a lease chooses from, and where heartbeats leave their details.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};
use orrery_types::UnixMillis;

use crate::domain::definition::{Function, Target};
use crate::domain::event::{Event, Fact};
use crate::domain::state::{Activity, State};
use crate::domain::work::{self, Work};
use crate::store::rows::signed;
use crate::store::schema::work as table;

/// The words in which the status of a step is stored.
pub mod work_status {
    /// Waits for a worker.
    pub const QUEUED: &str = "queued";
    /// A worker is at it.
    pub const STARTED: &str = "started";
    /// An attempt failed and another follows.
    pub const BACKOFF: &str = "backoff";
    /// Over with a result.
    pub const COMPLETED: &str = "completed";
    /// Over without one.
    pub const FAILED: &str = "failed";
    /// No longer wanted.
    pub const WITHDRAWN: &str = "withdrawn";
}

/// A step for workers.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = table)]
#[allow(missing_docs)] // the columns are those of the step
pub struct WorkRow {
    pub key: String,
    pub tenant: String,
    pub run_id: String,
    pub queue: String,
    pub status: String,
    /// What a lease goes by: since when it is queued, less what its priority is worth.
    pub turn_ms: i64,
    pub priority: i64,
    pub attempt: i64,
    /// Of the last attempt that was started.
    pub token: String,
    /// How often a sign of life is due; 0: never.
    pub heartbeat_ms: i64,
    /// The last one that the run knows of.
    pub beat_ms: i64,
    pub details: String,
}

/// What becomes of such a row.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the fields are columns
pub enum WorkChange {
    Scheduled(Box<WorkRow>),
    Queued { key: String, attempt: i64, turn: i64 },
    Started { key: String, token: String, at: i64 },
    Beat { key: String, at: i64 },
    Ended { key: String, status: &'static str },
}

fn turn(priority: u32, since: UnixMillis) -> i64 {
    let head_start = i64::from(priority).saturating_mul(i64::try_from(work::AGEING.as_millis()).unwrap_or(0));
    signed(since.0).saturating_sub(head_start)
}

/// The change that an event makes.
pub(super) fn of(state: &State, event: &Event) -> Option<WorkChange> {
    let run = &state.run;
    Some(match &event.fact {
        Fact::StepStarted { frame, .. } => {
            let Activity::Work { work } = &frame.activity else { return None };
            WorkChange::Scheduled(Box::new(row(state, work, event.at)))
        }
        Fact::WorkQueued { key, attempt, .. } => {
            let turn = turn(priority(state, key), event.at);
            WorkChange::Queued { key: key.clone(), attempt: i64::from(*attempt), turn }
        }
        Fact::WorkStarted { key, attempt, .. } => {
            let token = work::token(run.seed, key, *attempt);
            WorkChange::Started { key: key.clone(), token, at: signed(event.at.0) }
        }
        Fact::WorkHeartbeat { key, .. } => WorkChange::Beat { key: key.clone(), at: signed(event.at.0) },
        Fact::WorkFailed { key, retry_at, .. } => {
            let status = if retry_at.is_some() { work_status::BACKOFF } else { work_status::FAILED };
            WorkChange::Ended { key: key.clone(), status }
        }
        Fact::WorkWithdrawn { key, .. } => WorkChange::Ended { key: key.clone(), status: work_status::WITHDRAWN },
        Fact::StepCompleted { pointer, iteration, call: Some(call), .. }
            if call.function == Target::Platform(Function::Work) =>
        {
            let key = format!("{}{pointer}/{iteration}/{}", run.id, call.attempt);
            WorkChange::Ended { key, status: work_status::COMPLETED }
        }
        _ => return None,
    })
}

fn row(state: &State, work: &Work, at: UnixMillis) -> WorkRow {
    WorkRow {
        key: work.key.clone(),
        tenant: state.run.tenant.to_string(),
        run_id: state.run.id.to_string(),
        queue: work.queue.clone(),
        status: work_status::QUEUED.to_owned(),
        turn_ms: turn(work.priority, at),
        priority: i64::from(work.priority),
        attempt: i64::from(work.attempt),
        token: String::new(),
        heartbeat_ms: work.timeouts.heartbeat_ms.map_or(0, signed),
        beat_ms: 0,
        details: String::new(),
    }
}

/// Of a step that is under way; another event of the same move may have ended it, and then it matters no more.
fn priority(state: &State, key: &str) -> u32 {
    let found = state.frames.values().find_map(|frame| match &frame.activity {
        Activity::Work { work } if work.key == key => Some(work.priority),
        _ => None,
    });
    found.unwrap_or(0)
}

/// Makes it.
pub(super) fn write(connection: &mut AnyConnection, change: &WorkChange) -> Result<(), StoreError> {
    match change {
        WorkChange::Scheduled(row) => {
            diesel::insert_into(table::table).values(&**row).execute(connection)?;
        }
        WorkChange::Queued { key, attempt, turn } => {
            diesel::update(table::table.find(key))
                .set((table::status.eq(work_status::QUEUED), table::attempt.eq(attempt), table::turn_ms.eq(turn)))
                .execute(connection)?;
        }
        WorkChange::Started { key, token, at } => {
            diesel::update(table::table.find(key))
                .set((table::status.eq(work_status::STARTED), table::token.eq(token), table::beat_ms.eq(at)))
                .execute(connection)?;
        }
        WorkChange::Beat { key, at } => {
            diesel::update(table::table.find(key)).set(table::beat_ms.eq(at)).execute(connection)?;
        }
        // What heartbeats left is for a further attempt, and there is none.
        WorkChange::Ended { key, status } if *status != work_status::BACKOFF => {
            diesel::update(table::table.find(key))
                .set((table::status.eq(status), table::details.eq("")))
                .execute(connection)?;
        }
        WorkChange::Ended { key, status } => {
            diesel::update(table::table.find(key)).set(table::status.eq(status)).execute(connection)?;
        }
    }
    Ok(())
}
