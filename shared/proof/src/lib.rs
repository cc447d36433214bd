//! The mathematics of the transparency log, shared by the audit service, which writes it, and by whoever checks a
//! proof offline. It owns hashing and trees (RFC 6962), tiles, signed notes and checkpoints (C2SP), the shape of
//! audit records and the proof of one outcome. It must never do I/O, read a clock, or trust a claim that it can
//! recompute.

pub mod canonical;
pub mod checkpoint;
pub mod consistency;
pub mod facts;
pub mod hash;
pub mod inclusion;
pub mod key_file;
pub mod note;
pub mod outcome;
pub mod proof_file;
pub mod record;
pub mod tile;
pub mod tree;
mod verify;

pub use checkpoint::Checkpoint;
pub use hash::Hash;
pub use note::{NoteSigner, NoteVerifier};
pub use outcome::{Outcome, Trace};
pub use proof_file::{PROOF_BYTES_MAX, ProofFile};
pub use record::{Record, RecordError};
pub use verify::{KeyTrust, ProofError, Verified, verify};
