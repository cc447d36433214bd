//! The shell around the collections: what runs, and in which order things become true.

pub mod librarian;
