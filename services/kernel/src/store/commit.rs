//! The batch transaction: the moves of many runs, each with its events, rows and outbox messages, synced once.
//!
//! K-9: a move is written only while its partition's epoch is the writer's. A stale partition drops its own moves and
//! nobody else's.

use std::collections::HashMap;

use diesel::prelude::*;
use orrery_store::outbox::{self, Message};
use orrery_store::{AnyConnection, StoreError};

use super::changes::{self, Change};
use super::rows::{JournalRow, RunRow};
use super::schema::{inbox, journal, partitions, runs};
use crate::domain::event::{Event, own};
use crate::domain::state::State;

/// Rows in one insert; SQLite allows 32,766 bound values.
const ROWS_PER_INSERT: usize = 1_000;

/// One move of one run.
#[derive(Debug, Clone)]
pub struct Move {
    partition: i32,
    epoch: i64,
    is_first: bool,
    run: RunRow,
    journal: Vec<JournalRow>,
    changes: Vec<Change>,
    outbox: Vec<Message>,
    key: Option<StartKey>,
}

/// The key under which a task was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartKey {
    /// As the caller gave it.
    pub key: String,
    /// Of everything that makes the request what it is.
    pub request_digest: String,
}

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Done,
    /// The key has been used before, for this run and this request.
    Duplicate {
        /// The run that the key started.
        run: String,
        /// The digest of the request that did.
        request_digest: String,
    },
    /// Another process owns the partition.
    Fenced,
}

impl Move {
    /// A move as rows. `state` is the state after it.
    pub fn new(
        state: &State,
        events: &[Event],
        epoch: i64,
        outbox: Vec<Message>,
        key: Option<StartKey>,
    ) -> Result<Self, serde_json::Error> {
        let run = RunRow::of(state);
        let first_seq = state.seq + 1 - events.len() as u64;
        let rows = events.iter().zip(first_seq..).map(|(event, seq)| JournalRow::of(&run.id, seq, event));
        let changes = own(events).iter().flat_map(|event| changes::of(state, event)).collect();
        Ok(Self {
            partition: run.partition,
            epoch,
            is_first: first_seq == 1,
            journal: rows.collect::<Result<_, _>>()?,
            run,
            changes,
            outbox,
            key,
        })
    }
}

/// Writes a batch. The caller wraps it in one transaction.
pub fn commit(connection: &mut AnyConnection, moves: &[Move]) -> Result<Vec<Committed>, StoreError> {
    let mut owned = HashMap::new();
    for it in moves {
        if let std::collections::hash_map::Entry::Vacant(entry) = owned.entry((it.partition, it.epoch)) {
            // The update takes the row's lock, so that a new owner waits for this batch or this batch sees its epoch.
            let fence =
                partitions::table.filter(partitions::id.eq(it.partition)).filter(partitions::epoch.eq(it.epoch));
            let held = diesel::update(fence).set(partitions::epoch.eq(it.epoch)).execute(connection)? == 1;
            entry.insert(held);
        }
    }
    let mut outcomes = Vec::with_capacity(moves.len());
    let mut written = Vec::new();
    for it in moves {
        if owned.get(&(it.partition, it.epoch)) != Some(&true) {
            outcomes.push(Committed::Fenced);
            continue;
        }
        if let Some(duplicate) = take_key(connection, it)? {
            outcomes.push(duplicate);
            continue;
        }
        write_run(connection, it)?;
        written.push(it);
        outcomes.push(Committed::Done);
    }
    let rows: Vec<&JournalRow> = written.iter().flat_map(|it| it.journal.iter()).collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        // SQLite takes several rows in one statement only through its own connection type.
        match connection {
            AnyConnection::Postgres(postgres) => {
                diesel::insert_into(journal::table).values(chunk.to_vec()).execute(postgres)?
            }
            AnyConnection::Sqlite(sqlite) => {
                diesel::insert_into(journal::table).values(chunk.to_vec()).execute(sqlite)?
            }
        };
    }
    for it in written {
        for change in &it.changes {
            change.write(connection)?;
        }
        outbox::insert(connection, &it.outbox)?;
    }
    Ok(outcomes)
}

fn take_key(connection: &mut AnyConnection, it: &Move) -> Result<Option<Committed>, StoreError> {
    let Some(key) = &it.key else { return Ok(None) };
    let seen: Option<(String, String)> = inbox::table
        .filter(inbox::tenant.eq(&it.run.tenant))
        .filter(inbox::key.eq(&key.key))
        .select((inbox::run_id, inbox::request_digest))
        .first(connection)
        .optional()?;
    if let Some((run, request_digest)) = seen {
        return Ok(Some(Committed::Duplicate { run, request_digest }));
    }
    diesel::insert_into(inbox::table)
        .values((
            inbox::tenant.eq(&it.run.tenant),
            inbox::key.eq(&key.key),
            inbox::request_digest.eq(&key.request_digest),
            inbox::run_id.eq(&it.run.id),
        ))
        .execute(connection)?;
    Ok(None)
}

fn write_run(connection: &mut AnyConnection, it: &Move) -> Result<(), StoreError> {
    if it.is_first {
        diesel::insert_into(runs::table).values(&it.run).execute(connection)?;
    } else {
        let row = &it.run;
        diesel::update(runs::table.find(&row.id))
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
            .execute(connection)?;
    }
    Ok(())
}
