//! By price and latency together.

use super::super::score::{Entry, Ranked, part};

/// One millisecond weighs as much as this many nano-units: a second is worth 0.0001 of the currency.
const NANOS_PER_MILLISECOND: f64 = 100.0;

pub(super) fn rank(entries: &[Entry<'_>]) -> Vec<Ranked> {
    let one = |entry: &Entry<'_>| {
        let (price, latency) = (entry.price(), entry.expected_ms());
        let parts = vec![part("price_nanos", price), part("latency_ms", latency)];
        entry.by(price + latency * NANOS_PER_MILLISECOND, parts)
    };
    entries.iter().map(one).collect()
}
