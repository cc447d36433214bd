//! What can be measured, one file each.

pub mod fairness;
pub mod steps;
pub mod waiting;
