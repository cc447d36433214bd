//! What is allowed: slots, weights and limits, and the lane that says which of them apply to a request.

use std::collections::HashMap;
use std::time::Duration;

/// What a request counts against.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// Whose it is.
    pub tenant: String,
    /// The workflow it belongs to.
    pub definition: String,
    /// The task queue it is for; empty: none.
    pub queue: String,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens that come back each second; above 0.
    pub per_second: f64,
    /// Tokens that may gather; 1 at least.
    pub burst: f64,
}

/// Limits of one tenant, definition or queue; none: unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// At once.
    pub concurrency_max: Option<u32>,
    /// Per second.
    pub rate: Option<Rate>,
}

/// What a tenant gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Its part of the whole, relative to the other tenants' weights; 1 at least.
    pub weight: u32,
    /// What it may not exceed even when nobody else wants anything.
    pub limits: Limits,
}

/// All rules of one scheduler.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Requests at once, of all tenants together.
    pub slots: u32,
    /// For tenants that are not named.
    pub share: Share,
    /// By tenant.
    pub shares: HashMap<String, Share>,
    /// By definition; each tenant's own.
    pub definitions: HashMap<String, Limits>,
    /// By task queue; each tenant's own.
    pub queues: HashMap<String, Limits>,
    /// One step of priority is worth this much waiting.
    pub ageing: Duration,
}

impl Policy {
    /// The share of a tenant.
    pub fn share_of(&self, tenant: &str) -> Share {
        self.shares.get(tenant).copied().unwrap_or(self.share)
    }
}
