//! The shell around the domain: decode, decide, commit, then act, then acknowledge.

pub mod committer;
pub mod errands;
pub mod executor;
pub mod listener;
pub mod partition;
pub mod scheduler;
mod starter;
pub mod timer;
