//! Where a label's value may stand: in the same line, to the right, or below. Judges distance and alignment only.

use super::pieces::Piece;

/// Pieces that may together be a label's value, and how well they lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Indices of the pieces, in reading order.
    pub pieces: Vec<usize>,
    /// Which way the value lies from its label.
    pub side: Side,
    /// 0 to 1.
    pub geometry: f32,
}

/// Which way a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Behind the label, in its line or its row.
    Right,
    /// Under the label.
    Below,
}

/// Distance between baselines, in heights of print, above which lines are not one paragraph.
const PARAGRAPH: f32 = 1.95;
/// How much wider than the step from the label to its value the steps between the value's lines may be.
const PITCH_TO_DROP: f32 = 1.25;
/// How far under a label its value may stand, in heights of print.
const BELOW_MAX: f32 = 4.2;

/// The places for the value of the label at `label`, best of each kind first.
pub fn places(pieces: &[Piece], label: usize, multiline: bool) -> Vec<Place> {
    let Some(from) = pieces.get(label) else { return Vec::new() };
    let mut found = Vec::new();
    let row = right_of(pieces, from, label);
    if let Some(first) = row.first().and_then(|&at| pieces.get(at)) {
        let gap = (first.left - from.right).max(0.0) / from.height;
        let slip = (first.middle - from.middle).abs() / from.height;
        let geometry = (1.0 - 0.008 * gap.min(30.0)) * (1.0 - 0.3 * slip);
        add(&mut found, pieces, &row, (Side::Right, geometry), 0.0, multiline);
    }
    if let Some(row) = below(pieces, from, label)
        && let Some(first) = row.first().and_then(|&at| pieces.get(at))
    {
        let drop = (first.middle - from.middle) / from.height;
        let shift = (first.left - from.left).abs() / from.height;
        let geometry = (1.0 - 0.04 * (drop - 1.2).max(0.0)) * (1.0 - 0.02 * shift.min(8.0)) * 0.97;
        add(&mut found, pieces, &row, (Side::Below, geometry), first.middle - from.middle, multiline);
    }
    found
}

fn add(
    found: &mut Vec<Place>,
    pieces: &[Piece],
    row: &[usize],
    (side, geometry): (Side, f32),
    drop: f32,
    multiline: bool,
) {
    let joined = joined(pieces, row);
    // Under its label a paragraph is set no wider than it stands below the label; what comes after a wider gap is the next field.
    let pitch_max = if side == Side::Below { PITCH_TO_DROP * drop } else { f32::MAX };
    if multiline {
        let block = paragraph(pieces, &joined, side, pitch_max);
        if block.len() > joined.len() {
            found.push(Place { pieces: block, side, geometry });
            return;
        }
    }
    if joined.len() > 1
        && let Some(&first) = joined.first()
    {
        found.push(Place { pieces: vec![first], side, geometry: geometry * 0.96 });
    }
    found.push(Place { pieces: joined, side, geometry });
}

/// Texts of the same row behind the label, up to the next label.
fn right_of(pieces: &[Piece], from: &Piece, label: usize) -> Vec<usize> {
    let mut row: Vec<usize> = (0..pieces.len())
        .filter(|&at| at != label)
        .filter(|&at| {
            pieces.get(at).is_some_and(|piece| {
                let reach = 0.55 * piece.height.max(from.height);
                piece.page == from.page
                    && (piece.line == from.line || (piece.middle - from.middle).abs() < reach)
                    && piece.left > from.left
                    && piece.left >= from.right - 0.6 * from.height
            })
        })
        .collect();
    row.sort_by(|&a, &b| left(pieces, a).total_cmp(&left(pieces, b)));
    row.into_iter().take_while(|&at| pieces.get(at).is_some_and(|piece| !piece.is_label())).collect()
}

/// The nearest row under the label that shares its column, if it is a text.
fn below(pieces: &[Piece], from: &Piece, label: usize) -> Option<Vec<usize>> {
    let shares = |piece: &Piece| {
        let reach = 1.5 * from.height;
        let overlaps = piece.left < from.right + reach && piece.right > from.left - reach;
        let starts =
            (piece.left - from.left).abs() < 3.0 * from.height || (piece.left < from.left && piece.right > from.right);
        overlaps && (starts || (piece.left > from.left && piece.left < from.right))
    };
    let under = |piece: &Piece| {
        let drop = piece.middle - from.middle;
        drop > 0.6 * from.height && drop < BELOW_MAX * from.height.max(piece.height)
    };
    let nearest = (0..pieces.len())
        .filter(|&at| at != label)
        .filter_map(|at| pieces.get(at).map(|piece| (at, piece)))
        .filter(|(_, piece)| piece.page == from.page && under(piece) && shares(piece))
        .min_by(|(_, a), (_, b)| {
            let key = |piece: &Piece| (piece.middle / (0.6 * from.height)).round();
            key(a).total_cmp(&key(b)).then(a.left.total_cmp(&b.left))
        })?;
    if nearest.1.is_label() {
        return None;
    }
    let mut row = vec![nearest.0];
    row.extend(right_of(pieces, nearest.1, nearest.0));
    Some(row)
}

fn left(pieces: &[Piece], at: usize) -> f32 {
    pieces.get(at).map_or(0.0, |piece| piece.left)
}

/// The first text of a row and those that follow it closely: one value that the reader split.
fn joined(pieces: &[Piece], row: &[usize]) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for &at in row {
        let (Some(piece), previous) = (pieces.get(at), kept.last().and_then(|&last| pieces.get(last))) else { break };
        if previous.is_some_and(|previous| piece.left - previous.right > 1.6 * piece.height) {
            break;
        }
        kept.push(at);
    }
    kept
}

/// Adds the lines that follow in the same column, closely spaced, until a label or a gap.
fn paragraph(pieces: &[Piece], first: &[usize], side: Side, pitch_max: f32) -> Vec<usize> {
    let mut block = first.to_vec();
    let Some(start) = first.first().and_then(|&at| pieces.get(at)) else { return block };
    let mut last = start;
    let right = first.iter().filter_map(|&at| pieces.get(at)).map(|piece| piece.right).fold(start.right, f32::max);
    loop {
        let next = pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| {
                let drop = piece.middle - last.middle;
                piece.page == start.page
                    && drop > 0.6 * last.height
                    && drop < (PARAGRAPH * last.height.max(piece.height)).min(pitch_max)
                    && (piece.left - start.left).abs() < 1.6 * start.height
            })
            .min_by(|(_, a), (_, b)| a.middle.total_cmp(&b.middle));
        let Some((at, piece)) = next else { return block };
        let titled = pieces.iter().any(|other| {
            // Right of the labels, whatever stands left of a line names it.
            (other.is_label() || side == Side::Right)
                && other.page == start.page
                && (other.middle - piece.middle).abs() < 0.5 * piece.height
                && other.left < piece.left
                && piece.left - other.right < right - start.left
        });
        if piece.is_label() || titled || block.len() > 40 {
            return block;
        }
        block.push(at);
        block.extend(joined(pieces, &right_of(pieces, piece, at)).into_iter().take(4));
        last = piece;
    }
}
