//! The gateway as a process, over real HTTP, against a real bus, SQLite and PostgreSQL. The other services are played on
//! the bus by `players`, which answer with what the test put there and keep what they were asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bad_input;
mod bulk_players;
mod control;
mod dialects;
mod files;
mod identity;
mod model_players;
mod openai;
mod openapi;
mod overload;
mod players;
mod retention;
mod secrets;
mod services;
mod task_batches;
mod tasks;
mod world;
