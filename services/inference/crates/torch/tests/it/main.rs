//! The models as libtorch runs them, against the values of their published implementations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod minilm;
mod models;
mod smollm2;
mod speech;
