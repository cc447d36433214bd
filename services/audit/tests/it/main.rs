#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod calls;
mod crash;
mod store;
mod system;
/// The same claim that the proofs' own tests are made of.
#[path = "../../../../shared/proof/tests/it/task.rs"]
mod task;
