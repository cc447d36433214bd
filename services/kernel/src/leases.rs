//! The limits of task queues, and which steps are just being taken here, so that workers that ask at once do not all try the
//! same one.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use orrery_types::{TenantId, UnixMillis};
use parking_lot::Mutex;

use crate::config::FairnessConfig;
use crate::domain::fairness::{Lane, Policy, Scheduler};

/// A worker asks again after this when the queue is at its limit.
pub const AT_LIMIT: Duration = Duration::from_secs(1);

type Queue = (TenantId, String);

/// Owns the leases that are being made.
pub struct Leases {
    inner: Arc<Mutex<Inner>>,
    leases_max: HashMap<String, u32>,
}

struct Inner {
    rates: Scheduler<()>,
    taking: HashMap<Queue, HashSet<String>>,
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").finish_non_exhaustive()
    }
}

/// Whether a step may be taken.
pub enum Place {
    /// Yes, by whoever holds this.
    Free(Taking),
    /// Another request is taking it.
    Taken,
    /// The queue's rate is used up.
    Limited,
}

/// A step that is being taken. Dropped, it may be taken by others.
pub struct Taking {
    inner: Arc<Mutex<Inner>>,
    queue: Queue,
    key: String,
}

impl Drop for Taking {
    fn drop(&mut self) {
        let mut inner = self.inner.lock();
        if let Some(taking) = inner.taking.get_mut(&self.queue) {
            taking.remove(&self.key);
            if taking.is_empty() {
                inner.taking.remove(&self.queue);
            }
        }
    }
}

impl Leases {
    /// Nothing is being taken.
    pub fn new(config: &FairnessConfig) -> Self {
        let inner = Inner { rates: Scheduler::new(config.leases()), taking: HashMap::new() };
        let limits = config.queues.iter().filter_map(|(queue, limits)| Some((queue.clone(), limits.leases_max?)));
        Self { inner: Arc::new(Mutex::new(inner)), leases_max: limits.collect() }
    }

    /// Goes by other rates from here on.
    pub fn adopt(&self, policy: Policy) {
        self.inner.lock().rates.adopt(policy);
    }

    /// How many steps of a queue are just being taken here.
    pub fn taking(&self, tenant: &TenantId, queue: &str) -> usize {
        let place = (tenant.clone(), queue.to_owned());
        self.inner.lock().taking.get(&place).map_or(0, HashSet::len)
    }

    /// How many steps of a queue workers may hold, if that is limited.
    pub fn max(&self, queue: &str) -> Option<u32> {
        self.leases_max.get(queue).copied()
    }

    /// Begins to take a step.
    pub fn enter(&self, tenant: &TenantId, queue: &str, key: &str) -> Place {
        let place = (tenant.clone(), queue.to_owned());
        let mut inner = self.inner.lock();
        if inner.taking.get(&place).is_some_and(|taking| taking.contains(key)) {
            return Place::Taken;
        }
        let lane = Lane { tenant: tenant.to_string(), definition: String::new(), queue: queue.to_owned() };
        if !inner.rates.try_take(&lane, UnixMillis::now()) {
            return Place::Limited;
        }
        // Only the rate is of interest here; what workers hold is counted in rows, over all processes.
        inner.rates.release(&lane);
        inner.taking.entry(place.clone()).or_default().insert(key.to_owned());
        Place::Free(Taking { inner: self.inner.clone(), queue: place, key: key.to_owned() })
    }
}
