//! How slow a model has been lately, the worst first: it jumps to every slower answer at once and forgets it over time.

/// How long until a peak has lost about two thirds of its height; Finagle's default.
pub const DECAY_NS: u64 = 10_000_000_000;

/// Peak-sensitive exponentially weighted moving average of latency, as in Finagle's `PeakEwma` balancer and tower's
/// `peak_ewma`. Times are nanoseconds of any clock that does not go back; one that does counts as standing still.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PeakEwma {
    cost_ns: f64,
    stamp_ns: u64,
    measured: bool,
}

impl PeakEwma {
    /// After an answer, or a failure, that took so long.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // 2^53 ns are a hundred days
    pub fn after(self, took_ns: u64, now_ns: u64) -> Self {
        let took = took_ns as f64;
        let kept = self.weight(now_ns);
        let cost_ns = if took > self.cost_ns { took } else { self.cost_ns * kept + took * (1.0 - kept) };
        Self { cost_ns, stamp_ns: self.stamp_ns.max(now_ns), measured: true }
    }

    /// As far as it is remembered now; none before the first answer. Falls towards nothing while nobody asks, so that a
    /// model that was slow once is tried again.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, and no larger than what came in
    pub fn at(self, now_ns: u64) -> Option<u64> {
        self.measured.then(|| (self.cost_ns * self.weight(now_ns)) as u64)
    }

    #[allow(clippy::cast_precision_loss)]
    fn weight(self, now_ns: u64) -> f64 {
        let elapsed = now_ns.saturating_sub(self.stamp_ns) as f64;
        (-elapsed / DECAY_NS as f64).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn it_jumps_to_a_peak_and_forgets_it_slowly() {
        let calm = PeakEwma::default().after(100 * MS, 0);
        assert_eq!(calm.at(0), Some(100 * MS));
        let peak = calm.after(900 * MS, MS);
        assert_eq!(peak.at(MS), Some(900 * MS));
        let soon = peak.after(100 * MS, 2 * MS).at(2 * MS).unwrap();
        assert!(soon > 899 * MS && soon < 900 * MS, "{soon}");
        let late = peak.after(100 * MS, MS + DECAY_NS).at(MS + DECAY_NS).unwrap();
        let expected = 100.0 + 800.0 * (-1.0f64).exp();
        assert!((late as f64 / MS as f64 - expected).abs() < 0.01, "{late}");
    }

    #[test]
    fn nothing_is_known_before_the_first_and_little_long_after_the_last() {
        assert_eq!(PeakEwma::default().at(5), None);
        assert_eq!(PeakEwma::default().after(MS, 0).at(100 * DECAY_NS), Some(0));
    }

    proptest! {
        #[test]
        fn it_stays_between_the_smallest_and_the_largest(
            answers in prop::collection::vec((0u64..1 << 40, 0u64..1 << 35, any::<bool>()), 1..50),
        ) {
            let (mut ewma, mut now) = (PeakEwma::default(), 1u64 << 45);
            for (took, wait, back) in &answers {
                now = if *back { now.saturating_sub(*wait) } else { now + wait };
                ewma = ewma.after(*took, now);
                prop_assert!(ewma.cost_ns >= *took as f64 * (1.0 - 1e-9), "no answer is forgotten as it comes");
            }
            let most = answers.iter().map(|(took, ..)| *took).max().unwrap();
            prop_assert!(ewma.at(now).unwrap() <= most);
        }
    }
}
