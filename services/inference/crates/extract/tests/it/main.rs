//! Extraction on pages of many layouts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod layouts;
mod wordings;
