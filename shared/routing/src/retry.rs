//! What to do after a failed attempt.

use std::time::Duration;

/// Attempts with one candidate.
pub const ATTEMPTS_PER_CANDIDATE_MAX: u32 = 2;
const DELAY_MIN: Duration = Duration::from_millis(50);
const DELAY_MAX: Duration = Duration::from_secs(2);

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The request is at fault: no model will do better.
    Request,
    /// This model or its provider is at fault; `again` says whether the same one may do better soon.
    Model {
        /// Whether trying the same one again makes sense.
        again: bool,
        /// When it asked to be tried again.
        after: Option<Duration>,
    },
}

/// Where the call stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Attempts so far, over all candidates.
    pub attempts: u32,
    /// Attempts so far with this candidate.
    pub attempts_here: u32,
    /// Attempts that the route allows, over all candidates.
    pub attempts_max: u32,
    /// Whether the retry budget has one left for the same candidate; see `RetryBudget`.
    pub may_retry: bool,
    /// Whether another candidate is left.
    pub another: bool,
    /// Time left to the caller's deadline.
    pub remaining: Duration,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try the same candidate after a pause.
    Again(Duration),
    /// Try the next candidate at once.
    Fallback,
    /// Tell the caller.
    GiveUp,
}

/// Decides; `jitter` is a random number from 0 to 1.
pub fn next(failure: Failure, standing: Standing, jitter: f64) -> Next {
    let Failure::Model { again, after } = failure else { return Next::GiveUp };
    if standing.attempts >= standing.attempts_max || standing.remaining.is_zero() {
        return Next::GiveUp;
    }
    let backoff = DELAY_MIN.saturating_mul(1 << standing.attempts_here.min(6)).min(DELAY_MAX);
    let delay = after.unwrap_or_else(|| backoff.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0));
    // Waiting pays only when there is no better candidate, and only within the caller's time.
    let worth_waiting = delay < standing.remaining && delay <= DELAY_MAX;
    let again = again && standing.may_retry;
    match (again && standing.attempts_here < ATTEMPTS_PER_CANDIDATE_MAX && worth_waiting, standing.another) {
        (true, true) if after.is_some() => Next::Fallback,
        (true, _) => Next::Again(delay),
        (false, true) => Next::Fallback,
        (false, false) => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Standing = Standing {
        attempts: 1,
        attempts_here: 1,
        attempts_max: 4,
        may_retry: true,
        another: true,
        remaining: Duration::from_secs(10),
    };
    const FLAKY: Failure = Failure::Model { again: true, after: None };

    #[test]
    fn table() {
        let asks = Failure::Model { again: true, after: Some(Duration::from_secs(1)) };
        let asks_long = Failure::Model { again: true, after: Some(Duration::from_secs(3600)) };
        let hopeless = Failure::Model { again: false, after: None };
        let alone = Standing { another: false, ..NOW };
        let cases = [
            ("a bad request is told at once", Failure::Request, NOW, Next::GiveUp),
            ("a flaky model gets a second chance", FLAKY, NOW, Next::Again(Duration::from_millis(100))),
            ("but no third", FLAKY, Standing { attempts: 2, attempts_here: 2, ..NOW }, Next::Fallback),
            ("and at last nobody", FLAKY, Standing { attempts: 4, ..NOW }, Next::GiveUp),
            ("or fewer, as the route says", FLAKY, Standing { attempts_max: 1, ..NOW }, Next::GiveUp),
            ("without a retry left it is passed by", FLAKY, Standing { may_retry: false, ..NOW }, Next::Fallback),
            ("or the last", FLAKY, Standing { may_retry: false, ..alone }, Next::GiveUp),
            ("one that asks for time is passed by", asks, NOW, Next::Fallback),
            ("unless it is the only one", asks, alone, Next::Again(Duration::from_secs(1))),
            ("and does not ask for too much", asks_long, alone, Next::GiveUp),
            ("a refused key is not tried again", hopeless, NOW, Next::Fallback),
            (
                "nobody waits past the deadline",
                FLAKY,
                Standing { remaining: Duration::from_millis(60), ..alone },
                Next::GiveUp,
            ),
            ("nor after it", FLAKY, Standing { remaining: Duration::ZERO, ..NOW }, Next::GiveUp),
        ];
        for (what, failure, standing, expected) in cases {
            assert_eq!(next(failure, standing, 1.0), expected, "{what}");
        }
    }
}
