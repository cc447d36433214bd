//! The pure part of the service: what the content looks like and what may be decided without a model, a clock or a
//! bus. Nothing here knows actix, tokio, NATS or a tensor.

pub mod classify;
pub mod queue;
pub mod rerank;
