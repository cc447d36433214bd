//! The less loaded of two models that chance picks.

use super::super::score::{Entry, Ranked, part};
use crate::draw::Draws;

/// Power of two choices (Mitzenmacher 2001) over peak EWMA times the calls under way, as in Finagle: picking the best of
/// all would send every process's calls to the same model at once. The others follow by their load.
pub(super) fn rank(entries: &[Entry<'_>], draws: &mut Draws) -> Vec<Ranked> {
    let usable: Vec<usize> =
        (0..entries.len()).filter(|index| entries.get(*index).is_some_and(|it| !it.no_quota)).collect();
    let picked = two_of(&usable, draws);
    let one = |(index, entry): (usize, &Entry<'_>)| {
        let parts = vec![part("load_ms", entry.load()), part("in_flight", f64::from(entry.health.in_flight))];
        let ranked = entry.by(entry.load(), parts);
        if picked.contains(&index) || entry.no_quota { ranked } else { ranked.after_all("not among the two drawn") }
    };
    entries.iter().enumerate().map(one).collect()
}

/// Two different ones of these, or as many as there are.
fn two_of(usable: &[usize], draws: &mut Draws) -> Vec<usize> {
    let first = draws.below(usable.len());
    let second = draws.below(usable.len().saturating_sub(1));
    let second = if second >= first { second + 1 } else { second };
    [first, second].iter().filter_map(|place| usable.get(*place).copied()).collect()
}
