//! The name at the head of a page and the choice that a title gives away: what documents state without a label, by size and place.

use super::layout::median;
use super::pieces::{Piece, Role};
use super::schema::Field;
use super::{parse, wording};

/// Words that name a kind of document, never the one who issued it.
const TITLES: &[&str] = &[
    "estimate",
    "quotation",
    "quote",
    "invoice",
    "receipt",
    "form",
    "claim",
    "repair",
    "cost",
    "page",
    "date",
    "bill",
    "copy",
    "original",
    "customer",
    "description",
    "amount",
    "rechnung",
    "angebot",
    "kostenvoranschlag",
    "proforma",
    "pro",
    "forma",
    "of",
    "for",
    "repairs",
    "work",
    "the",
    "written",
    "and",
    "document",
    "sheet",
    "valuation",
];
const FIRMS: &[&str] = &[
    "ltd",
    "limited",
    "llc",
    "inc",
    "gmbh",
    "plc",
    "sons",
    "co",
    "company",
    "works",
    "services",
    "garage",
    "bros",
    "brothers",
    "group",
    "ag",
    "bv",
    "motors",
    "associates",
    "partners",
];

/// A piece that could be what is looked for, with its score.
#[derive(Debug, Clone, Copy)]
pub struct Guess {
    /// Index of the piece.
    pub piece: usize,
    /// 0 to 1.
    pub score: f32,
}

/// Candidates for the name at the head of the first page, best first.
pub fn names(pieces: &[Piece]) -> Vec<Guess> {
    let first: Vec<(usize, &Piece)> = pieces.iter().enumerate().filter(|(_, piece)| piece.page == 0).collect();
    let Some(scale) = Scale::of(&first) else { return Vec::new() };
    let mut guesses: Vec<Guess> = first
        .iter()
        .filter(|(_, piece)| piece.role == Role::Text && is_name(&piece.text) && !follows_label(pieces, piece))
        .map(|&(at, piece)| {
            let words = wording::plain(&piece.text);
            let firm = words.split(' ').any(|word| FIRMS.contains(&word));
            let size = ((piece.height / scale.height - 1.0) / 0.5).clamp(0.0, 1.0);
            let place = 1.0 - scale.depth(piece);
            let score = 0.40 * size + 0.45 * place * place + if firm { 0.28 } else { 0.1 };
            Guess { piece: at, score: score.min(1.0) }
        })
        .filter(|guess| guess.score > 0.3)
        .collect();
    guesses.sort_by(|a, b| b.score.total_cmp(&a.score));
    // The further ahead of the next one, the surer.
    let lead = match guesses.as_slice() {
        [first, second, ..] => (first.score - second.score).clamp(0.0, 0.25),
        _ => 0.25,
    };
    if let Some(best) = guesses.first_mut() {
        best.score = (0.66 + lead * 1.3).min(0.97);
    }
    guesses
}

/// Pieces that give a choice away, largest and highest first; a tie between two values is no answer.
pub fn choices(pieces: &[Piece], field: &Field) -> Vec<(Guess, parse::Parsed)> {
    let first: Vec<(usize, &Piece)> = pieces.iter().enumerate().collect();
    let Some(scale) = Scale::of(&first) else { return Vec::new() };
    let mut found: Vec<(Guess, parse::Parsed)> = first
        .iter()
        .filter_map(|&(at, piece)| {
            let parsed = parse::parse(field, None, true, &piece.text)?;
            let words = piece.text.split_whitespace().count() as f32;
            let size = ((piece.height / scale.height - 0.8) / 0.7).clamp(0.0, 1.0);
            let brevity = (5.0 / words.max(5.0)).min(1.0);
            let score = 0.45 * (1.0 - scale.depth(piece)) + 0.35 * size + 0.2 * brevity;
            Some((Guess { piece: at, score }, parsed))
        })
        .collect();
    found.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
    let rival = match found.as_slice() {
        [best, rest @ ..] => rest.iter().find(|other| other.1.value != best.1.value).map_or(0.0, |other| other.0.score),
        [] => 0.0,
    };
    if let Some(best) = found.first_mut() {
        best.0.score = if best.0.score - rival < 0.04 { 0.4 } else { 0.95 };
    }
    found
}

struct Scale {
    height: f32,
    top: f32,
    extent: f32,
}

impl Scale {
    fn of(pieces: &[(usize, &Piece)]) -> Option<Self> {
        let height = median(pieces.iter().map(|(_, piece)| piece.height).collect())?;
        let page = pieces.first().map(|(_, piece)| piece.page)?;
        let on_page = || pieces.iter().filter(|(_, piece)| piece.page == page).map(|(_, piece)| piece.middle);
        let (top, bottom) = (on_page().fold(f32::MAX, f32::min), on_page().fold(f32::MIN, f32::max));
        // A page with few lines has no depth to speak of.
        Some(Self { height, top, extent: (bottom - top).max(12.0 * height) })
    }

    fn depth(&self, piece: &Piece) -> f32 {
        ((piece.middle - self.top) / self.extent + if piece.page > 0 { 0.5 } else { 0.0 }).clamp(0.0, 1.0)
    }
}

fn is_name(text: &str) -> bool {
    let plain = wording::plain(text);
    let words: Vec<&str> = plain.split(' ').filter(|word| !word.is_empty()).collect();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    letters >= 3
        && digits * 4 < letters
        && words.len() <= 7
        && !text.contains('@')
        && !words.iter().all(|word| TITLES.contains(word))
        && !plain.starts_with("www")
        && !text.ends_with(':')
}

fn follows_label(pieces: &[Piece], piece: &Piece) -> bool {
    pieces.iter().any(|other| {
        other.is_label()
            && other.page == piece.page
            && (other.line == piece.line || (other.middle - piece.middle).abs() < 0.5 * piece.height)
            && other.left < piece.left
    })
}
