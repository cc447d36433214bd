//! From the detector's probability map to text lines: threshold, 2 by 2 dilation, connected components, the smallest
//! rectangle of each, its mean probability, and growth back to full height. Pure; the numbers are PP-OCRv6's own.

use orrery_content::Point;

use super::geometry::{Quad, Rectangle, convex_hull};

/// A pixel belongs to text above this probability.
const PIXEL_MIN: f32 = 0.3;
/// A region is kept when the mean probability inside it reaches this.
const REGION_MIN: f32 = 0.5;
/// How far a shrunken region is grown back.
const UNCLIP_RATIO: f32 = 1.6;
/// A region's shorter side, in pixels of the map, before it is grown.
const SIDE_MIN: f32 = 3.0;
/// More regions than this on a page are noise, not text; the largest are kept.
const REGIONS_MAX: usize = 1000;

/// The detector's answer: probabilities row by row.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbabilityMap<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: &'a [f32],
}

/// A horizontal run of text pixels, ends included.
#[derive(Debug, Clone, Copy)]
struct Run {
    row: usize,
    first: usize,
    last: usize,
}

/// The lines of text in the map, in its pixels.
pub(super) fn find_lines(map: ProbabilityMap<'_>) -> Vec<Quad> {
    let mut components = components(map);
    if components.len() > REGIONS_MAX {
        components.sort_by_key(|runs| std::cmp::Reverse(runs.len()));
        components.truncate(REGIONS_MAX);
    }
    components
        .into_iter()
        .filter_map(|runs| {
            let ends = runs.iter().flat_map(|run| [(run.first, run.row), (run.last, run.row)]);
            let hull = convex_hull(ends.map(|(x, y)| Point { x: x as f32, y: y as f32 }).collect());
            let rectangle = Rectangle::around(&hull)?;
            let keep = rectangle.short_side() >= SIDE_MIN && mean_inside(map, &rectangle.corners()) >= REGION_MIN;
            keep.then(|| rectangle.unclip(UNCLIP_RATIO).corners())
        })
        .collect()
}

/// Eight-connected components of the dilated mask, as runs, joined row by row with a union-find.
fn components(map: ProbabilityMap<'_>) -> Vec<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut parents: Vec<usize> = Vec::new();
    let mut above: std::ops::Range<usize> = 0..0;
    let mut previous = vec![false; map.width];
    for (row, values) in map.values.chunks_exact(map.width.max(1)).take(map.height).enumerate() {
        let bright: Vec<bool> = values.iter().map(|value| *value > PIXEL_MIN).collect();
        let begin = runs.len();
        collect_runs(row, &bright, &previous, &mut runs);
        parents.extend(begin..runs.len());
        join_rows(&runs, above, begin..runs.len(), &mut parents);
        above = begin..runs.len();
        previous = bright;
    }
    let mut groups: std::collections::BTreeMap<usize, Vec<Run>> = std::collections::BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        groups.entry(root(&mut parents, index)).or_default().push(*run);
    }
    groups.into_values().collect()
}

/// Dilation by a 2 by 2 kernel anchored at its lower right: a pixel is set when it, its left, its upper or its upper left
/// neighbour is bright.
fn collect_runs(row: usize, bright: &[bool], previous: &[bool], runs: &mut Vec<Run>) {
    let mut open: Option<Run> = None;
    let mut left = false;
    for (column, (here, up)) in bright.iter().zip(previous).enumerate() {
        let lit = *here || *up;
        if lit || left {
            open = Some(open.map_or(Run { row, first: column, last: column }, |run| Run { last: column, ..run }));
        } else if let Some(run) = open.take() {
            runs.push(run);
        }
        left = lit;
    }
    runs.extend(open);
}

/// Joins each run of the lower row with every run of the upper row that it touches, diagonals included.
fn join_rows(runs: &[Run], upper: std::ops::Range<usize>, lower: std::ops::Range<usize>, parents: &mut [usize]) {
    let mut from = upper.start;
    for index in lower {
        let Some(run) = runs.get(index) else { break };
        for (other_index, other) in runs.iter().enumerate().take(upper.end).skip(from) {
            if other.last + 1 < run.first {
                from = other_index + 1;
                continue;
            }
            if other.first > run.last + 1 {
                break;
            }
            let (a, b) = (root(parents, index), root(parents, other_index));
            if let Some(parent) = parents.get_mut(a.max(b)) {
                *parent = a.min(b);
            }
        }
    }
}

fn root(parents: &mut [usize], mut index: usize) -> usize {
    while let Some(parent) = parents.get(index).copied().filter(|parent| *parent != index) {
        let grandparent = parents.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = parents.get_mut(index) {
            *slot = grandparent;
        }
        index = grandparent;
    }
    index
}

/// Mean probability over the pixels inside a convex quad, found row by row.
fn mean_inside(map: ProbabilityMap<'_>, quad: &Quad) -> f32 {
    let top = quad.iter().map(|p| p.y).fold(f32::MAX, f32::min).floor().max(0.0) as usize;
    let bottom = quad.iter().map(|p| p.y).fold(0.0, f32::max).ceil() as usize;
    let (mut sum, mut count) = (0.0_f64, 0_usize);
    for row in top..=bottom.min(map.height.saturating_sub(1)) {
        let Some((first, last)) = span_at(quad, row as f32) else { continue };
        let begin = row * map.width + first.round().max(0.0) as usize;
        let end = row * map.width + (last.round().max(0.0) as usize).min(map.width.saturating_sub(1));
        for value in map.values.get(begin..=end).unwrap_or_default() {
            sum += f64::from(*value);
            count += 1;
        }
    }
    if count == 0 { 0.0 } else { (sum / count as f64) as f32 }
}

/// Where a horizontal line enters and leaves a convex quad.
fn span_at(quad: &Quad, y: f32) -> Option<(f32, f32)> {
    let (mut first, mut last) = (f32::MAX, f32::MIN);
    for (a, b) in quad.iter().zip(quad.iter().cycle().skip(1)) {
        if (a.y - y) * (b.y - y) > 0.0 {
            continue;
        }
        let x = if (a.y - b.y).abs() <= f32::EPSILON {
            [a.x, b.x]
        } else {
            [a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y); 2]
        };
        for value in x {
            (first, last) = (first.min(value), last.max(value));
        }
    }
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const WIDTH: usize = 64;
    const HEIGHT: usize = 40;

    fn find(probability: impl Fn(usize, usize) -> f32) -> Vec<Quad> {
        let values: Vec<f32> = (0..WIDTH * HEIGHT).map(|i| probability(i % WIDTH, i / WIDTH)).collect();
        find_lines(ProbabilityMap { width: WIDTH, height: HEIGHT, values: &values })
    }

    #[test]
    fn an_empty_map_has_no_lines() {
        assert!(find(|_, _| 0.1).is_empty());
    }

    #[test]
    fn two_bars_are_two_lines_grown_on_all_sides() {
        let lines =
            find(
                |x, y| if (10..50).contains(&x) && ((5..11).contains(&y) || (25..31).contains(&y)) { 0.9 } else { 0.0 },
            );
        assert_eq!(lines.len(), 2);
        // Dilation adds one pixel right and below: 10..=50 by 5..=11, so 40 by 6, grown by 240 * 1.6 / 92 = 4.17.
        let [top_left, _, bottom_right, _] = lines[0];
        assert!((top_left.x - 5.83).abs() < 0.01 && (top_left.y - 0.83).abs() < 0.01, "{top_left:?}");
        assert!((bottom_right.x - 54.17).abs() < 0.01 && (bottom_right.y - 15.17).abs() < 0.01, "{bottom_right:?}");
    }

    #[test]
    fn a_u_shape_is_one_component() {
        let u = |x: usize, y: usize| (5..35).contains(&y) && ((5..15).contains(&x) || (45..60).contains(&x) || y > 28);
        assert_eq!(
            components(ProbabilityMap {
                width: WIDTH,
                height: HEIGHT,
                values: &(0..WIDTH * HEIGHT).map(|i| f32::from(u8::from(u(i % WIDTH, i / WIDTH)))).collect::<Vec<_>>(),
            })
            .iter()
            .filter(|runs| !runs.is_empty())
            .count(),
            1
        );
    }

    #[test]
    fn a_faint_or_tiny_region_is_dropped() {
        assert!(find(|x, y| if (10..50).contains(&x) && (5..11).contains(&y) { 0.4 } else { 0.0 }).is_empty());
        assert!(find(|x, y| if (10..12).contains(&x) && (5..7).contains(&y) { 0.9 } else { 0.0 }).is_empty());
    }

    #[test]
    fn touching_the_border_is_no_fault() {
        assert_eq!(find(|_, y| if y >= 30 { 1.0 } else { 0.0 }).len(), 1);
    }
}
