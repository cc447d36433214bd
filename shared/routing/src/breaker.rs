//! When a model rests: after failures, until a call shows that it has recovered; and when its provider asks for a pause,
//! until that is over. Both always end by themselves. One value per model.

use std::time::Duration;

use orrery_types::UnixMillis;

use crate::recent::Recent;

/// Failures in a row that open the breaker.
const FAILURES_TO_OPEN: u32 = 5;
/// Of so many calls in the window at least,
const CALLS_TO_JUDGE: u64 = 20;
/// so many in a hundred have to fail to open it.
const FAILED_PERCENT_TO_OPEN: u64 = 50;
const WINDOW: Recent = Recent::over_ms(30_000);
/// First rest; doubles with each failed probe.
const REST_MIN: Duration = Duration::from_secs(2);
/// Longest rest of its own making.
const REST_MAX: Duration = Duration::from_secs(60);
/// Pause where a provider refuses calls for their rate and does not say for how long; doubles each time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause of our own choice.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Longest pause that a provider can ask for, so that a mistaken header does not end a model for good.
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
    /// It refused the call for the rate of calls and asked for a pause. Says nothing about its health.
    PauseAsked {
        /// For how long; zero when it did not say.
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
    /// It rests after failures.
    Resting {
        /// Until then.
        until: UnixMillis,
    },
    /// Its provider asked for a pause. After it, calls go on as before.
    Cooling {
        /// Until then.
        until: UnixMillis,
    },
}

/// Health of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// In a row.
    failures: u32,
    /// Without an answer between them.
    rests: u32,
    resting_until: Option<UnixMillis>,
    /// Without an answer after one of them.
    pauses: u32,
    cooling_until: Option<UnixMillis>,
    latency_ms: Option<u64>,
    recent: Recent,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: 0,
            rests: 0,
            resting_until: None,
            pauses: 0,
            cooling_until: None,
            latency_ms: None,
            recent: WINDOW,
        }
    }
}

/// An end that lies ahead.
fn ahead(until: Option<UnixMillis>, now: UnixMillis) -> Option<UnixMillis> {
    until.filter(|until| now < *until)
}

impl Breaker {
    /// The state as it is by this clock. An end that lies further ahead than it can was set before the clock was put back;
    /// then nothing that was set is waited for, as the other one may follow on it: nothing waits for a clock.
    fn by_clock(mut self, now: UnixMillis) -> Self {
        let beyond = |until: Option<UnixMillis>, longest| until.is_some_and(|until| until.since(now) > longest);
        if beyond(self.resting_until, REST_MAX) || beyond(self.cooling_until, COOL_DOWN_MAX) {
            self.resting_until = self.resting_until.map(|_| now);
            self.cooling_until = None;
        }
        self
    }

    /// The state after one more call has ended.
    #[must_use]
    pub fn after(self, outcome: Outcome, now: UnixMillis) -> Self {
        let mut next = self.by_clock(now);
        next.note(outcome, now);
        next
    }

    fn note(&mut self, outcome: Outcome, now: UnixMillis) {
        let resting = ahead(self.resting_until, now).is_some();
        match outcome {
            Outcome::Answered { latency_ms } => {
                let blend = |old: u64| (old * (100 - NEWEST_WEIGHT_PERCENT) + latency_ms * NEWEST_WEIGHT_PERCENT) / 100;
                self.latency_ms = Some(self.latency_ms.map_or(latency_ms, blend));
                // A call that was under way when the rest or the pause began does not end it.
                if !resting {
                    (self.failures, self.rests, self.resting_until) = (0, 0, None);
                    self.recent.add(1, 0, now);
                }
                if ahead(self.cooling_until, now).is_none() {
                    (self.pauses, self.cooling_until) = (0, None);
                }
            }
            // Nor does it prolong it.
            Outcome::Failed if resting => {}
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                self.recent.add(1, 1, now);
                let (calls, failed) = self.recent.counts(now);
                let often = calls >= CALLS_TO_JUDGE && failed * 100 >= calls * FAILED_PERCENT_TO_OPEN;
                if often || self.failures >= FAILURES_TO_OPEN || self.resting_until.is_some() {
                    let rest = REST_MIN.saturating_mul(1 << self.rests.min(6)).min(REST_MAX);
                    self.rests = self.rests.saturating_add(1);
                    self.resting_until = Some(now.saturating_add(rest));
                    // It is judged anew by what it does after the rest.
                    self.recent = WINDOW;
                }
            }
            Outcome::PauseAsked { pause } => {
                let current = ahead(self.cooling_until, now);
                // Many calls are refused at once; together they are one reason to wait longer next time.
                if current.is_none() {
                    self.pauses = self.pauses.saturating_add(1);
                }
                let own = PAUSE_MIN.saturating_mul(1 << self.pauses.saturating_sub(1).min(6)).min(PAUSE_MAX);
                let pause = if pause.is_zero() { own } else { pause.min(COOL_DOWN_MAX) };
                self.cooling_until = current.max(Some(now.saturating_add(pause)));
            }
        }
    }

    /// Whether it takes a call now. After a rest it is on probation: the first answer closes the breaker, the first
    /// failure opens it again for longer.
    pub fn admission(&self, now: UnixMillis) -> Admission {
        let state = self.by_clock(now);
        match (ahead(state.resting_until, now), ahead(state.cooling_until, now)) {
            (Some(until), _) => Admission::Resting { until },
            (None, Some(until)) => Admission::Cooling { until },
            (None, None) if state.resting_until.is_some() => Admission::Probe,
            (None, None) => Admission::Open,
        }
    }

    /// Smoothed latency of answered calls, once there was one.
    pub fn latency_ms(&self) -> Option<u64> {
        self.latency_ms
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
