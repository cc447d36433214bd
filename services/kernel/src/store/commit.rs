//! The batch transaction: the moves of many runs, each with its events, rows and outbox messages, synced once.
//!
//! K-9: a move is written only while its partition's epoch is the writer's. A stale partition drops its own moves and
//! nobody else's.

use std::collections::HashMap;

use diesel::prelude::*;
use orrery_store::outbox::{self, Message};
use orrery_store::{AnyConnection, StoreError};

use super::changes::{self, Change};
use super::rows::{ErrandRow, JournalRow, RunRow, SnapshotRow};
use super::schema::{errands, inbox, partitions, snapshots};
use super::{journal, partition_of, status, views};
use crate::domain::event::own;
use crate::domain::state::State;
use crate::domain::transition::Transition;

/// Events after which a run's state is kept whole, so that loading it replays at most this many.
pub const SNAPSHOT_EVENTS: u64 = 256;

/// One thing to write.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A move of a run.
    Move(Box<Move>),
    /// How a run stands that has moved without its row being written.
    View(Box<RunRow>),
    /// An errand was done.
    ErrandDone(String),
}

impl Entry {
    pub(super) fn as_move(&self) -> Option<&Move> {
        match self {
            Self::Move(it) => Some(it),
            Self::View(_) | Self::ErrandDone(_) => None,
        }
    }
}

/// One move of one run.
#[derive(Debug, Clone)]
pub struct Move {
    partition: i32,
    epoch: i64,
    run: RunChange,
    journal: JournalRow,
    snapshot: Option<SnapshotRow>,
    errands: Vec<ErrandRow>,
    changes: Vec<Change>,
    outbox: Vec<Message>,
    key: Option<StartKey>,
}

/// What becomes of the row that shows the run.
#[derive(Debug, Clone)]
enum RunChange {
    Insert(Box<RunRow>),
    Update(Box<RunRow>),
    /// It goes on as it went: the row may wait.
    None,
}

impl RunChange {
    fn row(&self) -> Option<&RunRow> {
        match self {
            Self::Insert(row) | Self::Update(row) => Some(row),
            Self::None => None,
        }
    }

    fn between(before: &State, after: &State) -> Self {
        if before.seq == 0 {
            return Self::Insert(Box::new(RunRow::of(after)));
        }
        let goes_on = |state: &State| RunRow::status_of(state) == status::RUNNING;
        match goes_on(before) && goes_on(after) && before.wake_at() == after.wake_at() {
            true => Self::None,
            false => Self::Update(Box::new(RunRow::of(after))),
        }
    }
}

/// The key under which a task was started.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StartKey {
    /// As the caller gave it.
    pub key: String,
    /// Of everything that makes the request what it is.
    pub request_digest: String,
}

/// What became of an entry.
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
    /// The journal holds a move at this place already, or the start's key is this run's: an earlier commit took effect
    /// although it was reported as failed.
    Stale,
}

impl Move {
    /// A move as rows.
    pub fn new(
        before: &State,
        moved: &Transition,
        epoch: i64,
        outbox: Vec<Message>,
        key: Option<StartKey>,
    ) -> Result<Self, serde_json::Error> {
        let after = &moved.state;
        let snapshot = (after.seq / SNAPSHOT_EVENTS > before.seq / SNAPSHOT_EVENTS && !after.is_over())
            .then(|| SnapshotRow::of(after))
            .transpose()?;
        Ok(Self {
            partition: partition_of(&after.run.tenant, &after.run.id),
            epoch,
            run: RunChange::between(before, after),
            journal: JournalRow::of(after.run.id.as_str(), before.seq, &moved.events)?,
            snapshot,
            errands: ErrandRow::all(after, &moved.effects)?,
            changes: changes::of_all(before, after, own(&moved.events)),
            outbox,
            key,
        })
    }

    /// Whether the run's row is left as it was.
    pub fn leaves_row(&self) -> bool {
        matches!(self.run, RunChange::None)
    }

    /// Whether it writes nothing but the journal, the run's row and messages, and at most takes it out of those that wait
    /// for their turn.
    pub(super) fn is_plain(&self) -> bool {
        self.snapshot.is_none()
            && self.errands.is_empty()
            && self.changes.iter().all(|change| change.has_turn().is_some())
            && self.key.is_none()
            && !self.run.row().is_some_and(views::may_have_snapshot)
    }

    /// The run, if it has its turn.
    pub(super) fn begun(&self) -> Option<&str> {
        self.changes.iter().find_map(Change::has_turn)
    }

    pub(super) fn run_row(&self) -> Option<&RunRow> {
        self.run.row()
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.outbox
    }

    /// The partition, and the epoch under which it must be owned.
    pub(super) fn fence(&self) -> (i32, i64) {
        (self.partition, self.epoch)
    }

    pub(super) fn row(&self) -> &JournalRow {
        &self.journal
    }

    /// The texts of any length, which may be replaced by references.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let row = match &mut self.run {
            RunChange::Insert(row) | RunChange::Update(row) => Some(&mut **row),
            RunChange::None => None,
        };
        let of_run = row.into_iter().flat_map(|row| [&mut row.input, &mut row.output]);
        let of_state = self.snapshot.iter_mut().map(|snapshot| &mut snapshot.state);
        let of_changes = self.changes.iter_mut().flat_map(Change::texts_mut);
        of_run.chain(of_state).chain(of_changes).chain([&mut self.journal.events])
    }
}

/// Writes a batch. The caller wraps it in one transaction.
pub fn commit(connection: &mut AnyConnection, batch: &[Entry]) -> Result<Vec<Committed>, StoreError> {
    let owned = fence(connection, batch)?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut written = Vec::new();
    for entry in batch {
        outcomes.push(match entry {
            Entry::Move(it) if owned.get(&it.partition) != Some(&it.epoch) => Committed::Fenced,
            Entry::Move(it) => match take_key(connection, it)? {
                Some(taken) => taken,
                None => {
                    written.push(&**it);
                    Committed::Done
                }
            },
            Entry::View(_) => Committed::Done,
            Entry::ErrandDone(id) => {
                diesel::delete(errands::table.find(id)).execute(connection)?;
                Committed::Done
            }
        });
    }
    let views = batch.iter().filter_map(|entry| match entry {
        Entry::View(row) => Some(&**row),
        _ => None,
    });
    views::write(connection, views.chain(written.iter().filter_map(|it| it.run.row())).collect())?;
    journal::append(connection, written.iter().map(|it| &it.journal))?;
    for it in &written {
        if let Some(snapshot) = &it.snapshot {
            diesel::delete(snapshots::table.find(&snapshot.run_id)).execute(connection)?;
            diesel::insert_into(snapshots::table).values(snapshot).execute(connection)?;
        }
        for errand in &it.errands {
            diesel::insert_into(errands::table).values(errand).execute(connection)?;
        }
        for change in &it.changes {
            change.write(connection)?;
        }
    }
    outbox::insert(connection, written.iter().flat_map(|it| &it.outbox))?;
    Ok(outcomes)
}

/// The epochs of the partitions of a batch. They cannot change before the transaction ends: PostgreSQL holds their rows,
/// SQLite the whole database.
fn fence(connection: &mut AnyConnection, batch: &[Entry]) -> Result<HashMap<i32, i64>, StoreError> {
    let mut ids: Vec<i32> = batch.iter().filter_map(|entry| Some(entry.as_move()?.partition)).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let columns = (partitions::id, partitions::epoch);
    let rows: Vec<(i32, i64)> = match connection {
        AnyConnection::Postgres(postgres) => {
            let rows = partitions::table.filter(partitions::id.eq_any(ids)).select(columns);
            rows.order(partitions::id).for_share().load(postgres)?
        }
        AnyConnection::Sqlite(sqlite) => partitions::table.select(columns).load(sqlite)?,
    };
    Ok(rows.into_iter().collect())
}

fn take_key(connection: &mut AnyConnection, it: &Move) -> Result<Option<Committed>, StoreError> {
    let (Some(key), RunChange::Insert(run)) = (&it.key, &it.run) else { return Ok(None) };
    let values = (
        inbox::tenant.eq(&run.tenant),
        inbox::key.eq(&key.key),
        inbox::request_digest.eq(&key.request_digest),
        inbox::run_id.eq(&run.id),
    );
    let insert = diesel::insert_into(inbox::table).values(values).on_conflict_do_nothing();
    let taken = match connection {
        AnyConnection::Postgres(postgres) => insert.execute(postgres)?,
        AnyConnection::Sqlite(sqlite) => insert.execute(sqlite)?,
    };
    if taken == 1 {
        return Ok(None);
    }
    let seen = inbox::table.find((&run.tenant, &key.key)).select((inbox::run_id, inbox::request_digest));
    let (by, request_digest): (String, String) = seen.first(connection)?;
    // Taken by an earlier commit of this very move, which was reported as failed.
    let taken = if by == run.id { Committed::Stale } else { Committed::Duplicate { run: by, request_digest } };
    Ok(Some(taken))
}
