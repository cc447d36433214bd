//! Checks the proof of one outcome with nothing but the file and, at best, a key known from elsewhere.
//!
//! What holds afterwards: the log of that key committed to exactly these records (P-1), none of the task's records was
//! left out (P-2), and the statement is what the records say (P-3). One changed byte anywhere breaks it (P-4).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::canonical::{self, CanonicalError};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::inclusion::{self, InclusionError};
use crate::note::{NoteError, NoteVerifier};
use crate::outcome::{Outcome, OutcomeError, Trace, statement};
use crate::proof_file::{FormatError, ProofFile};
use crate::record::{Record, RecordError};

/// Where the key came from that the signature was checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTrust {
    /// The caller gave it.
    Trusted,
    /// It stood in the proof itself: the proof is whole, but compare the key before believing who made it.
    Embedded,
}

/// What a proof has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How the outcome came about.
    pub outcome: Outcome,
    /// The in-toto Statement.
    pub statement: Value,
    /// The log's key, as `name+hash+base64`.
    pub verifier_key: String,
    /// Where that key came from.
    pub key_trust: KeyTrust,
    /// The tree that the log committed to.
    pub checkpoint: Checkpoint,
}

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the file is damaged: {0}")]
    Format(#[from] FormatError),
    #[error("the key in the proof is damaged: {0}")]
    Key(#[source] NoteError),
    #[error("the proof is signed by {found}, not by the trusted key {trusted}")]
    OtherKey { found: String, trusted: String },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the checkpoint carries more than the log's own signature")]
    ExtraSignatures,
    #[error("a record is damaged: {0}")]
    Record(#[from] RecordError),
    #[error("record {id} is not in the tree: {source}")]
    NotIncluded { id: String, source: InclusionError },
    #[error("the path of record {id} holds something that is not a base64 hash")]
    Path { id: String },
    #[error("the records are not listed by ascending index, each once")]
    Order,
    #[error("the closing record {id} is of the kind {kind}, which closes no task")]
    NotClosing { id: String, kind: String },
    #[error("the records do not amount to a complete outcome: {0}")]
    Outcome(#[from] OutcomeError),
    #[error("the statement differs from the records at {place}")]
    Statement { place: String },
    #[error("the statement cannot be written canonically: {0}")]
    Canonical(#[from] CanonicalError),
}

/// Checks a proof file. Without a trusted key the embedded one is used, and the result says so.
pub fn verify(bytes: &[u8], trusted: Option<&NoteVerifier>) -> Result<Verified, ProofError> {
    let proof = ProofFile::decode(bytes)?;
    let embedded = NoteVerifier::parse(&proof.verifier_key).map_err(ProofError::Key)?;
    if let Some(trusted) = trusted.filter(|trusted| **trusted != embedded) {
        return Err(ProofError::OtherKey { found: embedded.vkey(), trusted: trusted.vkey() });
    }
    let checkpoint = open_checkpoint(&proof.checkpoint, &embedded)?;
    let records = included_records(&proof, &checkpoint)?;
    let trace = Trace::read(records.values())?;
    let expected = statement(&trace)?;
    // Compared as canonical text: that is what the file holds.
    if canonical::to_string(&expected)? != canonical::to_string(&proof.statement)? {
        return Err(ProofError::Statement { place: difference(&expected, &proof.statement, "") });
    }
    Ok(Verified {
        outcome: trace.outcome()?,
        statement: proof.statement,
        verifier_key: embedded.vkey(),
        key_trust: if trusted.is_some() { KeyTrust::Trusted } else { KeyTrust::Embedded },
        checkpoint,
    })
}

/// Opens the checkpoint; a second signature would be bytes that nothing checks, so there may be none.
fn open_checkpoint(note: &str, verifier: &NoteVerifier) -> Result<Checkpoint, ProofError> {
    let checkpoint = Checkpoint::open(note, verifier)?;
    let signatures = note.strip_prefix(&checkpoint.body()).map(|rest| rest.trim_matches('\n').split('\n').count());
    if signatures == Some(1) { Ok(checkpoint) } else { Err(ProofError::ExtraSignatures) }
}

fn included_records(proof: &ProofFile, checkpoint: &Checkpoint) -> Result<BTreeMap<u64, Record>, ProofError> {
    let mut records = BTreeMap::new();
    let mut last = None;
    for entry in &proof.entries {
        let record = Record::from_value(entry.record.clone())?;
        let path: Option<Vec<Hash>> = entry.path.iter().map(|hash| Hash::from_base64(hash)).collect();
        let path = path.ok_or_else(|| ProofError::Path { id: record.id.clone() })?;
        check_included(&record, entry.index, &path, checkpoint)?;
        if last.is_some_and(|last| entry.index <= last) {
            return Err(ProofError::Order);
        }
        last = Some(entry.index);
        records.insert(entry.index, record);
    }
    let closing = Record::from_value(proof.closing.clone())?;
    if !closing.closes_task() {
        return Err(ProofError::NotClosing { id: closing.id, kind: closing.kind });
    }
    check_included(&closing, proof.index, &proof.path, checkpoint)?;
    if records.insert(proof.index, closing).is_some() {
        return Err(ProofError::Order);
    }
    Ok(records)
}

fn check_included(record: &Record, index: u64, path: &[Hash], checkpoint: &Checkpoint) -> Result<(), ProofError> {
    let leaf = Record::leaf_hash(&record.to_canonical()?);
    inclusion::verify(leaf, index, checkpoint.size, path, checkpoint.root)
        .map_err(|source| ProofError::NotIncluded { id: record.id.clone(), source })
}

/// JSON pointer of the first place where two values differ.
fn difference(expected: &Value, found: &Value, path: &str) -> String {
    let step = |key: &dyn std::fmt::Display, a: Option<&Value>, b: Option<&Value>| match (a, b) {
        (Some(a), Some(b)) if a == b => None,
        (Some(a), Some(b)) => Some(difference(a, b, &format!("{path}/{key}"))),
        _ => Some(format!("{path}/{key}")),
    };
    let deeper = match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            a.keys().chain(b.keys()).find_map(|key| step(key, a.get(key), b.get(key)))
        }
        (Value::Array(a), Value::Array(b)) => {
            (0..a.len().max(b.len())).find_map(|index| step(&index, a.get(index), b.get(index)))
        }
        _ => None,
    };
    deeper.unwrap_or_else(|| if path.is_empty() { "the top".to_owned() } else { path.to_owned() })
}
