//! How a new model does beside those that it may replace, and when it is stopped.

use serde::{Deserialize, Serialize};

use crate::catalogue::route::Halt;

/// The error rate of the others counts as so much at least, so that one error among few calls stops nothing.
const ERROR_RATE_MIN: f64 = 0.01;

/// How calls have gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Calls.
    pub calls: u64,
    /// Of these, failed at the model or its provider.
    pub errors: u64,
    /// Time that the answered ones took together.
    pub latency_ms: u64,
}

impl Tally {
    fn add(&mut self, latency_ms: Option<u64>) {
        self.calls = self.calls.saturating_add(1);
        match latency_ms {
            Some(latency_ms) => self.latency_ms = self.latency_ms.saturating_add(latency_ms),
            None => self.errors = self.errors.saturating_add(1),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn error_rate(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.errors as f64 / self.calls as f64 }
    }

    #[allow(clippy::cast_precision_loss)]
    fn latency_mean(&self) -> Option<f64> {
        let answered = self.calls.saturating_sub(self.errors);
        (answered > 0).then(|| self.latency_ms as f64 / answered as f64)
    }
}

/// How a canary and the others have done since the canary began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CanaryStanding {
    /// The canary.
    pub canary: Tally,
    /// The others on the same route.
    pub baseline: Tally,
    /// Why it was stopped. Stays: a canary that gets no calls any more cannot prove itself better. It begins anew when
    /// whoever publishes statistics forgets it, as on a change of the catalogue's canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halted: Option<String>,
}

impl CanaryStanding {
    /// After one more call; `latency_ms` is none for a failed one.
    #[must_use]
    pub fn after(mut self, was_canary: bool, latency_ms: Option<u64>, halt: &Halt) -> Self {
        if was_canary {
            self.canary.add(latency_ms)
        } else {
            self.baseline.add(latency_ms)
        }
        if self.halted.is_none() {
            self.halted = self.verdict(halt);
        }
        self
    }

    /// Why it has to be stopped now, in words; none while it may go on.
    pub fn verdict(&self, halt: &Halt) -> Option<String> {
        let (canary, baseline) = (&self.canary, &self.baseline);
        if canary.calls < halt.calls_min {
            return None;
        }
        let (rate, usual) = (canary.error_rate(), baseline.error_rate());
        if rate > usual.max(ERROR_RATE_MIN) * halt.error_factor {
            return Some(format!(
                "{:.1} % of its {} calls failed, {:.1} % of the others'",
                rate * 100.0,
                canary.calls,
                usual * 100.0
            ));
        }
        match (canary.latency_mean(), baseline.latency_mean()) {
            // Of few others' calls nothing follows.
            (Some(took), Some(usual)) if baseline.calls >= halt.calls_min && took > usual * halt.latency_factor => {
                Some(format!("it takes {took:.0} ms on average, the others {usual:.0} ms"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(canary: (u64, u64, u64), baseline: (u64, u64, u64)) -> CanaryStanding {
        let tally = |(calls, errors, latency_ms)| Tally { calls, errors, latency_ms };
        CanaryStanding { canary: tally(canary), baseline: tally(baseline), halted: None }
    }

    #[test]
    fn it_is_stopped_when_worse_by_the_factor_over_enough_calls() {
        let halt = Halt { calls_min: 10, error_factor: 2.0, latency_factor: 1.5 };
        let table = [
            ("too few calls to tell", (9, 9, 0), (1000, 0, 100_000), None),
            ("one error in a hundred is no worse than none", (100, 1, 9_900), (1000, 0, 100_000), None),
            ("three are", (100, 3, 9_700), (1000, 0, 100_000), Some("3.0 % of its 100 calls failed, 0.0 %")),
            ("unless the others fail as often", (100, 3, 9_700), (1000, 20, 98_000), None),
            ("it is slow", (10, 0, 1_600), (10, 0, 1_000), Some("160 ms on average, the others 100 ms")),
            ("but compared with whom", (10, 0, 1_600), (9, 0, 900), None),
            ("it always fails", (10, 10, 0), (0, 0, 0), Some("100.0 %")),
        ];
        for (what, canary, baseline, expected) in table {
            let verdict = standing(canary, baseline).verdict(&halt);
            match expected {
                None => assert_eq!(verdict, None, "{what}"),
                Some(part) => assert!(verdict.as_deref().is_some_and(|it| it.contains(part)), "{what}: {verdict:?}"),
            }
        }
    }

    #[test]
    fn once_stopped_it_stays_so() {
        let halt = Halt { calls_min: 2, ..Halt::default() };
        let failed = CanaryStanding::default().after(true, None, &halt).after(true, None, &halt);
        assert!(failed.halted.is_some());
        let later = (0..1000).fold(failed.clone(), |standing, _| standing.after(true, Some(5), &halt));
        assert_eq!(later.verdict(&halt), None);
        assert_eq!(later.halted, failed.halted);
    }
}
