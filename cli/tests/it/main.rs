//! The real command with the real services and servers, each test on a data folder and ports of its own. The service
//! programs must lie beside `orrery`, as `make build` puts them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bad_input;
mod command;
mod demo;
mod live;
mod model_batches;
mod offline;
mod outages;
mod secrets;
mod spending;
mod trace;
mod up;
mod workflow;
