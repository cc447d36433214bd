//! Who goes next: weighted fair queueing across tenants, priorities with ageing within one, and limits on how much runs at
//! once and begins per second. Pure; whoever calls says what time it is.
//!
//! F-1: no limit is ever exceeded by what [`Scheduler::try_take`] and [`Scheduler::next`] let through.
//! F-2: tenants that always have something waiting are served in proportion to their weights, whatever others queue.
//! F-3: within a tenant, nothing that came a priority step's worth of waiting later overtakes.

mod backlog;
mod batch_size;
mod bucket;
mod meter;
mod policy;
mod scheduler;
mod steps;

pub use batch_size::BatchSize;
pub use bucket::Bucket;
pub use policy::{Lane, Limits, Policy, Rate, Share};
pub use scheduler::{Next, Scheduler};
pub use steps::{Place, StepClock};

#[cfg(test)]
mod tests;
