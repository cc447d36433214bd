//! One file per resource. A handler reads the request, calls the service that knows, and puts its answer into JSON.

pub mod anthropic;
pub mod audit;
pub mod catalogue;
pub mod control;
pub mod decisions;
pub mod identity;
pub mod knowledge;
pub mod limits;
pub mod openai;
pub mod openapi;
mod reading;
pub mod retention;
mod review_view;
pub mod reviews;
pub mod secrets;
pub mod spend;
mod streaming;
pub mod system;
mod task_batch_view;
pub mod task_batches;
pub mod task_events;
mod task_view;
pub mod tasks;
pub mod workflows;
