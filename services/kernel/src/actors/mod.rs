//! The shell around the domain: decode, decide, commit, then act, then acknowledge.

pub mod admission;
pub mod announcer;
mod batch_items;
pub mod batches;
pub mod committer;
pub mod errands;
pub mod executor;
pub mod heartbeats;
pub mod listener;
pub mod membership;
pub mod partition;
pub mod reconciler;
mod recovery;
pub mod retention;
pub mod scheduler;
mod starter;
pub mod timer;
mod work;
