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
            let mut insert = Append::default();
            for row in rows {
                insert.runs.push(&row.run_id);
                insert.seqs.push(row.seq);
                insert.events.push(&row.events);
                insert.times.push(row.at_ms);
            }
            if !insert.runs.is_empty() {
                insert.execute(postgres)?;
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

/// One statement for any number of rows, so that PostgreSQL plans it once: a list of values would be another statement
/// for each length.
#[derive(Debug, Default)]
struct Append<'a> {
    runs: Vec<&'a str>,
    seqs: Vec<i64>,
    events: Vec<&'a str>,
    times: Vec<i64>,
}

impl QueryId for Append<'_> {
    type QueryId = Append<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for Append<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO journal (run_id, seq, events, at_ms) SELECT * FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seqs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.times)?;
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
