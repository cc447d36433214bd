//! The interpreter against the text of the specification, and its invariants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod calls;
mod constructs;
mod control;
mod durability;
mod harness;
mod people;
mod restart;
mod specification;
mod work;
