//! What tests can't have for real: vendors' servers, which speak the vendors' wire formats over real HTTP, and the inference
//! service with a model that a test steers. For tests and load tests only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod anthropic;
pub mod bedrock;
pub mod cohere;
pub mod gemini;
pub mod http;
pub mod inference;
pub mod kserve;
pub mod openai;
pub mod wire;
