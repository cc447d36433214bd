//! The commit of moves that write nothing but the journal, their run's row and messages, as most do, on PostgreSQL: the
//! fence and all rows are one statement and so one round trip, where a transaction takes six. A run that has waited for its
//! turn is taken out of those that wait as well.

use std::collections::{BTreeMap, BTreeSet};

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Integer, Text};
use orrery_store::columns::{Arguments, Columns};
use orrery_store::outbox::MessageColumns;
use orrery_store::{AnyConnection, StoreError};

use super::commit::{Committed, Entry, Move, commit};
use super::journal::JournalColumns;
use super::rows::RunRow;
use super::views::RunColumns;

/// A partition, and the epoch under which it must be owned.
type Fence = (i32, i64);

/// Whether all that a batch holds is plain moves.
pub fn is_plain(batch: &[Entry]) -> bool {
    batch.iter().all(|entry| entry.as_move().is_some_and(Move::is_plain))
}

/// Writes such a batch; the statement is a transaction of its own.
pub fn write(connection: &mut AnyConnection, batch: &[Entry]) -> Result<Vec<Committed>, StoreError> {
    let AnyConnection::Postgres(postgres) = connection else { return commit(connection, batch) };
    let moves: Vec<&Move> = batch.iter().filter_map(Entry::as_move).collect();
    let owned: Vec<Fence> = PlainCommit::of(&moves).load(postgres)?;
    let outcome = |it: &Move| if owned.contains(&it.fence()) { Committed::Done } else { Committed::Fenced };
    Ok(moves.into_iter().map(outcome).collect())
}

/// Gives the partitions and epochs that hold.
#[derive(Debug)]
struct PlainCommit<'a> {
    /// Two epochs of one partition cannot both be the present one; the statement finds out which, if any.
    fences: FenceColumns,
    journal: Fenced<JournalColumns<'a>>,
    runs: Fenced<RunColumns<'a>>,
    outbox: Fenced<MessageColumns<'a>>,
    /// Runs that have their turn.
    begun: Fenced<Vec<&'a str>>,
}

impl<'a> PlainCommit<'a> {
    fn of(moves: &[&'a Move]) -> Self {
        // PostgreSQL updates a row once in a statement; a run has one move under way, so this drops nothing.
        let rows: BTreeMap<&str, (Fence, &RunRow)> =
            moves.iter().filter_map(|it| it.run_row().map(|row| (row.id.as_str(), (it.fence(), row)))).collect();
        let messages = moves.iter().flat_map(|it| it.messages().iter().map(|message| (it.fence(), message)));
        let (message_fences, messages): (Vec<Fence>, Vec<_>) = messages.unzip();
        let begun = moves.iter().filter_map(|it| Some((it.fence(), it.begun()?)));
        let (begun_fences, begun): (Vec<Fence>, Vec<_>) = begun.unzip();
        let fences: BTreeSet<Fence> = moves.iter().map(|it| it.fence()).collect();
        Self {
            fences: FenceColumns::of(fences),
            journal: Fenced {
                under: FenceColumns::of(moves.iter().map(|it| it.fence())),
                rows: JournalColumns::of(moves.iter().map(|it| it.row())),
            },
            runs: Fenced {
                under: FenceColumns::of(rows.values().map(|(fence, _)| *fence)),
                rows: RunColumns::of(rows.values().map(|(_, row)| *row)),
            },
            outbox: Fenced { under: FenceColumns::of(message_fences), rows: MessageColumns::of(&messages) },
            begun: Fenced { under: FenceColumns::of(begun_fences), rows: begun },
        }
    }
}

#[derive(Debug)]
struct FenceColumns {
    partitions: Vec<i32>,
    epochs: Vec<i64>,
}

impl FenceColumns {
    fn of(fences: impl IntoIterator<Item = Fence>) -> Self {
        let (partitions, epochs) = fences.into_iter().unzip();
        Self { partitions, epochs }
    }

    fn bind<'b>(&'b self, arguments: &mut Arguments<'_, 'b>) -> QueryResult<()> {
        arguments.column::<Integer, _>(&self.partitions)?;
        arguments.column::<BigInt, _>(&self.epochs)
    }
}

/// Rows, each with the fence that must hold for it to be written.
#[derive(Debug)]
struct Fenced<C> {
    under: FenceColumns,
    rows: C,
}

impl Fenced<Vec<&str>> {
    /// `name AS (DELETE …)`, of runs that wait for their turn.
    fn delete_pending<'b>(&'b self, name: &'static str, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for text in [", ", name, " AS (DELETE FROM pending USING unnest("] {
            out.push_sql(text);
        }
        let mut arguments = Arguments::new(out.reborrow());
        self.under.bind(&mut arguments)?;
        arguments.column::<Text, _>(&self.rows)?;
        out.push_sql(") AS row (of_partition, of_epoch, of_run) ");
        out.push_sql("JOIN owned ON owned_partition = of_partition AND owned_epoch = of_epoch WHERE run_id = of_run)");
        Ok(())
    }
}

impl<C: Columns> Fenced<C> {
    /// `name AS (INSERT …)`, in the order of the rows: the outbox is published in the order of its ids.
    fn insert<'b>(&'b self, name: &'static str, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for text in [", ", name, " AS (INSERT INTO ", C::TABLE, " (", C::NAMES, ") SELECT ", C::NAMES, " FROM unnest("]
        {
            out.push_sql(text);
        }
        let mut arguments = Arguments::new(out.reborrow());
        self.under.bind(&mut arguments)?;
        self.rows.bind(&mut arguments)?;
        for text in [") WITH ORDINALITY AS row (of_partition, of_epoch, ", C::NAMES, ", place) "] {
            out.push_sql(text);
        }
        out.push_sql("JOIN owned ON owned_partition = of_partition AND owned_epoch = of_epoch ORDER BY place ");
        out.push_sql(C::ON_CONFLICT);
        out.push_sql(")");
        Ok(())
    }
}

// Prepared by its text, which is always the same.
impl QueryId for PlainCommit<'_> {
    type QueryId = PlainCommit<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for PlainCommit<'_> {
    type SqlType = (Integer, BigInt);
}

impl RunQueryDsl<PgConnection> for PlainCommit<'_> {}

impl QueryFragment<Pg> for PlainCommit<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The rows are locked as they are read, so that a new owner waits for this statement or this statement sees its epoch.
        out.push_sql(
            "WITH owned AS (SELECT p.id AS owned_partition, p.epoch AS owned_epoch FROM partitions p JOIN unnest(",
        );
        self.fences.bind(&mut Arguments::new(out.reborrow()))?;
        out.push_sql(") AS f (id, epoch) ON p.id = f.id AND p.epoch = f.epoch FOR SHARE OF p)");
        self.journal.insert("written", &mut out)?;
        self.runs.insert("shown", &mut out)?;
        self.outbox.insert("told", &mut out)?;
        self.begun.delete_pending("begun", &mut out)?;
        out.push_sql(" SELECT owned_partition, owned_epoch FROM owned");
        Ok(())
    }
}
