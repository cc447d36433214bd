#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! The router against real NATS, Redis, SQLite and PostgreSQL; providers against servers that speak their real protocol.

mod budgets;
mod caches;
mod calls;
mod catalogue;
mod execution;
mod policies;
mod reload;
mod secrets;
mod statistics;
mod streams;
mod system;
