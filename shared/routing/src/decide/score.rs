//! What strategies compare: one model's numbers, and the result of comparing.

use std::borrow::Cow;

use orrery_types::Nanos;

use super::{ModelHealth, Part};
use crate::catalogue::Model;
use crate::statistics::ModelStatistics;

/// A failing model's time is stretched by how often it has to be asked again; beyond this rate no further.
const ERROR_RATE_MAX: f64 = 0.9;
/// Tried after all others of its tier, whatever their strategy.
const NO_QUOTA: u32 = 1 << 16;

/// One model that may answer, with its numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub model: &'a Model,
    /// Place in the route's list.
    pub place: usize,
    pub health: &'a ModelHealth,
    pub statistics: Option<&'a ModelStatistics>,
    pub price_likely: Nanos,
    pub latency_ms: u64,
    /// The provider's rate limit leaves no room for this call.
    pub no_quota: bool,
}

impl Entry<'_> {
    /// Share of its calls that fail.
    pub fn error_rate(&self) -> f64 {
        self.statistics.map_or(0.0, |statistics| f64::from(statistics.error_ppm) / 1e6)
    }

    /// How long an answer probably takes, failed attempts before it included.
    #[allow(clippy::cast_precision_loss)] // an estimate
    pub fn expected_ms(&self) -> f64 {
        self.latency_ms as f64 / (1.0 - self.error_rate().min(ERROR_RATE_MAX))
    }

    /// What it will probably cost.
    #[allow(clippy::cast_precision_loss)] // a score orders; 2^53 nanos are nine million units of currency
    pub fn price(&self) -> f64 {
        self.price_likely.get() as f64
    }

    /// Peak latency times what it already has to do: what a further call will probably wait. Milliseconds.
    #[allow(clippy::cast_precision_loss)]
    pub fn load(&self) -> f64 {
        let peak_ms = self.health.peak_ewma_ns.map_or(self.latency_ms as f64, |ns| ns as f64 / 1e6);
        peak_ms * (f64::from(self.health.in_flight) + 1.0)
    }

    /// Ranked by a score alone.
    pub fn by(&self, score: f64, parts: Vec<Part>) -> Ranked {
        Ranked { group: if self.no_quota { NO_QUOTA } else { 0 }, score, parts, why: Cow::Borrowed("") }
    }
}

/// What a strategy says of one model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranked {
    /// Lower ones first.
    pub group: u32,
    /// Within the group, lower is better.
    pub score: f64,
    /// What it was made from.
    pub parts: Vec<Part>,
    /// Further words; may be empty.
    pub why: Cow<'static, str>,
}

impl Ranked {
    /// Put after those that do what the strategy wants.
    pub fn after_all(mut self, why: impl Into<Cow<'static, str>>) -> Self {
        self.group += 1;
        self.why = why.into();
        self
    }

    /// Whether its provider's rate limit leaves no room.
    pub fn has_no_quota(&self) -> bool {
        self.group >= NO_QUOTA
    }
}

/// A named number.
pub(super) fn part(name: &'static str, value: f64) -> Part {
    Part(Cow::Borrowed(name), value)
}
