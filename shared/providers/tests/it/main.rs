#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! Providers against servers that speak their real protocols.

mod anthropic;
mod azure;
mod bedrock;
mod cohere;
mod contract;
mod conversation;
mod faults;
mod gemini;
mod kserve;
mod local;
mod media;
mod mistral;
mod openai;
mod registry;
mod stored;
mod vendor;
