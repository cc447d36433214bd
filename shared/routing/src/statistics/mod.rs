//! What decisions know of the past: one value, published now and then by whoever measures, and named by its revision in
//! the record of each decision. Whole numbers only, so that it reads back from JSON exactly as it was.

mod rolling;
mod sketch;

pub use rolling::{Rolling, Sample, Span, Summary};
pub use sketch::{OtherAccuracy, Sketch};

use std::collections::BTreeMap;

use orrery_types::Nanos;
use serde::{Deserialize, Serialize};

use crate::bandit::Arm;
use crate::canary::CanaryStanding;
use crate::catalogue::route::Quantile;

/// Everything measured, at one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// Raised with every publication; 0 is before any.
    pub revision: u64,
    /// By model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelStatistics>,
    /// By route.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, RouteStatistics>,
}

/// Of one model, over the last minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelStatistics {
    /// How long whole answers take.
    pub latency: Quantiles,
    /// How long it takes until answers begin.
    pub ttft: Quantiles,
    /// Failed calls in a million.
    pub error_ppm: u32,
    /// Quality that evaluations found, in thousandths, by capability or route.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quality_milli: BTreeMap<String, u32>,
}

/// Measured durations; none while there are too few calls to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantiles {
    /// Median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<u64>,
    /// 95 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<u64>,
    /// 99 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<u64>,
}

impl Quantiles {
    /// One of them.
    pub fn get(&self, quantile: Quantile) -> Option<u64> {
        match quantile {
            Quantile::P50 => self.p50_ms,
            Quantile::P95 => self.p95_ms,
            Quantile::P99 => self.p99_ms,
        }
    }
}

/// Of one route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteStatistics {
    /// What a bandit has learned, by model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub arms: BTreeMap<String, Arm>,
    /// How the canary does.
    pub canary: CanaryStanding,
    /// What its shadow has cost today.
    pub shadow_spent: Nanos,
}
