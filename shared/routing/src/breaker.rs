//! When a model rests after failures, and how its latency is estimated. One value per model.

use std::time::Duration;

use orrery_types::UnixMillis;

/// Failures in a row that open the breaker.
const FAILURES_TO_OPEN: u32 = 5;
/// First rest; doubles with each failed probe.
const REST_MIN: Duration = Duration::from_secs(2);
/// Longest rest of its own making.
const REST_MAX: Duration = Duration::from_secs(60);
/// Longest rest that a provider can ask for by `Retry-After`, so that a mistaken header does not end a model for good.
const COOL_DOWN_MAX: Duration = Duration::from_secs(300);
/// Weight of the newest latency.
const NEWEST_WEIGHT_PERCENT: u64 = 20;

/// How one call to a model ended, as far as the model's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered {
        /// How long it took.
        latency_ms: u64,
    },
    /// It, or the way to it, failed.
    Failed,
    /// It asked for a pause.
    PauseAsked {
        /// For how long.
        pause: Duration,
    },
}

/// Whether a model takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    Open,
    /// It rested and takes one call to see whether it has recovered.
    Probe,
    /// It rests.
    Resting {
        /// Until then.
        until: UnixMillis,
    },
}

/// Health of one model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    rests: u32,
    resting_until: Option<UnixMillis>,
    latency_ms: Option<u64>,
}

impl Breaker {
    /// The state after one more call has ended.
    #[must_use]
    pub fn after(mut self, outcome: Outcome, now: UnixMillis) -> Self {
        match outcome {
            Outcome::Answered { latency_ms } => {
                let blend = |old: u64| (old * (100 - NEWEST_WEIGHT_PERCENT) + latency_ms * NEWEST_WEIGHT_PERCENT) / 100;
                Self { latency_ms: Some(self.latency_ms.map_or(latency_ms, blend)), ..Self::default() }
            }
            // Calls that were under way when the rest began say nothing new.
            Outcome::Failed if self.resting_until.is_some_and(|until| now < until) => self,
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= FAILURES_TO_OPEN || self.resting_until.is_some() {
                    let rest = REST_MIN.saturating_mul(1 << self.rests.min(6)).min(REST_MAX);
                    self.rests = self.rests.saturating_add(1);
                    self.resting_until = Some(now.saturating_add(rest));
                }
                self
            }
            Outcome::PauseAsked { pause } => {
                let until = now.saturating_add(pause.min(COOL_DOWN_MAX));
                self.resting_until = self.resting_until.max(Some(until));
                self
            }
        }
    }

    /// Whether it takes a call now. After a rest it is on probation: the first answer closes the breaker, the first
    /// failure opens it again for longer.
    pub fn admission(&self, now: UnixMillis) -> Admission {
        match self.resting_until {
            None => Admission::Open,
            Some(until) if now < until => Admission::Resting { until },
            Some(_) => Admission::Probe,
        }
    }

    /// Smoothed latency of answered calls, once there was one.
    pub fn latency_ms(&self) -> Option<u64> {
        self.latency_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: UnixMillis = UnixMillis(1_000_000);

    fn failed(times: u32) -> Breaker {
        (0..times).fold(Breaker::default(), |breaker, _| breaker.after(Outcome::Failed, T0))
    }

    #[test]
    fn opens_after_five_failures_in_a_row_and_probes_after_the_rest() {
        assert_eq!(failed(4).admission(T0), Admission::Open);
        let until = UnixMillis(T0.0 + 2000);
        assert_eq!(failed(5).admission(T0), Admission::Resting { until });
        assert_eq!(failed(5).admission(until), Admission::Probe);
    }

    #[test]
    fn a_failed_probe_rests_longer_and_an_answer_closes() {
        let later = UnixMillis(T0.0 + 2000);
        let again = failed(5).after(Outcome::Failed, later);
        assert_eq!(again.admission(later), Admission::Resting { until: UnixMillis(later.0 + 4000) });
        let healed = again.after(Outcome::Answered { latency_ms: 50 }, later);
        assert_eq!(healed.admission(later), Admission::Open);
        assert_eq!(healed.after(Outcome::Failed, later).admission(later), Admission::Open);
    }

    #[test]
    fn the_rest_never_exceeds_a_minute_nor_the_cool_down_five() {
        let moment = |round: u64| UnixMillis(T0.0 + round * 120_000);
        let worst = (0..20).fold(failed(5), |breaker, round| breaker.after(Outcome::Failed, moment(round)));
        assert_eq!(worst.admission(moment(19)), Admission::Resting { until: UnixMillis(moment(19).0 + 60_000) });
        let paused = Breaker::default().after(Outcome::PauseAsked { pause: Duration::from_secs(1 << 40) }, T0);
        assert_eq!(paused.admission(T0), Admission::Resting { until: UnixMillis(T0.0 + 300_000) });
    }

    #[test]
    fn failures_of_calls_already_under_way_do_not_prolong_a_rest() {
        assert_eq!(failed(500), failed(5));
    }

    #[test]
    fn latency_follows_the_newest_by_a_fifth() {
        let breaker = Breaker::default().after(Outcome::Answered { latency_ms: 100 }, T0);
        assert_eq!(breaker.after(Outcome::Answered { latency_ms: 200 }, T0).latency_ms(), Some(120));
    }
}
