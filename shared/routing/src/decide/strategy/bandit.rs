//! The model that has earned most so far, while the others are tried as often as it pays to learn.

use super::super::score::{Entry, Ranked, part};
use crate::catalogue::route::Bandit;
use crate::draw::Draws;
use crate::statistics::RouteStatistics;

#[allow(clippy::cast_precision_loss)] // counts of calls
pub(super) fn rank(
    bandit: &Bandit,
    statistics: Option<&RouteStatistics>,
    entries: &[Entry<'_>],
    draws: &mut Draws,
) -> Vec<Ranked> {
    let arm = |entry: &Entry<'_>| {
        statistics.and_then(|statistics| statistics.arms.get(&entry.model.name)).copied().unwrap_or_default()
    };
    let total = entries.iter().map(|entry| arm(entry).pulls).fold(0, u64::saturating_add);
    let one = |entry: &Entry<'_>| {
        let arm = arm(entry);
        let worth = arm.worth(bandit.algorithm, total, draws);
        let parts = vec![part("worth", worth), part("mean_reward", arm.mean()), part("pulls", arm.pulls as f64)];
        entry.by(-worth, parts)
    };
    entries.iter().map(one).collect()
}
