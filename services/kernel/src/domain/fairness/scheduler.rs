//! Start-time fair queueing (Goyal, Vin and Cheng, 1996): each tenant has a virtual time that advances with what it is given, by
//! the inverse of its weight; whoever is furthest behind goes next. A tenant that comes back after a pause begins at the
//! present virtual time, so that it has neither saved up nor lost anything.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use orrery_types::UnixMillis;

use super::backlog::{Backlog, Turn};
use super::meter::{Allowance, Meters};
use super::policy::{Lane, Policy};

/// What one request costs a tenant of weight 1, in virtual time.
const COST: u64 = 1 << 20;

/// Who may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<T> {
    /// This one, which has its slot in this lane.
    Ready(T, Arc<Lane>),
    /// Nobody now; a rate allows the next one at this time.
    At(UnixMillis),
    /// Nobody before something is released or comes.
    Nobody,
}

/// The waiting and what is in use. `T` identifies a request.
#[derive(Debug)]
pub struct Scheduler<T> {
    policy: Policy,
    in_use: u32,
    meters: Meters,
    backlogs: HashMap<String, Backlog<T>>,
    /// Tenants with a backlog by their virtual time.
    order: BTreeSet<(u64, String)>,
    /// Virtual times of tenants that are ahead of the present.
    times: HashMap<String, u64>,
    present: u64,
    places: HashMap<T, (Arc<Lane>, Turn)>,
    arrivals: u64,
}

impl<T: Clone + Eq + Hash> Scheduler<T> {
    /// Nothing waits and nothing is in use.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            in_use: 0,
            meters: Meters::default(),
            backlogs: HashMap::new(),
            order: BTreeSet::new(),
            times: HashMap::new(),
            present: 0,
            places: HashMap::new(),
            arrivals: 0,
        }
    }

    /// Goes by another policy from here on. What is in use stays so, even if it is more than that allows.
    pub fn adopt(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.places.len()
    }

    /// Slots in use.
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Whether a request waits.
    pub fn holds(&self, item: &T) -> bool {
        self.places.contains_key(item)
    }

    /// Takes a slot at once if no limit stands against it and nothing of the same lane waits. Others that wait are kept back
    /// by limits of their own, or [`Self::next`] would have let them through.
    pub fn try_take(&mut self, lane: &Lane, now: UnixMillis) -> bool {
        let is_behind = self.backlogs.get(&lane.tenant).is_some_and(|backlog| backlog.waits_in(lane));
        if is_behind || self.in_use >= self.policy.slots {
            return false;
        }
        if self.meters.allowance(&self.policy, lane, now) != Allowance::Now {
            return false;
        }
        self.charge(lane, now);
        true
    }

    /// Lets a request wait; one that waits already keeps its place.
    pub fn push(&mut self, item: T, lane: &Lane, priority: u32, since: UnixMillis) {
        if self.places.contains_key(&item) {
            return;
        }
        let head_start = i64::from(priority).saturating_mul(i64::try_from(self.policy.ageing.as_millis()).unwrap_or(0));
        self.arrivals += 1;
        let turn = (i64::try_from(since.0).unwrap_or(i64::MAX).saturating_sub(head_start), self.arrivals);
        let time = self.time_of(&lane.tenant);
        let backlog = self.backlogs.entry(lane.tenant.clone()).or_default();
        if backlog.is_empty() {
            self.times.insert(lane.tenant.clone(), time);
            self.order.insert((time, lane.tenant.clone()));
        }
        let lane = backlog.insert(lane, turn, item.clone());
        self.places.insert(item, (lane, turn));
    }

    /// Forgets a request that waits.
    pub fn remove(&mut self, item: &T) -> bool {
        let Some((lane, turn)) = self.places.remove(item) else { return false };
        self.take_out(&lane, turn);
        true
    }

    /// Forgets the requests that wait and do not hold.
    pub fn retain(&mut self, holds: impl Fn(&T) -> bool) {
        let gone: Vec<T> = self.places.keys().filter(|item| !holds(item)).cloned().collect();
        for item in gone {
            self.remove(&item);
        }
    }

    /// Gives a slot to who is next.
    pub fn next(&mut self, now: UnixMillis) -> Next<T> {
        if self.in_use >= self.policy.slots {
            return Next::Nobody;
        }
        let mut soonest: Option<UnixMillis> = None;
        let mut found = None;
        'tenants: for (_, tenant) in &self.order {
            let Some(backlog) = self.backlogs.get(tenant) else { continue };
            let mut heads: Vec<(Turn, Arc<Lane>)> = backlog.heads().map(|(lane, turn)| (turn, lane.clone())).collect();
            heads.sort_by_key(|(turn, _)| *turn);
            for (turn, lane) in heads {
                match self.meters.allowance(&self.policy, &lane, now) {
                    Allowance::Now => {
                        found = Some((lane, turn));
                        break 'tenants;
                    }
                    Allowance::At(at) => soonest = Some(soonest.map_or(at, |other| other.min(at))),
                    Allowance::Full => {}
                }
            }
        }
        let Some((lane, turn)) = found else { return soonest.map_or(Next::Nobody, Next::At) };
        self.present = self.present.max(self.time_of(&lane.tenant));
        let Some(item) = self.take_out(&lane, turn) else { return Next::Nobody };
        self.places.remove(&item);
        self.charge(&lane, now);
        Next::Ready(item, lane)
    }

    /// Counts what goes on after it had given its slot back: it waits for nobody and may exceed the slots for a while.
    pub fn resume(&mut self, lane: &Lane) {
        self.in_use += 1;
        self.meters.resume(&self.policy, lane);
    }

    /// Gives a slot back.
    pub fn release(&mut self, lane: &Lane) {
        self.in_use = self.in_use.saturating_sub(1);
        self.meters.release(&self.policy, lane);
    }

    fn time_of(&self, tenant: &str) -> u64 {
        self.times.get(tenant).copied().unwrap_or(0).max(self.present)
    }

    fn charge(&mut self, lane: &Lane, now: UnixMillis) {
        self.in_use += 1;
        self.meters.take(&self.policy, lane, now);
        let before = self.time_of(&lane.tenant);
        let weight = u64::from(self.policy.share_of(&lane.tenant).weight.max(1));
        let after = before.saturating_add((COST / weight).max(1));
        if self.order.remove(&(self.times.get(&lane.tenant).copied().unwrap_or(0), lane.tenant.clone())) {
            self.order.insert((after, lane.tenant.clone()));
        }
        self.times.insert(lane.tenant.clone(), after);
        if self.backlogs.is_empty() {
            // Nobody waits: there is nothing to be behind of, and no tenant need be remembered.
            self.present = self.present.max(after);
            self.times.clear();
        }
    }

    fn take_out(&mut self, lane: &Lane, turn: Turn) -> Option<T> {
        let backlog = self.backlogs.get_mut(&lane.tenant)?;
        let item = backlog.remove(lane, turn);
        if backlog.is_empty() {
            self.backlogs.remove(&lane.tenant);
            let time = self.times.get(&lane.tenant).copied().unwrap_or(0);
            self.order.remove(&(time, lane.tenant.clone()));
            if time <= self.present {
                self.times.remove(&lane.tenant);
            }
        }
        item
    }
}
