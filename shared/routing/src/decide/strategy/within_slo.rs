//! By price among those that keep a latency objective; the others after them, fastest first.

use super::super::score::{Entry, Ranked, part};
use crate::catalogue::route::Slo;

pub(super) fn rank(slo: &Slo, entries: &[Entry<'_>]) -> Vec<Ranked> {
    entries.iter().map(|entry| one(slo, entry)).collect()
}

#[allow(clippy::cast_precision_loss)] // milliseconds
fn one(slo: &Slo, entry: &Entry<'_>) -> Ranked {
    // Before anything was measured, what the catalogue expects stands for both.
    let p95 = entry.statistics.and_then(|it| it.latency.p95_ms).unwrap_or(entry.latency_ms);
    let ttft = entry.statistics.and_then(|it| it.ttft.p95_ms).unwrap_or(entry.latency_ms.min(p95));
    let parts = vec![part("price_nanos", entry.price()), part("p95_ms", p95 as f64), part("ttft_ms", ttft as f64)];
    let misses = |name: &str, value: u64, most: Option<u64>| {
        most.filter(|most| value > *most).map(|most| format!("{name} of {value} ms misses {most} ms"))
    };
    match misses("p95", p95, slo.p95_ms).or_else(|| misses("time to first token", ttft, slo.ttft_ms)) {
        None => entry.by(entry.price(), parts),
        Some(why) => entry.by(if slo.p95_ms.is_some() { p95 } else { ttft } as f64, parts).after_all(why),
    }
}
