//! Secrets under seal: what is stored or sent is authenticated ciphertext that only a process with the sealing key can open.
//! It owns the envelope and the keys; it must never know a database, the bus, or what a secret is for.
//!
//! - V-1: what is sealed for one place (scope, name, version) does not open for another, so rows cannot be swapped.
//! - V-2: no value and no key stands in an error, a log or `Debug`.
//! - V-3: the first key of a process seals; all of its keys open. So keys are changed while everything runs.

mod envelope;
mod keys;
mod source;

pub use envelope::{OpenError, Place, key_id};
pub use keys::{KeyFault, SealingKeys};
pub use source::{KeySource, KeysError, add_key};
