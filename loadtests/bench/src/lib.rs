//! What load tests share: the machine's facts, what processes use, quantiles, tables and files of results. It knows no system
//! that is measured.

mod machine;
pub mod processes;
mod quantile;
pub mod report;

pub use machine::Machine;
pub use quantile::{median, percentile};
