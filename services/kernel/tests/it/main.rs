#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod batches;
mod calls;
mod control;
mod crash;
mod events;
mod examples;
mod failover;
mod fairness;
mod faults;
mod limits;
mod retention;
mod reviews;
mod router;
mod search;
mod store;
mod store_batches;
mod store_retention;
mod system;
mod versions;
mod workers;
