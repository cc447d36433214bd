#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! Providers against servers that speak their real protocols.

mod anthropic;
mod contract;
mod local;
mod openai;
mod registry;
mod vendor;
