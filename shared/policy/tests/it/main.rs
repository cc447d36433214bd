#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! Bundles and decisions through the public interface.

mod broken;
mod decisions;
