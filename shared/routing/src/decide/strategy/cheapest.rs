//! By price.

use super::super::score::{Entry, Ranked, part};

pub(super) fn rank(entries: &[Entry<'_>]) -> Vec<Ranked> {
    entries.iter().map(|entry| entry.by(entry.price(), vec![part("price_nanos", entry.price())])).collect()
}
