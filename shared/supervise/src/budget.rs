//! Restart intensity, as in Erlang/OTP: at most N restarts in T. Pure: the caller brings the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Counts the restarts of one supervisor in a sliding window (S-4).
#[derive(Debug, Clone)]
pub struct RestartBudget {
    restarts_max: usize,
    window: Duration,
    spent: VecDeque<Instant>,
}

impl RestartBudget {
    /// Allows `restarts_max` restarts in any `window`.
    #[must_use]
    pub fn new(restarts_max: usize, window: Duration) -> Self {
        Self { restarts_max, window, spent: VecDeque::new() }
    }

    /// Takes one restart at `now`; `false` when the budget is used up and the supervisor must give up.
    #[must_use]
    pub fn take(&mut self, now: Instant) -> bool {
        while let Some(oldest) = self.spent.front() {
            if now.saturating_duration_since(*oldest) < self.window {
                break;
            }
            self.spent.pop_front();
        }
        if self.spent.len() >= self.restarts_max {
            return false;
        }
        self.spent.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_beyond_the_budget_and_recovers_with_time() {
        let start = Instant::now();
        let mut budget = RestartBudget::new(2, Duration::from_secs(10));
        assert!(budget.take(start));
        assert!(budget.take(start + Duration::from_secs(5)));
        assert!(!budget.take(start + Duration::from_secs(9)));
        // The first restart has left the window, the second has not.
        assert!(budget.take(start + Duration::from_secs(10)));
        assert!(!budget.take(start + Duration::from_secs(11)));
    }

    #[test]
    fn an_empty_budget_allows_nothing() {
        assert!(!RestartBudget::new(0, Duration::from_secs(1)).take(Instant::now()));
    }
}
