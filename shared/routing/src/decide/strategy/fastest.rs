//! By latency. What a route with a budget allows was checked before.

use super::super::score::{Entry, Ranked, part};

pub(super) fn rank(entries: &[Entry<'_>]) -> Vec<Ranked> {
    let one = |entry: &Entry<'_>| {
        let parts = vec![part("latency_ms", entry.expected_ms()), part("error_rate", entry.error_rate())];
        entry.by(entry.expected_ms(), parts)
    };
    entries.iter().map(one).collect()
}
