//! What can be measured, one file each.

pub mod steps;
