//! The order in which requests reach a model: a bounded queue with priorities, ageing and deadlines. It knows no clock;
//! whoever calls says what time it is.

use std::collections::BTreeMap;
use std::time::Duration;

use orrery_types::UnixMillis;

/// One step of priority is worth this much waiting, so that a low priority is served late but never forgotten.
const WORTH_OF_PRIORITY: Duration = Duration::from_secs(10);

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Requests.
    pub requests_max: usize,
    /// Their costs together, in the unit of the lane: tokens or bytes.
    pub cost_max: u64,
}

/// How much one run of a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Requests.
    pub requests_max: usize,
    /// Their costs together; a request above it runs alone.
    pub cost_max: u64,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<T> {
    /// The request.
    pub item: T,
    /// In the unit of the lane.
    pub cost: u64,
    /// Higher is more urgent.
    pub priority: u32,
    /// When it came.
    pub since: UnixMillis,
    /// After this nobody wants the answer.
    pub deadline: UnixMillis,
}

/// Why a request was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// Too many requests wait.
    #[error("{0} requests are waiting for this model already; retry in a moment")]
    Requests(usize),
    /// Too much work waits.
    #[error("too much work is waiting for this model already ({0} units); retry in a moment")]
    Cost(u64),
}

/// Requests in the order in which they will be served.
#[derive(Debug)]
pub struct Queue<T> {
    limits: QueueLimits,
    /// Keyed by the moment that decides the turn, then by arrival.
    waiting: BTreeMap<(i128, u64), Waiting<T>>,
    cost: u64,
    arrivals: u64,
}

/// What was taken out at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken<T> {
    /// To be run now, together.
    pub batch: Vec<Waiting<T>>,
    /// Their deadline passed while they waited.
    pub expired: Vec<Waiting<T>>,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, waiting: BTreeMap::new(), cost: 0, arrivals: 0 }
    }

    /// Requests that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a request in, or says why not. An empty queue takes any request, however costly.
    pub fn push(&mut self, request: Waiting<T>) -> Result<(), QueueFull> {
        if self.waiting.len() >= self.limits.requests_max {
            return Err(QueueFull::Requests(self.waiting.len()));
        }
        if !self.waiting.is_empty() && self.cost.saturating_add(request.cost) > self.limits.cost_max {
            return Err(QueueFull::Cost(self.cost));
        }
        let head_start = i128::from(request.priority) * duration_ms(WORTH_OF_PRIORITY);
        let turn = i128::from(request.since.0) - head_start;
        self.arrivals += 1;
        self.cost = self.cost.saturating_add(request.cost);
        self.waiting.insert((turn, self.arrivals), request);
        Ok(())
    }

    /// Whether a request of this cost would be taken in.
    pub fn has_room(&self, cost: u64) -> bool {
        let fits = self.waiting.is_empty() || self.cost.saturating_add(cost) <= self.limits.cost_max;
        self.waiting.len() < self.limits.requests_max && fits
    }

    /// Drops the requests that nobody waits for any more, which frees their places.
    pub fn discard(&mut self, unwanted: impl Fn(&T) -> bool) {
        self.waiting.retain(|_, request| !unwanted(&request.item));
        self.cost = self.waiting.values().map(|request| request.cost).fold(0, u64::saturating_add);
    }

    /// Takes out the next batch: requests in their order while they fit together.
    pub fn take(&mut self, now: UnixMillis, limits: BatchLimits) -> Taken<T> {
        let mut taken = Taken { batch: Vec::new(), expired: Vec::new() };
        let mut cost: u64 = 0;
        while let Some(next) = self.waiting.first_entry() {
            let expired = next.get().deadline <= now;
            let together = cost.saturating_add(next.get().cost);
            let fits =
                taken.batch.is_empty() || (taken.batch.len() < limits.requests_max && together <= limits.cost_max);
            if !expired && !fits {
                break;
            }
            let request = next.remove();
            self.cost = self.cost.saturating_sub(request.cost);
            if expired {
                taken.expired.push(request);
            } else {
                cost = together;
                taken.batch.push(request);
            }
        }
        taken
    }
}

fn duration_ms(duration: Duration) -> i128 {
    i128::try_from(duration.as_millis()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: QueueLimits = QueueLimits { requests_max: 4, cost_max: 100 };
    const LIMITS_OF_ALL: BatchLimits = BatchLimits { requests_max: 10, cost_max: 1_000 };
    const ONE: BatchLimits = BatchLimits { requests_max: 1, cost_max: 1_000 };

    fn request(item: &'static str, priority: u32, since: u64) -> Waiting<&'static str> {
        Waiting { item, cost: 10, priority, since: UnixMillis(since), deadline: UnixMillis(1_000_000) }
    }

    fn items<T: Copy>(taken: &[Waiting<T>]) -> Vec<T> {
        taken.iter().map(|request| request.item).collect()
    }

    #[test]
    fn an_urgent_request_overtakes_but_a_patient_one_gets_its_turn() {
        let mut queue = Queue::new(LIMITS);
        for (name, priority, since) in [("patient", 0, 0), ("urgent", 1, 5_000), ("late and urgent", 1, 11_000)] {
            queue.push(request(name, priority, since)).unwrap_or_default();
        }
        let order: Vec<_> = (0..3).flat_map(|_| items(&queue.take(UnixMillis(12_000), ONE).batch)).collect();
        assert_eq!(order, ["urgent", "patient", "late and urgent"]);
    }

    #[test]
    fn what_nobody_wants_any_more_is_not_run() {
        let mut queue = Queue::new(LIMITS);
        let expired = Waiting { deadline: UnixMillis(50), ..request("expired", 0, 0) };
        queue.push(expired).unwrap_or_default();
        queue.push(request("wanted", 0, 1)).unwrap_or_default();
        let taken = queue.take(UnixMillis(60), ONE);
        assert_eq!((items(&taken.batch), items(&taken.expired)), (vec!["wanted"], vec!["expired"]));
    }

    #[test]
    fn both_limits_turn_requests_away_and_a_huge_one_runs_alone() {
        let mut queue = Queue::new(LIMITS);
        let huge = Waiting { cost: 1_000, ..request("huge", 0, 0) };
        assert_eq!(queue.push(huge), Ok(()));
        assert_eq!(queue.push(request("next", 0, 1)), Err(QueueFull::Cost(1_000)));
        assert_eq!(items(&queue.take(UnixMillis(1), ONE).batch), ["huge"]);
        for _ in 0..4 {
            assert_eq!(queue.push(request("small", 0, 2)), Ok(()));
        }
        assert_eq!(queue.push(request("fifth", 0, 2)), Err(QueueFull::Requests(4)));
    }

    #[test]
    fn what_is_discarded_leaves_its_place_and_its_cost() {
        let mut queue = Queue::new(QueueLimits { requests_max: 2, cost_max: 25 });
        for name in ["stays", "leaves"] {
            assert!(queue.has_room(10));
            queue.push(request(name, 0, 0)).unwrap_or_default();
        }
        assert!(!queue.has_room(1));
        queue.discard(|item| *item == "leaves");
        assert!(queue.has_room(15) && !queue.has_room(16));
        assert_eq!(items(&queue.take(UnixMillis(1), LIMITS_OF_ALL).batch), ["stays"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_batches_keep_their_limits(costs in prop::collection::vec(0..50u64, 0..40)) {
            let mut queue = Queue::new(QueueLimits { requests_max: 100, cost_max: 10_000 });
            for (index, cost) in costs.iter().enumerate() {
                let request = Waiting { item: index, cost: *cost, ..Waiting {
                    item: 0, cost: 0, priority: 0, since: UnixMillis(index as u64), deadline: UnixMillis(u64::MAX) } };
                prop_assert_eq!(queue.push(request), Ok(()));
            }
            let limits = BatchLimits { requests_max: 5, cost_max: 60 };
            let mut served = Vec::new();
            while !queue.is_empty() {
                let batch = queue.take(UnixMillis(0), limits).batch;
                prop_assert!(batch.len() <= 5 && batch.iter().map(|r| r.cost).sum::<u64>() <= 60);
                served.extend(items(&batch));
            }
            prop_assert_eq!(served, (0..costs.len()).collect::<Vec<_>>());
        }
    }
}
