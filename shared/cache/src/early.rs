//! When an answer is made anew before it ends, so that it does not end for everybody at once. Pure.
//!
//! XFetch: Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015, algorithm 2.

use std::time::Duration;

use orrery_types::UnixMillis;

/// Of the time to live, what chance may take away.
const JITTER: f64 = 0.1;

/// Whether whoever comes now makes it anew. `random` is uniform in 0 to 1.
pub(crate) fn due(now: UnixMillis, expires: UnixMillis, computing_ms: u64, beta: f64, random: f64) -> bool {
    #[allow(clippy::cast_precision_loss)] // milliseconds; nobody computes for 2^53 of them
    let (computing, left) = (computing_ms as f64, expires.since(now).as_millis() as f64);
    computing * beta * -random.max(f64::MIN_POSITIVE).ln() >= left
}

/// The asked time within its bounds, less up to a tenth, so that what was kept together does not end together.
pub(crate) fn time_to_live(asked: Duration, min: Duration, max: Duration, random: f64) -> Duration {
    let bounded = asked.min(max).max(min);
    bounded.mul_f64(1.0 - JITTER * random.clamp(0.0, 1.0)).max(min.min(bounded))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearer_the_end_the_likelier() {
        let (now, end) = (UnixMillis(0), UnixMillis(10_000));
        assert!(!due(now, end, 100, 1.0, 0.5));
        assert!(due(UnixMillis(9_950), end, 100, 1.0, 0.5));
        assert!(due(end, end, 0, 0.0, 1.0), "what has ended is due");
        assert!(!due(UnixMillis(9_999), end, 100, 0.0, 0.000_1), "beta 0 is never early");
    }

    proptest! {
        #[test]
        fn a_life_is_within_its_bounds(asked in 0_u64..1_000_000, random in 0.0..1.0_f64) {
            let (min, max) = (Duration::from_secs(1), Duration::from_secs(600));
            let life = time_to_live(Duration::from_millis(asked), min, max, random);
            prop_assert!(life >= min && life <= max);
            prop_assert!(life <= Duration::from_millis(asked).max(min));
        }
    }
}
