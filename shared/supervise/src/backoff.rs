//! How long to wait before the next restart. Pure: the caller brings the attempt and the randomness.

use std::time::Duration;

/// Exponential backoff with jitter: `initial * factor^attempt`, capped at `max`, spread by `jitter`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Delay before the first restart.
    pub initial: Duration,
    /// Bound of the delay before jitter is applied.
    pub max: Duration,
    /// Growth per consecutive failure, at least 1.
    pub factor: f64,
    /// Share of the delay, 0 to 1, by which it is shortened or lengthened at random, so that children that fell
    /// together do not return together.
    pub jitter: f64,
    /// An instance that lived this long counts as recovered: the next failure starts again from `initial`.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(30),
            factor: 2.0,
            jitter: 0.2,
            reset_after: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// A constant delay without jitter.
    #[must_use]
    pub fn constant(delay: Duration) -> Self {
        Self { initial: delay, max: delay, factor: 1.0, jitter: 0.0, ..Self::default() }
    }

    /// The delay before restart number `attempt` (0 is the first). `random` is uniform in 0 to 1.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let exponent = i32::try_from(attempt).unwrap_or(i32::MAX);
        let grown = self.initial.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        // `min` also tames an infinite product.
        let capped = grown.min(self.max.as_secs_f64());
        let spread = self.jitter.clamp(0.0, 1.0) * (2.0 * random.clamp(0.0, 1.0) - 1.0);
        Duration::from_secs_f64(capped * (1.0 + spread))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_up_to_the_cap_without_jitter() {
        let backoff = Backoff { jitter: 0.0, max: Duration::from_secs(1), ..Backoff::default() };
        let millis: Vec<u128> = (0..6).map(|n| backoff.delay(n, 0.5).as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn jitter_spreads_to_both_sides() {
        let backoff = Backoff { jitter: 0.5, ..Backoff::default() };
        assert_eq!(backoff.delay(0, 0.0), Duration::from_millis(50));
        assert_eq!(backoff.delay(0, 1.0), Duration::from_millis(150));
    }

    proptest! {
        #[test]
        fn never_above_the_cap_plus_jitter(attempt: u32, random in 0.0f64..=1.0, jitter in 0.0f64..=1.0) {
            let backoff = Backoff { jitter, ..Backoff::default() };
            prop_assert!(backoff.delay(attempt, random) <= backoff.max.mul_f64(1.0 + jitter + 1e-9));
        }
    }
}
