//! The wire messages of the bus, generated from `proto/orrery/v1`.
//!
//! The generated code is committed, so that building needs neither `protoc` nor a build script;
//! `tests/drift.rs` fails when it differs from what the `.proto` files give.

mod json_text;

#[allow(clippy::all, clippy::pedantic, missing_debug_implementations)]
#[rustfmt::skip] // kept as the generator writes it
mod generated;

/// Messages of version 1.
pub mod v1 {
    pub use crate::generated::*;
}
