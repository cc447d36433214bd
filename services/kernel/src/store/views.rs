//! The rows that show the runs. Derived from the journal, and written with it.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use orrery_store::columns::{Arguments, Columns, Insert};
use orrery_store::{AnyConnection, StoreError};

use super::SNAPSHOT_EVENTS;
use super::rows::{RunRow, signed};
use super::schema::{runs, snapshots};

/// Writes rows, new or changed, inside the caller's transaction. An older one never replaces a newer one.
pub fn write(connection: &mut AnyConnection, rows: Vec<&RunRow>) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    // One run may stand in a batch twice; PostgreSQL takes it once.
    let mut newest: BTreeMap<&str, &RunRow> = BTreeMap::new();
    for row in rows {
        let known = newest.entry(row.id.as_str()).or_insert(row);
        if known.seq < row.seq {
            *known = row;
        }
    }
    let rows: Vec<&RunRow> = newest.into_values().collect();
    let over: Vec<&str> = rows.iter().filter(|row| may_have_snapshot(row)).map(|row| row.id.as_str()).collect();
    match connection {
        AnyConnection::Postgres(postgres) => {
            Insert(RunColumns::of(rows)).execute(postgres)?;
        }
        AnyConnection::Sqlite(sqlite) => {
            for row in &rows {
                if update(sqlite, row)? == 0 {
                    diesel::insert_into(runs::table).values(*row).on_conflict_do_nothing().execute(sqlite)?;
                }
            }
        }
    }
    if !over.is_empty() {
        diesel::delete(snapshots::table.filter(snapshots::run_id.eq_any(over))).execute(connection)?;
    }
    Ok(())
}

/// Whether a run is over and a snapshot of it may still be there.
pub(super) fn may_have_snapshot(row: &RunRow) -> bool {
    row.finished_ms > 0 && row.seq >= signed(SNAPSHOT_EVENTS)
}

fn update(sqlite: &mut diesel::SqliteConnection, row: &RunRow) -> QueryResult<usize> {
    diesel::update(runs::table.find(&row.id).filter(runs::seq.lt(row.seq)))
        .set((
            runs::status.eq(&row.status),
            runs::updated_ms.eq(row.updated_ms),
            runs::finished_ms.eq(row.finished_ms),
            runs::seq.eq(row.seq),
            runs::wake_ms.eq(row.wake_ms),
            runs::active.eq(&row.active),
            runs::output.eq(&row.output),
            runs::error.eq(&row.error),
        ))
        .execute(sqlite)
}

/// Rows of runs by column.
#[derive(Debug, Default)]
pub(super) struct RunColumns<'a> {
    id: Vec<&'a str>,
    tenant: Vec<&'a str>,
    partition: Vec<i32>,
    workflow: Vec<&'a str>,
    version: Vec<&'a str>,
    definition_hash: Vec<&'a str>,
    status: Vec<&'a str>,
    submitted_by: Vec<&'a str>,
    created_ms: Vec<i64>,
    updated_ms: Vec<i64>,
    finished_ms: Vec<i64>,
    seq: Vec<i64>,
    wake_ms: Vec<Option<i64>>,
    active: Vec<&'a str>,
    input: Vec<&'a str>,
    attachments: Vec<&'a str>,
    output: Vec<&'a str>,
    error: Vec<&'a str>,
}

impl<'a> RunColumns<'a> {
    /// Each run once.
    pub(super) fn of(rows: impl IntoIterator<Item = &'a RunRow>) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.id.push(&row.id);
            columns.tenant.push(&row.tenant);
            columns.partition.push(row.partition);
            columns.workflow.push(&row.workflow);
            columns.version.push(&row.version);
            columns.definition_hash.push(&row.definition_hash);
            columns.status.push(&row.status);
            columns.submitted_by.push(&row.submitted_by);
            columns.created_ms.push(row.created_ms);
            columns.updated_ms.push(row.updated_ms);
            columns.finished_ms.push(row.finished_ms);
            columns.seq.push(row.seq);
            columns.wake_ms.push(row.wake_ms);
            columns.active.push(&row.active);
            columns.input.push(&row.input);
            columns.attachments.push(&row.attachments);
            columns.output.push(&row.output);
            columns.error.push(&row.error);
        }
        columns
    }
}

impl Columns for RunColumns<'_> {
    const TABLE: &'static str = "runs";
    const NAMES: &'static str = "id, tenant, partition, workflow, version, definition_hash, status, submitted_by, \
        created_ms, updated_ms, finished_ms, seq, wake_ms, active, input, attachments, output, error";
    /// What never changes is not written again.
    const ON_CONFLICT: &'static str = "ON CONFLICT (id) DO UPDATE SET status = excluded.status, \
        updated_ms = excluded.updated_ms, finished_ms = excluded.finished_ms, seq = excluded.seq, \
        wake_ms = excluded.wake_ms, active = excluded.active, output = excluded.output, error = excluded.error \
        WHERE runs.seq < excluded.seq";

    fn bind<'b>(&'b self, arguments: &mut Arguments<'_, 'b>) -> QueryResult<()> {
        arguments.column::<Text, _>(&self.id)?;
        arguments.column::<Text, _>(&self.tenant)?;
        arguments.column::<Integer, _>(&self.partition)?;
        arguments.column::<Text, _>(&self.workflow)?;
        arguments.column::<Text, _>(&self.version)?;
        arguments.column::<Text, _>(&self.definition_hash)?;
        arguments.column::<Text, _>(&self.status)?;
        arguments.column::<Text, _>(&self.submitted_by)?;
        arguments.column::<BigInt, _>(&self.created_ms)?;
        arguments.column::<BigInt, _>(&self.updated_ms)?;
        arguments.column::<BigInt, _>(&self.finished_ms)?;
        arguments.column::<BigInt, _>(&self.seq)?;
        arguments.column::<Nullable<BigInt>, _>(&self.wake_ms)?;
        arguments.column::<Text, _>(&self.active)?;
        arguments.column::<Text, _>(&self.input)?;
        arguments.column::<Text, _>(&self.attachments)?;
        arguments.column::<Text, _>(&self.output)?;
        arguments.column::<Text, _>(&self.error)
    }
}
