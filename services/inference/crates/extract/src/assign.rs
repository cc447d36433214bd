//! Gives values to fields. Every pairing of a label with a text in a fitting place is scored; the best pairing takes its field
//! and its text, then the next, so that no text answers two fields and no label is taken for a value.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::parse::{self, Parsed};
use super::pieces::{Piece, Role};
use super::places::{Place, Side, places};
use super::schema::{Field, Kind, Schema};
use super::table::{Agreement, Bill};
use super::{Found, Source, heading, leftover};

/// Reading confidence of clear print.
const CLEAR: f32 = 0.9;

/// A possible answer.
struct Pairing {
    field: usize,
    pieces: Vec<usize>,
    text: String,
    parsed: Parsed,
    /// Label, place and format; what pairings compete by.
    score: f32,
    confidence: f32,
    labelled: bool,
}

/// Answers every field of the schema.
pub fn assign(pieces: &[Piece], schema: &Schema, patterns: &[Option<Regex>]) -> BTreeMap<String, Found> {
    let pieces = &mark_unknown_labels(pieces);
    let bill = schema.fields.iter().any(|field| field.kind == Kind::Table).then(|| Bill::read(pieces));
    let mut pairings = Vec::new();
    for (index, field) in schema.fields.iter().enumerate() {
        let pattern = patterns.get(index).and_then(Option::as_ref);
        labelled(pieces, schema, index, field, pattern, &mut pairings);
        unlabelled(pieces, index, field, pattern, bill.as_ref(), &mut pairings);
    }
    pairings.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.confidence.total_cmp(&a.confidence)));
    let mut answers: BTreeMap<usize, Pairing> = BTreeMap::new();
    let mut taken = vec![false; pieces.len()];
    for pairing in pairings {
        let free = pairing.pieces.iter().all(|&at| taken.get(at).is_some_and(|taken| !taken));
        // A title may give a choice away and still be a heading's neighbour: choices take nothing.
        let shares =
            schema.fields.get(pairing.field).is_some_and(|field| field.kind == Kind::Choice && !pairing.labelled);
        if answers.contains_key(&pairing.field) || !(free || shares) {
            continue;
        }
        if !shares {
            for &at in &pairing.pieces {
                if let Some(slot) = taken.get_mut(at) {
                    *slot = true;
                }
            }
        }
        answers.insert(pairing.field, pairing);
    }
    for (index, pairing) in leftovers(pieces, schema, patterns, &answers, &taken) {
        answers.insert(index, pairing);
    }
    let mut found = BTreeMap::new();
    for (index, field) in schema.fields.iter().enumerate() {
        let answer = match (field.kind, &bill) {
            (Kind::Table, Some(bill)) => table(pieces, field, bill),
            _ => finish(pieces, index, field, answers.get(&index), bill.as_ref()),
        };
        found.insert(field.name.clone(), answer);
    }
    compose(schema, &mut found);
    found
}

/// Answers to the fields for which the document has no label in known words.
fn leftovers(
    pieces: &[Piece],
    schema: &Schema,
    patterns: &[Option<Regex>],
    answers: &BTreeMap<usize, Pairing>,
    taken: &[bool],
) -> Vec<(usize, Pairing)> {
    let labelled = |index: usize| pieces.iter().any(|piece| matches!(piece.role, Role::Label(of, _) if of == index));
    let open: Vec<usize> = schema
        .fields
        .iter()
        .enumerate()
        .filter(|(index, field)| {
            !answers.contains_key(index) && !labelled(*index) && (field.required || field.pattern.is_some())
        })
        .filter(|(_, field)| !matches!(field.kind, Kind::Table | Kind::Heading | Kind::Choice))
        // A total is told by its words and by adding up, never by what it may mean.
        .filter(|(_, field)| field.sum_of.is_none())
        .map(|(index, _)| index)
        .collect();
    let found = leftover::find(pieces, schema, patterns, &open, taken).into_iter().map(|left| {
        let kind = schema.fields.get(left.field).map_or(Kind::Text, |field| field.kind);
        let score = left.similarity * left.geometry * left.parsed.fit;
        let confidence = score * reading(pieces, &left.pieces, kind);
        let (field, labelled) = (left.field, true);
        let text = join(texts(pieces, &left.pieces), kind);
        (field, Pairing { field, pieces: left.pieces, text, parsed: left.parsed, score, confidence, labelled })
    });
    found.collect()
}

fn texts<'p>(pieces: &'p [Piece], used: &[usize]) -> impl Iterator<Item = &'p str> {
    used.iter().filter_map(|&at| pieces.get(at)).map(|piece| piece.text.as_str())
}

/// On a form whose labels stand left of their values, a text in the labels' column with a text to its right is a label too,
/// though nobody asked for it.
fn mark_unknown_labels(pieces: &[Piece]) -> Vec<Piece> {
    let mut pieces = pieces.to_vec();
    let has_right = |pieces: &[Piece], of: &Piece| {
        pieces.iter().any(|other| {
            other.page == of.page
                && !other.is_label()
                && (other.middle - of.middle).abs() < 0.5 * of.height
                && other.left > of.right
                && other.line != of.line
        })
    };
    let column: Vec<(usize, f32, f32)> = pieces
        .iter()
        .filter(|piece| piece.is_label() && has_right(&pieces, piece))
        .map(|piece| (piece.page, piece.left, piece.height))
        .collect();
    let unknown: Vec<usize> = pieces
        .iter()
        .enumerate()
        .filter(|(_, piece)| {
            !piece.is_label() && piece.text.split_whitespace().count() <= 5 && has_right(&pieces, piece)
        })
        .filter(|(_, piece)| {
            let aligned = column
                .iter()
                .filter(|(page, left, height)| *page == piece.page && (left - piece.left).abs() < 0.7 * height);
            aligned.count() >= 3
        })
        .map(|(at, _)| at)
        .collect();
    for at in unknown {
        if let Some(piece) = pieces.get_mut(at) {
            piece.role = Role::Unknown;
        }
    }
    pieces
}

fn labelled(
    pieces: &[Piece],
    schema: &Schema,
    index: usize,
    field: &Field,
    pattern: Option<&Regex>,
    pairings: &mut Vec<Pairing>,
) {
    for (at, label) in pieces.iter().enumerate() {
        let Role::Label(of, similarity) = label.role else { continue };
        if of != index {
            continue;
        }
        for place in places(pieces, at, field.multiline) {
            let text = join(texts(pieces, &place.pieces), field.kind);
            let Some(parsed) = parse::parse(field, pattern, schema.day_first, &text) else { continue };
            let score = similarity * place.geometry * parsed.fit * consensus(pieces, &place);
            let read = reading(pieces, &place.pieces, field.kind);
            pairings.push(Pairing {
                field: index,
                pieces: place.pieces,
                text,
                parsed,
                score,
                confidence: score * read,
                labelled: true,
            });
        }
    }
}

/// How far the form as a whole puts its values on this side: where nearly all stand right, one below is doubtful.
fn consensus(pieces: &[Piece], place: &Place) -> f32 {
    let (mut right, mut below) = (0_usize, 0_usize);
    for (at, piece) in pieces.iter().enumerate() {
        if !matches!(piece.role, Role::Label(..)) {
            continue;
        }
        match places(pieces, at, false).as_slice() {
            [] => {}
            [first, ..] if first.side == Side::Right => right += 1,
            _ => below += 1,
        }
    }
    let share = match place.side {
        Side::Right => right,
        Side::Below => below,
    } as f32
        / (right + below).max(1) as f32;
    0.9 + 0.1 * share
}

fn unlabelled(
    pieces: &[Piece],
    index: usize,
    field: &Field,
    pattern: Option<&Regex>,
    bill: Option<&Bill>,
    pairings: &mut Vec<Pairing>,
) {
    let mut push = |used: Vec<usize>, parsed: Parsed, score: f32| {
        let text = texts(pieces, &used).collect::<Vec<_>>().join(" ");
        let confidence = score * parsed.fit * reading(pieces, &used, field.kind);
        pairings.push(Pairing { field: index, pieces: used, text, parsed, score, confidence, labelled: false });
    };
    match field.kind {
        Kind::Heading => {
            for guess in heading::names(pieces) {
                if let Some(parsed) =
                    pieces.get(guess.piece).and_then(|piece| parse::parse(field, pattern, true, &piece.text))
                {
                    push(vec![guess.piece], parsed, guess.score.min(0.9));
                }
            }
        }
        Kind::Choice => {
            if let Some((guess, parsed)) = heading::choices(pieces, field).into_iter().next() {
                push(vec![guess.piece], parsed, guess.score * 0.9);
            }
        }
        Kind::Money if field.sum_of.is_some() => {
            if let Some((sum, _)) = bill.and_then(Bill::total)
                && let Some(&at) = sum.pieces.last()
            {
                let value = parse::Amount { cents: sum.cents, fit: sum.fit, explicit: true }.value();
                push(vec![at], Parsed { value, fit: sum.fit }, 1.0);
            }
        }
        Kind::Identifier => {
            // A code that only one text on the page can be needs no label.
            let Some(pattern) = pattern else { return };
            let mut found =
                pieces.iter().enumerate().filter(|(_, piece)| piece.role == Role::Text).filter_map(|(at, piece)| {
                    Some((at, parse::identifier(&piece.text, Some(pattern)).filter(|parsed| parsed.fit > 0.9)?))
                });
            if let (Some((at, parsed)), None) = (found.next(), found.next())
                && parsed.value.as_str().is_some_and(|code| code.len() >= 6)
            {
                push(vec![at], parsed, 0.8);
            }
        }
        _ => {}
    }
}

pub(super) fn join<'t>(texts: impl Iterator<Item = &'t str>, kind: Kind) -> String {
    let mut out = String::new();
    for text in texts {
        // A word divided at the end of a line is one word again.
        if kind == Kind::Text && out.ends_with('-') && text.starts_with(char::is_lowercase) {
            out.pop();
        } else if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(text);
    }
    out
}

/// How surely the pieces were read. A code or an amount is wrong with one wrong character, so the least sure one counts too.
fn reading(pieces: &[Piece], used: &[usize], kind: Kind) -> f32 {
    let of = |pick: fn(&Piece) -> f32| used.iter().filter_map(|&at| pieces.get(at)).map(pick).fold(1.0, f32::min);
    let mean = of(|piece| piece.confidence);
    // Clear print is read well above this; what lies under it is struck out, smeared or blurred.
    let mean = (mean - 2.0 * (CLEAR - mean).max(0.0)).max(0.0);
    match kind {
        Kind::Identifier | Kind::Money | Kind::Date | Kind::Phone => 0.6 * mean + 0.4 * of(|piece| piece.weakest),
        _ => mean,
    }
}

fn sources(pieces: &[Piece], used: &[usize]) -> Vec<Source> {
    used.iter()
        .filter_map(|&at| pieces.get(at))
        .map(|piece| Source {
            page: u32::try_from(piece.page).unwrap_or(u32::MAX),
            quad: piece.quad,
            text: piece.text.clone(),
        })
        .collect()
}

fn finish(pieces: &[Piece], index: usize, field: &Field, answer: Option<&Pairing>, bill: Option<&Bill>) -> Found {
    let Some(answer) = answer else {
        let label = pieces.iter().any(|piece| matches!(piece.role, Role::Label(of, _) if of == index));
        let reason = if label {
            "the field is on the document, but nothing readable stands in it"
        } else {
            "the document has no such field"
        };
        return Found {
            value: Value::Null,
            text: None,
            confidence: 0.0,
            needs_person: field.required,
            reason: Some(reason.to_owned()),
            source: Vec::new(),
        };
    };
    let (mut confidence, mut reason) = (answer.confidence.clamp(0.0, 1.0), None);
    if field.sum_of.is_some()
        && let (Some(bill), Some(total)) = (bill, answer.parsed.value.as_f64())
    {
        match bill.agreement((total * 100.0).round() as i64) {
            Agreement::Agrees => confidence = 1.0 - (1.0 - confidence) * 0.3,
            Agreement::Contradicts => {
                confidence *= 0.55;
                reason = Some("the lines do not add up to it".to_owned());
            }
            Agreement::Unknown => {}
        }
    }
    let unsure = confidence < field.threshold;
    if unsure && reason.is_none() {
        reason = Some(format!("read with confidence {confidence:.2}; {:.2} is asked for", field.threshold));
    }
    Found {
        value: answer.parsed.value.clone(),
        text: Some(answer.text.clone()),
        confidence,
        needs_person: unsure,
        reason,
        source: sources(pieces, &answer.pieces),
    }
}

fn table(pieces: &[Piece], field: &Field, bill: &Bill) -> Found {
    let used: Vec<usize> = bill.items.iter().flat_map(|item| item.pieces.iter().copied()).collect();
    let read = bill.items.iter().map(|item| item.confidence).fold(1.0, f32::min);
    let (confidence, mut reason) = match bill.total().map(|(_, agreement)| agreement) {
        _ if bill.items.is_empty() => (0.0, Some("no lines with amounts were found".to_owned())),
        Some(Agreement::Agrees) => (1.0 - (1.0 - read) * 0.3, None),
        Some(Agreement::Contradicts) => (read * 0.55, Some("the lines do not add up to the total".to_owned())),
        Some(Agreement::Unknown) | None => (read * 0.8, None),
    };
    let unsure = confidence < field.threshold;
    if unsure && reason.is_none() {
        reason = Some(format!("read with confidence {confidence:.2}; {:.2} is asked for", field.threshold));
    }
    Found {
        value: if bill.items.is_empty() { Value::Null } else { bill.value() },
        text: None,
        confidence,
        needs_person: unsure && (field.required || !bill.items.is_empty()),
        reason,
        source: sources(pieces, &used),
    }
}

/// Fills fields that the document splits from their parts.
fn compose(schema: &Schema, found: &mut BTreeMap<String, Found>) {
    for field in schema.fields.iter().filter(|field| !field.from.is_empty()) {
        if found.get(&field.name).is_some_and(|own| !own.value.is_null() && !own.needs_person) {
            continue;
        }
        let parts: Vec<Found> = field.from.iter().filter_map(|name| found.get(name)).cloned().collect();
        let words: Vec<&str> = parts.iter().filter_map(|part| part.value.as_str()).collect();
        if words.len() < field.from.len() {
            continue;
        }
        let confidence = parts.iter().map(|part| part.confidence).fold(1.0, f32::min);
        let value = words.join(" ");
        let whole = Found {
            text: Some(value.clone()),
            value: Value::from(value),
            confidence,
            needs_person: confidence < field.threshold,
            reason: None,
            source: parts.iter().flat_map(|part| part.source.iter().cloned()).collect(),
        };
        found.insert(field.name.clone(), whole);
    }
}
