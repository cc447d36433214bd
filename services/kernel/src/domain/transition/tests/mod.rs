//! The interpreter against the text of the specification, and its invariants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod constructs;
mod durability;
mod harness;
mod people;
mod specification;
mod work;
