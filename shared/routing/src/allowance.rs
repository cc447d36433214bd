//! How many retries and second attempts traffic bears. When a provider fails for all, retries would multiply the load that
//! it cannot carry; so they may be a share of calls only.

use orrery_types::UnixMillis;

use crate::catalogue::route::Retry;
use crate::recent::Recent;

const WINDOW_S: u32 = 10;
const WINDOW: Recent = Recent::over_ms(WINDOW_S as u64 * 1000);

/// Retries that are left: a share of the calls of the last ten seconds and some a second whatever the share, as in
/// Finagle's `RetryBudget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget(Recent);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(WINDOW)
    }
}

impl RetryBudget {
    /// A call has come in, which pays for a share of a retry.
    pub fn call(&mut self, now: UnixMillis) {
        self.0.add(1, 0, now);
    }

    /// Whether one more retry may be made now.
    pub fn may(&self, settings: &Retry, now: UnixMillis) -> bool {
        let (calls, retries) = self.0.counts(now);
        let floor = u64::from(settings.per_second_min) * u64::from(WINDOW_S);
        retries < floor + calls * u64::from(settings.budget_percent) / 100
    }

    /// Takes one retry, if one is left.
    #[must_use]
    pub fn take(&mut self, settings: &Retry, now: UnixMillis) -> bool {
        let may = self.may(settings, now);
        if may {
            self.0.add(0, 1, now);
        }
        may
    }
}

/// Second attempts that are left: a share of the calls of the last ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgeBudget(Recent);

impl Default for HedgeBudget {
    fn default() -> Self {
        Self(WINDOW)
    }
}

impl HedgeBudget {
    /// A call has come in.
    pub fn call(&mut self, now: UnixMillis) {
        self.0.add(1, 0, now);
    }

    /// Takes one second attempt, if the share allows it.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // calls of ten seconds
    pub fn take(&mut self, share_max: f64, now: UnixMillis) -> bool {
        let (calls, hedges) = self.0.counts(now);
        let may = (hedges + 1) as f64 <= calls as f64 * share_max;
        if may {
            self.0.add(0, 1, now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn retries_are_a_share_of_calls_and_some_a_second() {
        let settings = Retry { attempts: 4, budget_percent: 20, per_second_min: 1 };
        let mut budget = RetryBudget::default();
        let taken = |budget: &mut RetryBudget, now| (0..1000).filter(|_| budget.take(&settings, now)).count();
        assert_eq!(taken(&mut budget, T0), 10, "one a second over the window, also without any call");
        (0..100).for_each(|_| budget.call(T0));
        assert_eq!(taken(&mut budget, T0), 20);
        let later = UnixMillis(T0.0 + 10_000);
        assert_eq!(taken(&mut budget, later), 10, "calls of long ago pay for nothing");
        let none = Retry { budget_percent: 0, per_second_min: 0, ..settings };
        assert!(!RetryBudget::default().take(&none, T0));
    }

    proptest! {
        /// Whatever the traffic, what is given out keeps to its share of the calls in the window.
        #[test]
        fn shares_hold(steps in prop::collection::vec((0u64..700, 0u8..4), 1..400)) {
            let settings = Retry { attempts: 4, budget_percent: 25, per_second_min: 0 };
            let (mut retries, mut hedges) = (RetryBudget::default(), HedgeBudget::default());
            let mut now = T0;
            for (wait, kind) in steps {
                now.0 += wait;
                match kind {
                    0 | 1 => {
                        retries.call(now);
                        hedges.call(now);
                    }
                    2 => {
                        let may = retries.may(&settings, now);
                        let (calls, before) = retries.0.counts(now);
                        prop_assert_eq!(retries.take(&settings, now), may);
                        prop_assert_eq!(may, (before + 1) * 4 <= calls);
                    }
                    _ => {
                        let (calls, before) = hedges.0.counts(now);
                        prop_assert_eq!(hedges.take(0.05, now), (before + 1) * 20 <= calls);
                    }
                }
            }
        }
    }
}
