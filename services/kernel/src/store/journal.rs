//! The journal: one row for each move, holding its events in order. The truth about every run.
//!
//! K-3: a row has the number of its first event, so of two moves that follow the same state only one can be written,
//! whatever happened to the commit of the other.

use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use orrery_store::columns::{Arguments, Columns, Insert};
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::rows::JournalRow;
use super::schema::journal;
use crate::domain::event::Event;

/// Appends rows inside the caller's transaction. A row whose place is taken fails it.
pub fn append<'a>(
    connection: &mut AnyConnection,
    rows: impl Iterator<Item = &'a JournalRow>,
) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(postgres) => {
            let columns = JournalColumns::of(rows);
            if !columns.runs.is_empty() {
                Insert(columns).execute(postgres)?;
            }
        }
        AnyConnection::Sqlite(sqlite) => {
            for row in rows {
                diesel::insert_into(journal::table).values(row).execute(sqlite)?;
            }
        }
    }
    Ok(())
}

/// Rows of the journal by column.
#[derive(Debug, Default)]
pub(super) struct JournalColumns<'a> {
    runs: Vec<&'a str>,
    seqs: Vec<i64>,
    events: Vec<&'a str>,
    times: Vec<i64>,
}

impl<'a> JournalColumns<'a> {
    pub(super) fn of(rows: impl Iterator<Item = &'a JournalRow>) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.runs.push(&row.run_id);
            columns.seqs.push(row.seq);
            columns.events.push(&row.events);
            columns.times.push(row.at_ms);
        }
        columns
    }
}

impl Columns for JournalColumns<'_> {
    const TABLE: &'static str = "journal";
    const NAMES: &'static str = "run_id, seq, events, at_ms";

    fn bind<'b>(&'b self, arguments: &mut Arguments<'_, 'b>) -> QueryResult<()> {
        arguments.column::<Text, _>(&self.runs)?;
        arguments.column::<BigInt, _>(&self.seqs)?;
        arguments.column::<Text, _>(&self.events)?;
        arguments.column::<BigInt, _>(&self.times)
    }
}

impl KernelStore {
    /// Rows of a run that hold events after a sequence number. A row's own number is that of its first event, so the first
    /// row may begin before it.
    pub async fn journal(&self, run: String, after: i64, limit: i64) -> Result<Vec<JournalRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = journal::table.filter(journal::run_id.eq(run));
                let before: Option<i64> =
                    rows.clone().filter(journal::seq.le(after)).select(max(journal::seq)).first(connection)?;
                let rows = rows.filter(journal::seq.ge(before.unwrap_or(0)));
                Ok(rows.order(journal::seq).limit(limit).load(connection)?)
            })
            .await
    }
}

/// The events of a row. Before there were lists, a row held one event.
pub fn decode(events: &str) -> Result<Vec<Event>, serde_json::Error> {
    match events.trim_start().starts_with('[') {
        true => serde_json::from_str(events),
        false => Ok(vec![serde_json::from_str(events)?]),
    }
}
