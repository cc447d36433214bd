//! Fields that no known label names, and heads that name no known field: matched to each other by sense and by the kind of
//! value that stands with the head. A field that only one head can mean, and whose value fits, is found under new words.

use std::cmp::Ordering;

use regex::Regex;

use super::parse::{self, Parsed};
use super::pieces::{Piece, Role};
use super::places::{Place, Side, places};
use super::schema::{Field, Kind, Schema};

/// Least nearness of sense for a value whose form speaks for itself (a date, an amount, a telephone number, a known code),
const STRICT_MIN: f32 = 0.35;
/// for free text behind a head that is marked as a label,
const TEXT_MIN: f32 = 0.4;
/// and behind one that is not.
const UNMARKED_MIN: f32 = 0.55;
/// What a fitting value of such a form adds to the nearness when heads compete for a field.
const FORM_BONUS: f32 = 0.25;
/// Two fields this near to one head leave it in doubt.
const MARGIN: f32 = 0.05;

/// A field found under words that are not its own.
pub struct Leftover {
    /// Index of the field.
    pub field: usize,
    /// The pieces of its value.
    pub pieces: Vec<usize>,
    /// The value.
    pub parsed: Parsed,
    /// How sure the head is, in the place of a label's similarity.
    pub similarity: f32,
    /// How well the value lies.
    pub geometry: f32,
}

/// A head that may name a field, with the value beside it.
struct Match {
    field: usize,
    head: usize,
    nearness: f32,
    value: Option<(Vec<usize>, Parsed, f32)>,
}

/// Which way most labels have their values; `None` where there are none.
fn usual_side(pieces: &[Piece]) -> Option<Side> {
    let sides = pieces
        .iter()
        .enumerate()
        .filter(|(_, piece)| matches!(piece.role, Role::Label(..)))
        .filter_map(|(at, _)| places(pieces, at, false).first().map(|place| place.side));
    let (right, below): (Vec<Side>, Vec<Side>) = sides.partition(|side| *side == Side::Right);
    match right.len().cmp(&below.len()) {
        Ordering::Greater => Some(Side::Right),
        Ordering::Less => Some(Side::Below),
        Ordering::Equal => None,
    }
}

/// Matches the fields of `open` to heads. A field whose nearest head has no value stays unanswered.
pub fn find(
    pieces: &[Piece],
    schema: &Schema,
    patterns: &[Option<Regex>],
    open: &[usize],
    taken: &[bool],
) -> Vec<Leftover> {
    let mut matches: Vec<Match> = Vec::new();
    let side = usual_side(pieces);
    for (head, piece) in pieces.iter().enumerate() {
        let free = !taken.get(head).is_some_and(|taken| *taken);
        if !matches!(piece.role, Role::Unknown | Role::Text) || !free || piece.likeness.is_empty() {
            continue;
        }
        let other = piece.likeness.get(schema.fields.len()).copied().unwrap_or_default();
        for &field in open {
            let (Some(wanted), Some(&near)) = (schema.fields.get(field), piece.likeness.get(field)) else { continue };
            let pattern = patterns.get(field).and_then(Option::as_ref);
            let value = value_of(pieces, head, wanted, pattern, schema.day_first, taken, side);
            let strict = is_strict(wanted, pattern);
            let nearness = if strict && value.is_some() { near + FORM_BONUS } else { near };
            // Without a mark only a head with a value is one.
            let least = match (strict, piece.role) {
                (true, _) => STRICT_MIN,
                (false, Role::Unknown) => TEXT_MIN,
                (false, _) => UNMARKED_MIN,
            };
            if near >= least && nearness > other && (piece.role == Role::Unknown || value.is_some()) {
                matches.push(Match { field, head, nearness, value });
            }
        }
    }
    matches.sort_by(|a, b| b.nearness.total_cmp(&a.nearness));
    let mut found: Vec<Leftover> = Vec::new();
    let (mut heads, mut fields) = (Vec::new(), Vec::new());
    for at in 0..matches.len() {
        let Some(best) = matches.get(at) else { break };
        if heads.contains(&best.head) || fields.contains(&best.field) {
            continue;
        }
        let rival = matches.iter().any(|other| {
            other.head == best.head
                && other.field != best.field
                && !fields.contains(&other.field)
                && best.nearness - other.nearness < MARGIN
        });
        heads.push(best.head);
        fields.push(best.field);
        let Some((used, parsed, geometry)) = &best.value else { continue };
        let similarity = if rival { 0.6 } else { (0.66 + 0.25 * best.nearness).min(0.88) };
        found.push(Leftover {
            field: best.field,
            pieces: used.clone(),
            parsed: parsed.clone(),
            similarity,
            geometry: *geometry,
        });
    }
    found
}

fn is_strict(field: &Field, pattern: Option<&Regex>) -> bool {
    match field.kind {
        Kind::Date | Kind::Money | Kind::Phone => true,
        Kind::Identifier => pattern.is_some(),
        _ => false,
    }
}

fn value_of(
    pieces: &[Piece],
    head: usize,
    field: &Field,
    pattern: Option<&Regex>,
    day_first: bool,
    taken: &[bool],
    side: Option<Side>,
) -> Option<(Vec<usize>, Parsed, f32)> {
    // What is no label by its marks is one at most by standing to its value as the labels do.
    let marked = pieces.get(head).is_some_and(|piece| piece.role == Role::Unknown);
    let free = |used: &[usize]| used.iter().all(|&at| at != head && !taken.get(at).is_some_and(|taken| *taken));
    let fits = |place: &Place| {
        let account = field.multiline && place.side == Side::Below;
        free(&place.pieces) && (marked || account || side.is_none_or(|side| side == place.side))
    };
    places(pieces, head, field.multiline).into_iter().filter(fits).find_map(|place| {
        let text = super::assign::join(
            place.pieces.iter().filter_map(|&at| pieces.get(at)).map(|piece| piece.text.as_str()),
            field.kind,
        );
        let parsed = parse::parse(field, pattern, day_first, &text).filter(|parsed| parsed.fit > 0.6)?;
        Some((place.pieces, parsed, place.geometry))
    })
}
