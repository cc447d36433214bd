//! A token bucket without a clock.

use orrery_types::UnixMillis;

use super::policy::Rate;

/// What sums of fractions may be off by.
const ROUNDING: f64 = 1e-6;

/// Tokens as of a point in time.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    tokens: f64,
    at: UnixMillis,
}

impl Bucket {
    /// A full one.
    pub fn full(rate: Rate, now: UnixMillis) -> Self {
        Self { tokens: rate.burst, at: now }
    }

    fn refill(&mut self, rate: Rate, now: UnixMillis) {
        // A clock that jumps back gives nothing and takes nothing.
        self.tokens = (self.tokens + now.since(self.at).as_secs_f64() * rate.per_second).min(rate.burst);
        self.at = self.at.max(now);
    }

    /// When a token is there: now, or later.
    pub fn ready_at(&mut self, rate: Rate, now: UnixMillis) -> UnixMillis {
        self.refill(rate, now);
        let missing = 1.0 - self.tokens;
        if missing <= ROUNDING {
            return now;
        }
        // Up, so that a token is really there by then; at least a millisecond, so that nobody asks in a loop.
        let wait_ms = ((missing - ROUNDING) / rate.per_second * 1_000.0).ceil().max(1.0);
        UnixMillis(now.0.saturating_add(wait_ms as u64))
    }

    /// Takes one token; below zero by whoever may not be kept waiting.
    pub fn take(&mut self, rate: Rate, now: UnixMillis) {
        self.refill(rate, now);
        self.tokens -= 1.0;
    }
}
