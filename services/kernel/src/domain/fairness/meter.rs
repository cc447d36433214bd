//! How much each tenant, definition and queue uses now, held against its limits.

use std::collections::HashMap;

use orrery_types::UnixMillis;

use super::bucket::Bucket;
use super::policy::{Lane, Limits, Policy};

/// What a limit is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Scope {
    Tenant(String),
    Definition(String, String),
    Queue(String, String),
}

#[derive(Debug, Default)]
struct Meter {
    in_use: u32,
    bucket: Option<Bucket>,
}

/// Whether a lane may take one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Yes.
    Now,
    /// Not before this time: a rate is used up.
    At(UnixMillis),
    /// Not before something of the lane's is released.
    Full,
}

/// All meters that count something.
#[derive(Debug, Default)]
pub struct Meters(HashMap<Scope, Meter>);

/// The limits that apply to a lane. Scopes without limits are not counted.
fn limits_of(policy: &Policy, lane: &Lane) -> impl Iterator<Item = (Scope, Limits)> {
    let own = |name: &String| (lane.tenant.clone(), name.clone());
    let tenant = Some((Scope::Tenant(lane.tenant.clone()), policy.share_of(&lane.tenant).limits));
    let definition = policy.definitions.get(&lane.definition).map(|limits| {
        let (tenant, name) = own(&lane.definition);
        (Scope::Definition(tenant, name), *limits)
    });
    let queue = policy.queues.get(&lane.queue).map(|limits| {
        let (tenant, name) = own(&lane.queue);
        (Scope::Queue(tenant, name), *limits)
    });
    let all = [tenant, definition, queue].into_iter().flatten();
    all.filter(|(_, limits)| limits.concurrency_max.is_some() || limits.rate.is_some())
}

impl Meters {
    /// Whether one more of the lane is within all its limits.
    pub fn allowance(&mut self, policy: &Policy, lane: &Lane, now: UnixMillis) -> Allowance {
        let mut at = now;
        for (scope, limits) in limits_of(policy, lane) {
            let meter = self.0.entry(scope).or_default();
            if limits.concurrency_max.is_some_and(|most| meter.in_use >= most) {
                return Allowance::Full;
            }
            if let Some(rate) = limits.rate {
                at = at.max(meter.bucket.get_or_insert_with(|| Bucket::full(rate, now)).ready_at(rate, now));
            }
        }
        if at > now { Allowance::At(at) } else { Allowance::Now }
    }

    /// Counts one more.
    pub fn take(&mut self, policy: &Policy, lane: &Lane, now: UnixMillis) {
        for (scope, limits) in limits_of(policy, lane) {
            let meter = self.0.entry(scope).or_default();
            meter.in_use += 1;
            if let Some(rate) = limits.rate {
                meter.bucket.get_or_insert_with(|| Bucket::full(rate, now)).take(rate, now);
            }
        }
    }

    /// Counts one that goes on after it had given its place back: it is in use again, but does not begin again.
    pub fn resume(&mut self, policy: &Policy, lane: &Lane) {
        for (scope, _) in limits_of(policy, lane) {
            self.0.entry(scope).or_default().in_use += 1;
        }
    }

    /// Counts one less.
    pub fn release(&mut self, policy: &Policy, lane: &Lane) {
        for (scope, limits) in limits_of(policy, lane) {
            let Some(meter) = self.0.get_mut(&scope) else { continue };
            meter.in_use = meter.in_use.saturating_sub(1);
            // What a bucket has given must be remembered; a count of zero need not be.
            if meter.in_use == 0 && limits.rate.is_none() {
                self.0.remove(&scope);
            }
        }
    }
}
