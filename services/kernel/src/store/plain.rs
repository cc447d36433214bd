//! The commit of moves that only append to the journal, as those in the middle of a workflow do, on PostgreSQL: fence and
//! append are one statement and so one round trip, where a transaction takes four.

use std::collections::BTreeSet;

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Integer};
use orrery_store::{AnyConnection, StoreError};

use super::commit::{Committed, Entry, Move, commit};
use super::journal::Columns;

/// Whether all that a batch holds is moves that only append.
pub fn only_appends(batch: &[Entry]) -> bool {
    batch.iter().all(|entry| matches!(entry, Entry::Move(it) if it.only_appends()))
}

/// Writes such a batch; the statement is a transaction of its own.
pub fn append(connection: &mut AnyConnection, batch: &[Entry]) -> Result<Vec<Committed>, StoreError> {
    let AnyConnection::Postgres(postgres) = connection else { return commit(connection, batch) };
    let moves: Vec<&Move> = batch.iter().filter_map(Entry::as_move).collect();
    // Two epochs of one partition cannot both be the present one; the statement finds out which, if any.
    let fences: BTreeSet<(i32, i64)> = moves.iter().map(|it| it.fence()).collect();
    let (partitions, epochs) = fences.into_iter().unzip();
    let (of, under) = moves.iter().map(|it| it.fence()).unzip();
    let rows = Columns::of(moves.iter().map(|it| it.row()));
    let owned: Vec<(i32, i64)> = FencedAppend { partitions, epochs, of, under, rows }.load(postgres)?;
    let outcome = |it: &Move| if owned.contains(&it.fence()) { Committed::Done } else { Committed::Fenced };
    Ok(moves.into_iter().map(outcome).collect())
}

/// Gives the partitions and epochs that hold.
#[derive(Debug)]
struct FencedAppend<'a> {
    partitions: Vec<i32>,
    epochs: Vec<i64>,
    of: Vec<i32>,
    under: Vec<i64>,
    rows: Columns<'a>,
}

impl QueryId for FencedAppend<'_> {
    type QueryId = FencedAppend<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for FencedAppend<'_> {
    type SqlType = (Integer, BigInt);
}

impl RunQueryDsl<PgConnection> for FencedAppend<'_> {}

impl QueryFragment<Pg> for FencedAppend<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The rows are locked as they are read, so that a new owner waits for this statement or this statement sees its epoch.
        out.push_sql("WITH owned AS (SELECT p.id, p.epoch FROM partitions p JOIN unnest(");
        out.push_bind_param::<Array<Integer>, _>(&self.partitions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.epochs)?;
        out.push_sql(") AS f (id, epoch) ON p.id = f.id AND p.epoch = f.epoch FOR SHARE OF p), ");
        out.push_sql("written AS (INSERT INTO journal (");
        out.push_sql(Columns::NAMES);
        out.push_sql(") SELECT r.run_id, r.seq, r.events, r.at_ms FROM unnest(");
        out.push_bind_param::<Array<Integer>, _>(&self.of)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.under)?;
        out.push_sql(", ");
        self.rows.bind(&mut out)?;
        out.push_sql(") AS r (partition, epoch, ");
        out.push_sql(Columns::NAMES);
        out.push_sql(") ");
        out.push_sql("JOIN owned o ON o.id = r.partition AND o.epoch = r.epoch) SELECT id, epoch FROM owned");
        Ok(())
    }
}
