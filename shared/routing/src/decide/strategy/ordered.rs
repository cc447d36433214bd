//! As the route lists them.

use super::super::score::{Entry, Ranked, part};

#[allow(clippy::cast_precision_loss)] // a place in a list
pub(super) fn rank(entries: &[Entry<'_>]) -> Vec<Ranked> {
    entries.iter().map(|entry| entry.by(entry.place as f64, vec![part("place", entry.place as f64)])).collect()
}
