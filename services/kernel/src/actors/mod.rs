//! The shell around the domain: decode, decide, commit, then act, then acknowledge.

pub mod committer;
pub mod errands;
pub mod executor;
pub mod partition;
pub mod reconciler;
pub mod timer;
