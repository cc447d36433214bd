//! What one model did in the last minute, hour and day. A value that each router keeps for itself and that adds up over
//! routers, since all cut time at the same moments.
//!
//! Memory: 33 slots of three sketches of 2 KiB at most, some 200 KiB for a model whose latencies lie anywhere between a
//! millisecond and an hour; a third of that for one whose latencies differ by less than a factor of two thousand.

use std::collections::BTreeMap;

use orrery_types::{Nanos, UnixMillis};
use serde::{Deserialize, Serialize};

use super::sketch::{OtherAccuracy, Sketch};
use super::{ModelStatistics, Quantiles};
use crate::catalogue::amount;

/// Kinds of errors that are counted apart; further ones are counted together.
const ERROR_KINDS_MAX: usize = 16;
const OTHER_KINDS: &str = "other";
/// Answers from which a quantile is told: below, one slow call would be taken for the rule.
const CALLS_FOR_P50: u64 = 5;
const CALLS_FOR_P95: u64 = 20;
const CALLS_FOR_P99: u64 = 100;

/// Over how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The last minute, in steps of ten seconds.
    Minute,
    /// The last hour, in steps of five minutes.
    Hour,
    /// The last day, in steps of two hours.
    Day,
}

/// One call that has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample<'a> {
    /// How long the whole answer took; none when there was none.
    pub latency_ms: Option<u64>,
    /// How long it took until it began; none when that was not seen.
    pub ttft_ms: Option<u64>,
    /// Tokens written.
    pub output_tokens: u64,
    /// What it cost.
    pub cost: Nanos,
    /// How it failed; none when it did not.
    pub error: Option<&'a str>,
}

/// What happened in one step of time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Slot {
    calls: u64,
    errors: BTreeMap<String, u64>,
    spent: Nanos,
    output_tokens: u64,
    latency: Sketch,
    ttft: Sketch,
    /// Tokens a second, of single answers.
    speed: Sketch,
}

impl Slot {
    fn record(&mut self, sample: &Sample<'_>) {
        self.calls = self.calls.saturating_add(1);
        self.output_tokens = self.output_tokens.saturating_add(sample.output_tokens);
        self.spent = plus(self.spent, sample.cost);
        if let Some(kind) = sample.error {
            self.fail(kind, 1);
        }
        if let Some(latency_ms) = sample.latency_ms {
            self.latency.add(latency_ms);
            // Writing begins with the first token; where that was not seen, waiting counts as writing.
            let writing_ms = latency_ms.saturating_sub(sample.ttft_ms.unwrap_or(0));
            if sample.output_tokens > 0 && writing_ms > 0 {
                self.speed.add(sample.output_tokens.saturating_mul(1000) / writing_ms);
            }
        }
        if let Some(ttft_ms) = sample.ttft_ms {
            self.ttft.add(ttft_ms);
        }
    }

    fn fail(&mut self, kind: &str, times: u64) {
        let known = self.errors.contains_key(kind) || self.errors.len() < ERROR_KINDS_MAX;
        let count = self.errors.entry(if known { kind } else { OTHER_KINDS }.to_owned()).or_default();
        *count = count.saturating_add(times);
    }

    fn merge(&mut self, other: &Self) -> Result<(), OtherAccuracy> {
        self.latency.merge(&other.latency)?;
        self.ttft.merge(&other.ttft)?;
        self.speed.merge(&other.speed)?;
        self.calls = self.calls.saturating_add(other.calls);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.spent = plus(self.spent, other.spent);
        other.errors.iter().for_each(|(kind, times)| self.fail(kind, *times));
        Ok(())
    }
}

fn plus(a: Nanos, b: Nanos) -> Nanos {
    a.checked_add(b).unwrap_or(amount(u64::MAX, 1))
}

/// The last steps of one length, by their number since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ring {
    slot_ms: u64,
    slots_max: u64,
    slots: BTreeMap<u64, Slot>,
}

impl Ring {
    fn new(slot_ms: u64, slots_max: u64) -> Self {
        Self { slot_ms, slots_max, slots: BTreeMap::new() }
    }

    fn number(&self, now: UnixMillis) -> u64 {
        now.0 / self.slot_ms
    }

    /// Whether a step lies in the span that ends now. Another router's clock may be ahead by one.
    fn holds(&self, number: u64, now: UnixMillis) -> bool {
        let newest = self.number(now);
        number <= newest.saturating_add(1) && number.saturating_add(self.slots_max) > newest
    }

    fn forget(&mut self, now: UnixMillis) {
        let old: Vec<u64> = self.slots.keys().copied().filter(|number| !self.holds(*number, now)).collect();
        for number in old {
            self.slots.remove(&number);
        }
    }

    fn record(&mut self, sample: &Sample<'_>, now: UnixMillis) {
        let number = self.number(now);
        if !self.slots.contains_key(&number) {
            self.forget(now);
        }
        self.slots.entry(number).or_default().record(sample);
    }

    fn merge(&mut self, other: &Self, now: UnixMillis) -> Result<(), OtherAccuracy> {
        if self.slot_ms != other.slot_ms {
            return Err(OtherAccuracy);
        }
        self.forget(now);
        for (number, slot) in &other.slots {
            if self.holds(*number, now) {
                self.slots.entry(*number).or_default().merge(slot)?;
            }
        }
        Ok(())
    }

    fn sum(&self, now: UnixMillis) -> Result<Slot, OtherAccuracy> {
        let inside = self.slots.iter().filter(|(number, _)| self.holds(**number, now));
        inside.map(|(_, slot)| slot).try_fold(Slot::default(), |mut sum, slot| sum.merge(slot).map(|()| sum))
    }
}

/// What one model did in the last minute, hour and day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rolling {
    minute: Ring,
    hour: Ring,
    day: Ring,
}

impl Default for Rolling {
    fn default() -> Self {
        let minute = 60_000;
        Self { minute: Ring::new(minute / 6, 6), hour: Ring::new(5 * minute, 12), day: Ring::new(120 * minute, 12) }
    }
}

/// What happened in a span. It ends now and begins up to one step early.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Calls that ended.
    pub calls: u64,
    /// Of these, failed ones by kind.
    pub errors: BTreeMap<String, u64>,
    /// What they cost.
    pub spent: Nanos,
    /// Tokens written.
    pub output_tokens: u64,
    /// How long whole answers took.
    pub latency: Quantiles,
    /// How long it took until answers began.
    pub ttft: Quantiles,
    /// Median of tokens a second of single answers; none while too few are known.
    pub tokens_per_second: Option<u64>,
}

impl Summary {
    /// Failed calls, of all kinds.
    pub fn failed(&self) -> u64 {
        self.errors.values().fold(0, |sum, times| sum.saturating_add(*times))
    }
}

fn quantiles(sketch: &Sketch) -> Quantiles {
    let told = |calls: u64, part: f64| sketch.quantile(part).filter(|_| sketch.count() >= calls);
    Quantiles { p50_ms: told(CALLS_FOR_P50, 0.5), p95_ms: told(CALLS_FOR_P95, 0.95), p99_ms: told(CALLS_FOR_P99, 0.99) }
}

impl Rolling {
    /// Counts a call that ends now.
    pub fn record(&mut self, sample: &Sample<'_>, now: UnixMillis) {
        for ring in [&mut self.minute, &mut self.hour, &mut self.day] {
            ring.record(sample, now);
        }
    }

    /// Adds what another router has counted. Fails when that runs another version with other steps or accuracy.
    pub fn merge(&mut self, other: &Self, now: UnixMillis) -> Result<(), OtherAccuracy> {
        self.minute.merge(&other.minute, now)?;
        self.hour.merge(&other.hour, now)?;
        self.day.merge(&other.day, now)
    }

    /// What happened in a span that ends now. Fails for a value of another version.
    pub fn summary(&self, span: Span, now: UnixMillis) -> Result<Summary, OtherAccuracy> {
        let ring = match span {
            Span::Minute => &self.minute,
            Span::Hour => &self.hour,
            Span::Day => &self.day,
        };
        let sum = ring.sum(now)?;
        let fast_enough = sum.speed.count() >= CALLS_FOR_P50;
        Ok(Summary {
            latency: quantiles(&sum.latency),
            ttft: quantiles(&sum.ttft),
            tokens_per_second: sum.speed.quantile(0.5).filter(|_| fast_enough),
            calls: sum.calls,
            errors: sum.errors,
            spent: sum.spent,
            output_tokens: sum.output_tokens,
        })
    }

    /// What decisions should know: of the last minute where enough calls were made in it, otherwise of the last hour.
    /// Quality comes from evaluations and is left out.
    #[allow(clippy::cast_possible_truncation)] // at most a million
    pub fn model_statistics(&self, now: UnixMillis) -> Result<ModelStatistics, OtherAccuracy> {
        let minute = self.summary(Span::Minute, now)?;
        let seen = if minute.calls >= CALLS_FOR_P95 { minute } else { self.summary(Span::Hour, now)? };
        let error_ppm = match seen.calls {
            0..CALLS_FOR_P50 => 0,
            calls => (seen.failed().min(calls).saturating_mul(1_000_000) / calls) as u32,
        };
        Ok(ModelStatistics { latency: seen.latency, ttft: seen.ttft, error_ppm, quality_milli: BTreeMap::new() })
    }
}

#[cfg(test)]
#[path = "rolling_tests.rs"]
mod tests;
