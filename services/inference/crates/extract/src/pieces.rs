//! Cuts the lines of a page into labels and the texts between them, so that "Policy no: NM-T-1  Date: 2/1/26" becomes two labels
//! with a text behind each. A label is decided over the whole document at once: the best match takes its words first.

use orrery_content::Point;

use super::layout::Line;
use super::schema::{Kind, Schema};
use super::sense::{self, Sense};
use super::wording::{self, Wording};

/// Least similarity of wording at which words count as a label.
const SIMILARITY_MIN: f32 = 0.8;
/// Least that remains of it after doubts about where the label begins and ends.
const SPAN_MIN: f32 = 0.75;
/// Most words in a label.
pub(super) const WORDS_MAX: usize = 8;

/// Labels that forms of all kinds carry. They only ever end a neighbour's value; a schema's own labels go before them.
const FOREIGN: &[&str] = &[
    "email",
    "e-mail",
    "e-mail address",
    "address",
    "postcode",
    "zip code",
    "date of birth",
    "occupation",
    "signature",
    "signed",
    "date signed",
    "signature of claimant",
    "declaration",
    "iban",
    "account number",
    "bank",
    "make",
    "model",
    "make and model",
    "mileage",
    "website",
    "page",
    "for office use only",
    "office use only",
    "received",
    "handler",
    "excess",
    "fax",
    "nationality",
    "witness",
    "witnesses",
    "police report number",
    "police reference",
    "crime reference",
    "valid until",
    "payment terms",
    "due date",
    "order number",
    "vat number",
    "company number",
    "vat registration number",
    "prepared by",
    "inspected by",
];

/// A label, or a text between labels, with its part of the line's place.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What it says, without the marks around it.
    pub text: String,
    /// Whether it names a field, and which.
    pub role: Role,
    /// Index of its line.
    pub line: usize,
    /// See [`Line::page`].
    pub page: usize,
    /// Reading confidence of the line.
    pub confidence: f32,
    /// The least sure character of the line.
    pub weakest: f32,
    /// Left edge, straightened.
    pub left: f32,
    /// Right edge, straightened.
    pub right: f32,
    /// Vertical middle, straightened.
    pub middle: f32,
    /// Height of the print.
    pub height: f32,
    /// Where the line stands on the photograph.
    pub quad: [Point; 4],
    /// How near its sense is to each field; empty where it was not compared.
    pub likeness: Vec<f32>,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// The label of a field of the schema, and how sure that is.
    Label(usize, f32),
    /// Some label, of no field that is wanted.
    Foreign,
    /// Marked as a label, in words that are not known.
    Unknown,
    /// Anything else: values, headings, prose.
    Text,
}

impl Piece {
    /// Whether it is a label of any kind.
    pub fn is_label(&self) -> bool {
        self.role != Role::Text
    }
}

#[derive(Debug, Clone, Copy)]
struct Word {
    start: usize,
    end: usize,
    closes: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub line: usize,
    pub start: usize,
    pub end: usize,
    /// As in the piece that comes of it; never [`Role::Text`].
    pub role: Role,
    pub similarity: f32,
    pub words: usize,
    /// Whether sense alone told that it is a label.
    pub by_sense: bool,
}

impl Span {
    pub fn field(&self) -> Option<usize> {
        match self.role {
            Role::Label(field, _) => Some(field),
            _ => None,
        }
    }
}

/// Cuts all lines.
pub fn cut(lines: &[Line], schema: &Schema, sense: &Sense<'_>) -> Vec<Piece> {
    let mut spans = Vec::new();
    let labels = labels(schema);
    for (index, line) in lines.iter().enumerate() {
        let begun = spans.len();
        spans_of(index, line, &labels, schema, &mut spans);
        drop_partial(&line.text, begun, &mut spans);
    }
    let heads = sense::heads(lines, schema, sense, &mut spans);
    // Exact wording first, then the longer of two labels that both fit.
    spans.sort_by(|a, b| {
        let (first, second) = (a.similarity + 0.03 * a.words as f32, b.similarity + 0.03 * b.words as f32);
        second.total_cmp(&first).then(b.field().is_some().cmp(&a.field().is_some()))
    });
    let mut chosen: Vec<Span> = Vec::new();
    for span in spans {
        let overlaps =
            chosen.iter().any(|other| other.line == span.line && span.start < other.end && other.start < span.end);
        if !overlaps {
            chosen.push(span);
        }
    }
    settle_sense(&mut chosen);
    chosen.sort_by_key(|span| (span.line, span.start));
    let mut pieces = Vec::with_capacity(lines.len() + chosen.len());
    for (index, line) in lines.iter().enumerate() {
        let mut at = 0;
        for span in chosen.iter().filter(|span| span.line == index) {
            push(&mut pieces, index, line, (at, span.start), Role::Text);
            push(&mut pieces, index, line, (span.start, span.end), span.role);
            at = span.end;
        }
        push(&mut pieces, index, line, (at, line.text.len()), Role::Text);
    }
    for piece in pieces.iter_mut().filter(|piece| matches!(piece.role, Role::Unknown | Role::Text)) {
        // A head is a whole line or what stands before its mark; what was cut out of the middle of one is none.
        let head = heads.iter().find(|head| head.line == piece.line && head.text == wording::plain(&piece.text));
        piece.likeness = head.map(|head| head.likeness.clone()).unwrap_or_default();
    }
    pieces
}

/// What was found by sense gives way to the same field's label in known words, or to the one nearest in sense.
fn settle_sense(spans: &mut [Span]) {
    let stronger = |span: &Span, spans: &[Span]| {
        let same =
            |other: &&Span| other.field() == span.field() && (other.line, other.start) != (span.line, span.start);
        spans.iter().filter(same).any(|other| !other.by_sense || other.similarity > span.similarity)
    };
    let beaten: Vec<bool> = spans.iter().map(|span| span.by_sense && stronger(span, spans)).collect();
    for (span, _) in spans.iter_mut().zip(&beaten).filter(|(_, beaten)| **beaten) {
        span.role = Role::Unknown;
    }
}

/// A label that ends before the mark which closes it was not read whole: "Name of person claiming:" is not "Name of".
fn drop_partial(text: &str, begun: usize, spans: &mut Vec<Span>) {
    let Some(mark) = mark_of(text) else { return };
    let of_line = spans.split_off(begun.min(spans.len()));
    let partial = |span: &Span| {
        let between = text.get(span.end..mark).unwrap_or_default();
        let behind = of_line.iter().any(|other| other.start >= span.end && other.end == mark && other.words > 0);
        let words = between.split_whitespace().count();
        // Nor are the last words of a question one: "What took place?" is not "Place".
        if span.start > 0 && span.end == mark && text.get(..mark).is_some_and(|head| head.ends_with('?')) {
            return !of_line.iter().any(|other| other.end <= span.start);
        }
        span.end < mark && words > 0 && !between.chars().any(|c| c.is_ascii_digit()) && !behind
    };
    spans.extend(of_line.iter().filter(|span| !partial(span)));
}

/// Where the head of a line ends, behind the first colon or question mark.
pub(super) fn mark_of(text: &str) -> Option<usize> {
    let mark = text.find([':', '?'])? + 1;
    let head = text.get(..mark)?;
    ((1..=WORDS_MAX).contains(&head.split_whitespace().count()) && !head.chars().any(|c| c.is_ascii_digit()))
        .then_some(mark)
}

fn labels(schema: &Schema) -> Vec<(Option<usize>, Wording)> {
    let wanted = schema.fields.iter().enumerate().flat_map(|(index, field)| {
        field
            .labels
            .iter()
            .filter(move |_| field.kind != Kind::Table)
            .map(move |label| (Some(index), Wording::new(label)))
    });
    let foreign = schema.other_labels.iter().map(String::as_str).chain(FOREIGN.iter().copied());
    wanted.chain(foreign.map(|label| (None, Wording::new(label)))).filter(|(_, wording)| !wording.is_empty()).collect()
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<usize> = None;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let breaks = c.is_whitespace()
            || matches!(previous, ':' | '=' | '?')
            || (previous == '.' && c.is_alphanumeric() && !text.get(..at).is_some_and(ends_in_number))
            || (previous == '#' && c.is_ascii_digit());
        if breaks && let Some(start) = open.take() {
            words.push(Word { start, end: at, closes: matches!(previous, ':' | '=' | '?' | '#') });
        }
        if !c.is_whitespace() && open.is_none() {
            open = Some(at);
        }
        previous = c;
    }
    if let Some(start) = open {
        words.push(Word { start, end: text.len(), closes: matches!(previous, ':' | '=' | '?' | '#') });
    }
    words
}

fn ends_in_number(text: &str) -> bool {
    text.trim_end_matches('.').chars().next_back().is_some_and(|c| c.is_ascii_digit())
}

fn spans_of(index: usize, line: &Line, labels: &[(Option<usize>, Wording)], schema: &Schema, spans: &mut Vec<Span>) {
    let words = words(&line.text);
    // A long line without a mark is somebody's account, whatever words it begins with.
    let prose = words.len() > WORDS_MAX && !words.iter().any(|word| word.closes);
    for (from, first) in words.iter().enumerate() {
        for (to, last) in words.iter().enumerate().skip(from).take(WORDS_MAX) {
            let Some(text) = line.text.get(first.start..last.end) else { continue };
            let wording = Wording::new(text);
            if wording.is_empty() || wording.len() + 2 < to + 1 - from {
                continue;
            }
            let next = words.get(to + 1);
            let before = from.checked_sub(1).and_then(|at| words.get(at));
            let next_is_value = next.is_some_and(|word| line.text.get(word.start..word.end).is_some_and(is_value_like));
            // The last word of a text that began with something else: a name that ends in "Garage" is no label. Two words that
            // are one exactly may be the neighbour's label, which the reader ran into this text.
            let trails = next.is_none() && !last.closes && before.is_some_and(|word| !word.closes);
            if trails && wording.len() < 2 {
                continue;
            }
            let closed = last.closes || text.ends_with(['.', ')']) && next_is_value || next.is_none();
            if !closed && !next_is_value && (prose || Wording::is_open(text)) {
                continue;
            }
            let before = before.filter(|word| !word.closes).and_then(|word| line.text.get(word.start..word.end));
            for (field, label) in labels {
                let mut similarity = label.similarity(&wording);
                if similarity < if trails { 0.97 } else { SIMILARITY_MIN } {
                    continue;
                }
                if !closed {
                    // Words run on with no mark between: likely only where what follows looks like a value.
                    let strict =
                        field.and_then(|at| schema.fields.get(at)).is_some_and(|field| field.kind != Kind::Text);
                    similarity *= match (next_is_value, strict) {
                        (true, true) => 0.97,
                        (true, false) => 0.85,
                        (false, _) if to > from => 0.8,
                        (false, _) => 0.7,
                    };
                }
                if let Some(before) = before {
                    // Behind a value a label may begin; behind other words it is more likely a part of them.
                    similarity *= match (is_value_like(before), last.closes || trails) {
                        (true, true) => 0.95,
                        (false, true) => 0.84,
                        (_, false) => 0.8,
                    };
                }
                if similarity >= SPAN_MIN && (field.is_some() || similarity >= 0.9) {
                    spans.push(Span {
                        line: index,
                        start: first.start,
                        end: last.end,
                        role: field.map_or(Role::Foreign, |field| Role::Label(field, similarity)),
                        similarity,
                        words: to + 1 - from,
                        by_sense: false,
                    });
                }
            }
            if last.closes {
                break;
            }
        }
    }
    // "Something: value" is a label and its value even where the something is unknown.
    if let Some(end) = mark_of(&line.text) {
        let role = Role::Unknown;
        spans.push(Span { line: index, start: 0, end, role, similarity: 0.5, words: 0, by_sense: false });
    }
}

fn is_value_like(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit()) || word.starts_with(['+', '€', '£', '$', '-', '–', ':']) || word == "EUR"
}

fn push(pieces: &mut Vec<Piece>, index: usize, line: &Line, (start, end): (usize, usize), role: Role) {
    let Some(raw) = line.text.get(start..end) else { return };
    let edges: &[char] = &[' ', ':', '_', '.', '…', '=', '|', '?', ';'];
    let text = if role == Role::Text {
        raw.trim_start_matches(edges).trim_end_matches([' ', '_', '|', ':'])
    } else {
        raw.trim()
    };
    if !text.chars().any(char::is_alphanumeric) {
        return;
    }
    let total = line.text.chars().count().max(1) as f32;
    let share = |at: usize| line.text.get(..at).map_or(0.0, |part| part.chars().count() as f32 / total);
    let width = line.right - line.left;
    pieces.push(Piece {
        text: text.to_owned(),
        role,
        line: index,
        page: line.page,
        confidence: line.confidence,
        weakest: line.weakest,
        left: line.left + width * share(start),
        right: line.left + width * share(end),
        middle: line.middle,
        height: line.height,
        quad: line.quad,
        likeness: Vec::new(),
    });
}
