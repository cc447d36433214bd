//! Tables and properties over whole catalogues and decisions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod catalogue;
mod decisions;
mod fixture;
mod plans;
mod prices;
mod replay;
mod strategies;
