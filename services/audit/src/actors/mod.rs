//! The shell around the log: what runs, and in which order things become true.

pub mod intake;
pub mod sequencer;
