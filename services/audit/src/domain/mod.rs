//! The pure rules of the log: what may become a leaf, which leaves are new, and when a task can be told and proven.
//! Knows no database, no bus, no clock.

mod dossier;
mod entry;

pub use dossier::Dossier;
pub use entry::{Entry, Sorted, sort_out};
