//! What was measured of each request, and its quantiles. Samples are kept whole: quantiles are exact, and a run has no more
//! of them than memory holds with ease.

use std::time::{Duration, Instant};

use orrery_loadtest_bench::percentile;
use serde::Serialize;

/// One request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was sent; in an open loop, when it was to be sent.
    pub began: Instant,
    /// When the first byte of its answer's body came.
    pub first: Instant,
    /// When the last one did.
    pub last: Instant,
}

/// In seconds; zero of nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
    pub p99_9: f64,
}

/// Of times from the beginning of requests, to the first byte and to the last.
pub fn quantiles(samples: &[Sample]) -> (Quantiles, Quantiles) {
    let first = samples.iter().map(|it| it.first - it.began).collect();
    let total = samples.iter().map(|it| it.last - it.began).collect();
    (Quantiles::of(first), Quantiles::of(total))
}

impl Quantiles {
    /// By nearest rank.
    pub fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let at = |share| percentile(&durations, share).unwrap_or(0.0);
        Self { p50: at(0.5), p99: at(0.99), p99_9: at(0.999) }
    }

    /// Each quantile put through a function.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { p50: f(self.p50), p99: f(self.p99), p99_9: f(self.p99_9) }
    }

    /// Each quantile beside that of another, put through a function.
    pub fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self { p50: f(self.p50, other.p50), p99: f(self.p99, other.p99), p99_9: f(self.p99_9, other.p99_9) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_time_since_a_request_began() {
        let began = Instant::now();
        let sample = |number: u64| Sample {
            began: began + Duration::from_secs(number),
            first: began + Duration::from_secs(number) + Duration::from_millis(number),
            last: began + Duration::from_secs(number) + Duration::from_millis(10 * number),
        };
        let samples: Vec<Sample> = (1..=1_000).rev().map(sample).collect();
        let (first, total) = quantiles(&samples);
        assert_eq!(first, Quantiles { p50: 0.5, p99: 0.99, p99_9: 0.999 });
        assert_eq!(total, Quantiles { p50: 5.0, p99: 9.9, p99_9: 9.99 });
        assert_eq!(quantiles(&[]).0, Quantiles::default());
    }
}
