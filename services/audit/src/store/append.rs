//! The one way into the log: a batch of records, their tiles and the signed checkpoint in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::prelude::*;
use orrery_proof::tile::Edge;
use orrery_proof::{Checkpoint, Hash, NoteSigner, Record};
use orrery_store::AnyConnection;

use super::schema::{leaves, tree};
use super::{LogStore, from_sql, tiles, to_sql};
use crate::domain::{Entry, sort_out};
use crate::error::AuditError;

const TREE_ROW: i32 = 1;

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Leaves in the log now.
    pub size: u64,
    /// Records that became leaves.
    pub fresh: usize,
    /// Records that were there already.
    pub repeated: usize,
    /// Records under the id of another; not logged.
    pub conflicting: Vec<Entry>,
}

#[derive(Insertable)]
#[diesel(table_name = leaves)]
struct NewLeaf<'a> {
    idx: i64,
    record_id: &'a str,
    tenant: &'a str,
    task_id: &'a str,
    leaf_hash: &'a [u8],
    record: &'a str,
}

/// the only writer. Knows the right edge of the tree, so that appending reads nothing but the ids it is to add.
#[derive(Debug)]
pub struct LogWriter {
    log: LogStore,
    edge: Edge,
    signer: Arc<NoteSigner>,
}

impl LogWriter {
    /// Continues the log, or begins it with `opening` as leaf 0. Checks that the stored tiles give the signed root.
    pub async fn open(log: LogStore, signer: Arc<NoteSigner>, opening: Entry) -> Result<Self, AuditError> {
        let key = signer.clone();
        let edge = log.store.write(move |connection| load_or_begin(connection, &key, opening)).await?;
        Ok(Self { log, edge, signer })
    }

    /// Leaves in the log.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Appends what is new of `entries`. When this returns, the checkpoint that covers them is durable; when it fails,
    /// nothing was appended, or the next call fails as fenced and the log must be opened again.
    pub async fn append(&mut self, entries: Vec<Entry>) -> Result<Appended, AuditError> {
        let (edge, signer) = (self.edge.clone(), self.signer.clone());
        let work = move |connection: &mut AnyConnection| append(connection, edge, &signer, entries);
        let (edge, appended) = self.log.store.write(work).await?;
        self.edge = edge;
        Ok(appended)
    }
}

fn load_or_begin(connection: &mut AnyConnection, signer: &NoteSigner, opening: Entry) -> Result<Edge, AuditError> {
    let row = tree::table
        .select((tree::size, tree::checkpoint, tree::verifier_key))
        .first::<(i64, String, String)>(connection)
        .optional()?;
    let vkey = signer.verifier().vkey();
    let Some((size, note, stored)) = row else {
        let begun = (tree::id.eq(TREE_ROW), tree::size.eq(0), tree::checkpoint.eq(""), tree::verifier_key.eq(&vkey));
        diesel::insert_into(tree::table).values(begun).execute(connection)?;
        return append(connection, Edge::default(), signer, vec![opening]).map(|(edge, _)| edge);
    };
    if stored != vkey {
        return Err(AuditError::OtherKey { stored, found: vkey });
    }
    let mut edge = Edge::load(from_sql(size), |id| tiles::fetch(connection, id))?;
    let signed = Checkpoint::open(&note, signer.verifier())?.root;
    let found = edge.root()?;
    if found == signed { Ok(edge) } else { Err(AuditError::RootMismatch { found, signed }) }
}

fn append(
    connection: &mut AnyConnection,
    mut edge: Edge,
    signer: &NoteSigner,
    entries: Vec<Entry>,
) -> Result<(Edge, Appended), AuditError> {
    let known = known_leaves(connection, &entries)?;
    let sorted = sort_out(entries, known);
    let before = edge.size();
    if !sorted.fresh.is_empty() {
        let hashes: Vec<Hash> = sorted.fresh.iter().map(|entry| entry.leaf).collect();
        let changed = edge.append(&hashes);
        let checkpoint =
            Checkpoint { origin: signer.verifier().name().to_owned(), size: edge.size(), root: edge.root()? };
        advance(connection, before, &checkpoint, &checkpoint.sign(signer)?)?;
        insert_leaves(connection, before, &sorted.fresh)?;
        tiles::put(connection, &changed)?;
    }
    let fresh = sorted.fresh.len();
    let appended = Appended { size: edge.size(), fresh, repeated: sorted.repeated, conflicting: sorted.conflicting };
    Ok((edge, appended))
}

fn known_leaves(connection: &mut AnyConnection, entries: &[Entry]) -> Result<HashMap<String, Hash>, AuditError> {
    let ids: Vec<&str> = entries.iter().map(|entry| entry.record.id.as_str()).collect();
    let rows = leaves::table
        .filter(leaves::record_id.eq_any(ids))
        .select((leaves::record_id, leaves::record))
        .load::<(String, String)>(connection)?;
    Ok(rows.into_iter().map(|(id, record)| (id, Record::leaf_hash(&record))).collect())
}

/// The fence: moves the tree on from exactly the size this writer knows, before anything else is written.
fn advance(connection: &mut AnyConnection, from: u64, to: &Checkpoint, note: &str) -> Result<(), AuditError> {
    let moved = diesel::update(tree::table.filter(tree::id.eq(TREE_ROW).and(tree::size.eq(to_sql(from)))))
        .set((tree::size.eq(to_sql(to.size)), tree::checkpoint.eq(note)))
        .execute(connection)?;
    if moved == 1 { Ok(()) } else { Err(AuditError::Fenced) }
}

fn insert_leaves(connection: &mut AnyConnection, first: u64, entries: &[Entry]) -> Result<(), AuditError> {
    for (index, entry) in (first..).zip(entries) {
        let leaf = NewLeaf {
            idx: to_sql(index),
            record_id: &entry.record.id,
            tenant: &entry.record.tenant,
            task_id: &entry.record.task_id,
            leaf_hash: entry.leaf.as_bytes(),
            record: &entry.canonical,
        };
        diesel::insert_into(leaves::table).values(&leaf).execute(connection)?;
    }
    Ok(())
}
