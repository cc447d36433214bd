//! The commit of moves that only append to the journal, as those in the middle of a workflow do, on PostgreSQL: fence and
//! append are one statement and so one round trip, where a transaction takes four.

use std::collections::BTreeMap;

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Integer, Text};
use orrery_store::{AnyConnection, StoreError};

use super::commit::{Committed, Entry, Move};

/// The moves of a batch, if all of them only append.
pub fn only_appends(batch: &[Entry]) -> Option<Vec<&Move>> {
    let plain = |entry: &'_ Entry| matches!(entry, Entry::Move(it) if it.only_appends());
    let moves = batch.iter().filter_map(|entry| match entry {
        Entry::Move(it) => Some(&**it),
        _ => None,
    });
    batch.iter().all(plain).then(|| moves.collect())
}

/// Writes them; the statement is a transaction of its own.
pub fn commit(connection: &mut AnyConnection, moves: &[&Move]) -> Result<Vec<Committed>, StoreError> {
    let AnyConnection::Postgres(postgres) = connection else { return Ok(Vec::new()) };
    let mut append = FencedAppend::default();
    // Two epochs of one partition cannot both be the present one; the statement finds out which, if any.
    let fences: BTreeMap<(i32, i64), ()> = moves.iter().map(|it| (it.fence(), ())).collect();
    (append.partitions, append.epochs) = fences.into_keys().unzip();
    for it in moves {
        let ((partition, epoch), row) = (it.fence(), it.row());
        append.of.push(partition);
        append.under.push(epoch);
        append.runs.push(&row.run_id);
        append.seqs.push(row.seq);
        append.events.push(&row.events);
        append.times.push(row.at_ms);
    }
    let owned: Vec<(i32, i64)> = append.load(postgres)?;
    let outcome = |it: &&Move| if owned.contains(&it.fence()) { Committed::Done } else { Committed::Fenced };
    Ok(moves.iter().map(outcome).collect())
}

/// Gives the partitions and epochs that hold.
#[derive(Debug, Default)]
struct FencedAppend<'a> {
    partitions: Vec<i32>,
    epochs: Vec<i64>,
    of: Vec<i32>,
    under: Vec<i64>,
    runs: Vec<&'a str>,
    seqs: Vec<i64>,
    events: Vec<&'a str>,
    times: Vec<i64>,
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
        out.push_sql("written AS (INSERT INTO journal (run_id, seq, events, at_ms) ");
        out.push_sql("SELECT r.run_id, r.seq, r.events, r.at_ms FROM unnest(");
        out.push_bind_param::<Array<Integer>, _>(&self.of)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.under)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seqs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.times)?;
        out.push_sql(") AS r (partition, epoch, run_id, seq, events, at_ms) ");
        out.push_sql("JOIN owned o ON o.id = r.partition AND o.epoch = r.epoch) SELECT id, epoch FROM owned");
        Ok(())
    }
}
