//! The journal: one row for each move, holding its events in order. The truth about every run.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Text};
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
            let columns = Columns::of(rows);
            if !columns.runs.is_empty() {
                Append(columns).execute(postgres)?;
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

/// The columns of rows, each as one array.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    runs: Vec<&'a str>,
    seqs: Vec<i64>,
    events: Vec<&'a str>,
    times: Vec<i64>,
}

impl<'a> Columns<'a> {
    /// Their names, in the order in which they are bound.
    pub(super) const NAMES: &'static str = "run_id, seq, events, at_ms";

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

    /// Binds them, as arguments of `unnest`.
    pub(super) fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<Text>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seqs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.times)
    }
}

/// One statement for any number of rows, so that PostgreSQL plans it once: a list of values would be another statement
/// for each length.
#[derive(Debug)]
struct Append<'a>(Columns<'a>);

impl QueryId for Append<'_> {
    type QueryId = Append<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for Append<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO journal (");
        out.push_sql(Columns::NAMES);
        out.push_sql(") SELECT * FROM unnest(");
        self.0.bind(&mut out)?;
        out.push_sql(")");
        Ok(())
    }
}

impl RunQueryDsl<PgConnection> for Append<'_> {}

impl KernelStore {
    /// Rows of a run that hold events after a sequence number. A row's own number is that of its last event, so the first
    /// row may begin before.
    pub async fn journal(&self, run: String, after: i64, limit: i64) -> Result<Vec<JournalRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = journal::table.filter(journal::run_id.eq(run)).filter(journal::seq.gt(after));
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
