//! The kernel on the bus: the calls it answers, and what its moves leave in the outbox.

#[cfg(test)]
mod audit_tests;
pub mod batch_facts;
mod control_facts;
mod convert;
mod convert_batch;
mod convert_review;
pub mod inbound;
pub mod members;
pub mod outbound;
pub mod retention_facts;
mod review_facts;
