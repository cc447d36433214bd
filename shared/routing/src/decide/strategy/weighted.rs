//! At random, each model as often as its weight says.

use std::collections::BTreeMap;

use super::super::score::{Entry, Ranked, part};
use crate::draw::Draws;

/// Weighted sampling without replacement (Efraimidis and Spirakis 2006): each model waits an exponential time whose rate
/// is its weight, and they come in the order of their times. So the fallbacks are drawn by weight as well.
pub(super) fn rank(weights: &BTreeMap<String, u32>, entries: &[Entry<'_>], draws: &mut Draws) -> Vec<Ranked> {
    let one = |entry: &Entry<'_>| {
        let weight = f64::from(weights.get(&entry.model.name).copied().unwrap_or(0));
        let wait = -draws.unit().ln();
        let parts = vec![part("weight", weight)];
        match weight > 0.0 {
            true => entry.by(wait / weight, parts),
            false => entry.by(wait, parts).after_all("its weight is 0"),
        }
    };
    entries.iter().map(one).collect()
}
