//! Faults injected into real trees, on real threads, with small durations and waits for conditions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod budget;
mod drain;
mod faults;
mod fixture;
mod messages;
mod order;
mod tasks;
