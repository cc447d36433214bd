//! The rules of routing: what models there are, which one answers a call and why, what a call may cost, when a model
//! rests, when to try again. Pure: no actor, clock, bus, database or randomness; times and random numbers are handed in.
//!
//! Whoever makes calls decides by these rules and the router's snapshot, so that a recorded decision can be replayed
//! anywhere to the same result.

pub mod allowance;
pub mod bandit;
pub mod breaker;
pub mod canary;
pub mod catalogue;
pub mod catalogue_file;
pub mod confidence;
pub mod decide;
pub mod draw;
pub mod ensemble;
pub mod peak_ewma;
pub mod period;
pub mod price;
pub mod recent;
pub mod request;
pub mod retry;
pub mod statistics;
