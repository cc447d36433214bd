#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! Providers against servers that speak their real protocols.

mod azure;
mod contract;
mod conversation;
mod faults;
mod local;
mod media;
mod mistral;
mod openai;
mod registry;
