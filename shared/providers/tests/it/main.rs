#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! Providers against servers that speak their real protocols.

mod anthropic;
mod bedrock;
mod cohere;
mod contract;
mod gemini;
mod kserve;
mod local;
mod openai;
mod registry;
mod stored;
mod vendor;
