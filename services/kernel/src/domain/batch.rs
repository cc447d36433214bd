//! One operation on many runs: what it may be given, which runs it is for, how fast it goes, how far it is, and how it is
//! stopped. Pure; the shell finds the runs and does each under a key made of the batch and the run.
//!
//! B-1: a run counts once. B-2: what is over changes no more. B-3: a batch goes no faster than its rate.

use std::sync::Arc;

use orrery_types::{Sha256Digest, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definition::Pointer;
use super::fairness::{Bucket, Rate};

/// Runs that are done together, between two looks at the batch: so many may be done again after a crash, under their keys.
pub const TOGETHER_MAX: usize = 32;
/// Lowest and highest rate, in runs per thousand seconds.
pub const RATES: std::ops::RangeInclusive<i64> = 10..=1_000_000;
/// When none is asked for: ten a second.
pub const RATE: i64 = 10_000;
/// Failures that are kept with their reasons.
pub const FAILURES_MAX: u64 = 100;

/// How long a batch's share may gather while it is looked at.
const GATHERED_S: f64 = 0.25;

/// What is done to each run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// Begin it anew from the step that failed.
    Retry,
    /// Cancel it.
    Cancel,
    /// End it at once.
    Terminate,
    /// Send it a signal.
    Signal {
        /// Its name.
        name: String,
        /// What it says.
        payload: Arc<Value>,
    },
    /// Begin it anew from a step, in its place.
    Reset {
        /// The step.
        pointer: Pointer,
        /// Which of its visits; none: the last.
        iteration: Option<u32>,
    },
    /// Move it to another version.
    Migrate {
        /// Namespace, name and version.
        workflow: (String, String, String),
        /// Its hash.
        definition: Sha256Digest,
    },
}

/// Which runs an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Failed,
    Unfinished,
    Any,
}

const FAILED: [&str; 1] = ["faulted"];
const UNFINISHED: [&str; 3] = ["pending", "running", "waiting"];

impl Operation {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Terminate => "terminate",
            Self::Signal { .. } => "signal",
            Self::Reset { .. } => "reset",
            Self::Migrate { .. } => "migrate",
        }
    }

    fn is_for(&self) -> For {
        match self {
            Self::Retry => For::Failed,
            Self::Cancel | Self::Terminate | Self::Signal { .. } | Self::Migrate { .. } => For::Unfinished,
            Self::Reset { .. } => For::Any,
        }
    }

    /// The statuses of the runs that it meets, of those asked for; the reason when it is for none of these.
    pub fn statuses(&self, asked: Vec<String>) -> Result<Vec<String>, String> {
        let able: &[&str] = match self.is_for() {
            For::Failed => &FAILED,
            For::Unfinished => &UNFINISHED,
            For::Any => return Ok(asked),
        };
        if asked.is_empty() {
            return Ok(able.iter().map(|word| (*word).to_owned()).collect());
        }
        match asked.iter().find(|word| !able.contains(&word.as_str())) {
            None => Ok(asked),
            Some(other) => Err(format!(
                "{} is for tasks that are {}, not {other}: leave the status out, or name some of these",
                self.word(),
                able.join(", ")
            )),
        }
    }
}

/// How a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// It goes on.
    Running,
    /// It is held.
    Paused,
    /// It was ended before it was through.
    Cancelled,
    /// It is through.
    Finished,
}

impl BatchState {
    /// As it is stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
        }
    }

    /// From its word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Running, Self::Paused, Self::Cancelled, Self::Finished].into_iter().find(|state| state.word() == word)
    }

    /// Whether nothing changes any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Finished)
    }

    /// The state that a request leads to; none: it is there already. Refused once it is over otherwise (B-2).
    pub fn to(self, wanted: Self) -> Result<Option<Self>, String> {
        match (self, wanted) {
            (now, wanted) if now == wanted => Ok(None),
            (now, _) if now.is_over() => Err(format!("the batch is {}: create another one", now.word())),
            (_, wanted) => Ok(Some(wanted)),
        }
    }
}

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// It is done, by this batch.
    Done,
    /// It was no longer as the operation needs it.
    Skipped,
    /// It could not be done.
    Failed {
        /// The platform's code.
        code: String,
        /// Why.
        reason: String,
    },
}

/// How far a batch is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs that it has to do.
    pub total: u64,
    /// Done.
    pub done: u64,
    /// Not possible.
    pub failed: u64,
    /// Not needed any more.
    pub skipped: u64,
}

impl Tally {
    /// Runs that have had their turn.
    pub fn through(&self) -> u64 {
        self.done + self.failed + self.skipped
    }

    /// Counts a run. Runs may have come to meet the filter after they were counted.
    pub fn add(&mut self, item: &Item) {
        match item {
            Item::Done => self.done += 1,
            Item::Skipped => self.skipped += 1,
            Item::Failed { .. } => self.failed += 1,
        }
        self.total = self.total.max(self.through());
    }

    /// Every run has had its turn: those that no longer met the filter then are skipped.
    pub fn close(&mut self) {
        self.skipped = self.total - self.done - self.failed;
    }
}

/// How fast a batch goes (B-3). Begins with one run's share, so that whoever takes it over does not make up for what was
/// spent before.
#[derive(Debug)]
pub struct Pace {
    rate: Rate,
    bucket: Bucket,
}

impl Pace {
    /// Of a rate in runs per thousand seconds.
    pub fn new(rate: i64, now: UnixMillis) -> Self {
        let per_second = rate.clamp(*RATES.start(), *RATES.end()) as f64 / 1_000.0;
        let one = Rate { per_second, burst: 1.0 };
        Self { rate: Rate { per_second, burst: (per_second * GATHERED_S).max(1.0) }, bucket: Bucket::full(one, now) }
    }

    /// How many of `wanted` runs may be begun now, [`TOGETHER_MAX`] at most; none: not before that time.
    pub fn take(&mut self, wanted: usize, now: UnixMillis) -> Result<usize, UnixMillis> {
        let mut taken = 0;
        while taken < wanted.min(TOGETHER_MAX) {
            match self.bucket.ready_at(self.rate, now) {
                at if at > now && taken == 0 => return Err(at),
                at if at > now => break,
                _ => self.bucket.take(self.rate, now),
            }
            taken += 1;
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn an_operation_meets_only_runs_that_it_is_for() {
        let reset = Operation::Reset { pointer: "/do/0/a".into(), iteration: None };
        let cases = [
            (Operation::Retry, words(&[]), Some(words(&["faulted"]))),
            (Operation::Retry, words(&["faulted"]), Some(words(&["faulted"]))),
            (Operation::Retry, words(&["faulted", "running"]), None),
            (Operation::Cancel, words(&[]), Some(words(&["pending", "running", "waiting"]))),
            (Operation::Terminate, words(&["waiting"]), Some(words(&["waiting"]))),
            (Operation::Cancel, words(&["completed"]), None),
            (reset.clone(), words(&[]), Some(words(&[]))),
            (reset, words(&["completed"]), Some(words(&["completed"]))),
        ];
        for (operation, asked, met) in cases {
            assert_eq!(operation.statuses(asked.clone()).ok(), met, "{operation:?} of {asked:?}");
        }
    }

    #[test]
    fn what_is_over_stays_over_and_asking_twice_is_the_same() {
        use BatchState::{Cancelled, Finished, Paused, Running};
        for (from, to, expected) in [
            (Running, Paused, Some(Some(Paused))),
            (Paused, Paused, Some(None)),
            (Paused, Running, Some(Some(Running))),
            (Paused, Cancelled, Some(Some(Cancelled))),
            (Running, Cancelled, Some(Some(Cancelled))),
            (Cancelled, Cancelled, Some(None)),
            (Cancelled, Running, None),
            (Finished, Paused, None),
            (Finished, Cancelled, None),
        ] {
            assert_eq!(from.to(to).ok(), expected, "{from:?} to {to:?}");
            assert_eq!(BatchState::of(from.word()), Some(from));
        }
    }

    #[test]
    fn each_run_counts_once_and_the_sum_is_the_total() {
        let mut tally = Tally { total: 3, ..Tally::default() };
        tally.add(&Item::Done);
        tally.add(&Item::Failed { code: "x".into(), reason: "y".into() });
        tally.close();
        assert_eq!(tally, Tally { total: 3, done: 1, failed: 1, skipped: 1 });
        let mut grown = Tally { total: 1, ..Tally::default() };
        (0..3).for_each(|_| grown.add(&Item::Done));
        grown.close();
        assert_eq!(grown, Tally { total: 3, done: 3, failed: 0, skipped: 0 });
    }

    #[test]
    fn a_batch_goes_at_its_rate_and_no_faster() {
        for (rate, most) in [(10, 1), (2_000, 21), (20_000, 201), (1_000_000, 10_251)] {
            let mut pace = Pace::new(rate, UnixMillis(0));
            let (mut now, mut taken) = (0, 0);
            while now < 10_000 {
                match pace.take(1_000, UnixMillis(now)) {
                    Ok(count) => taken += count,
                    Err(at) => now = at.0,
                }
            }
            assert!(taken <= most && taken * 10 >= most * 9, "{taken} in ten seconds at {rate}");
        }
        let mut pace = Pace::new(1_000_000, UnixMillis(0));
        assert_eq!(pace.take(100, UnixMillis(0)), Ok(1), "nothing has gathered at the beginning");
        assert_eq!(pace.take(100, UnixMillis(250)), Ok(TOGETHER_MAX));
        assert_eq!(pace.take(2, UnixMillis(250)), Ok(2));
    }
}
