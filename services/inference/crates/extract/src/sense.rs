//! What a head means where its wording is not known: heads are compared by embedding with the labels and the description of
//! every field. Decides alone only where the page marks the head as a label or leaves no doubt.

use super::Embedder;
use super::layout::Line;
use super::pieces::{Role, Span, WORDS_MAX, mark_of};
use super::schema::{Kind, Schema};
use super::wording;

/// How near the sense of each head is to each field: one number a field, and one more for the labels that are not wanted.
/// Empty where nothing could be compared.
pub type Sense<'a> = dyn Fn(&[String]) -> Vec<Vec<f32>> + 'a;

/// A head that two fields could claim by sense is left to neither here: `leftover.rs` settles it by elimination.
const MARGIN: f32 = 0.06;
/// Least nearness of a head that a colon or a question mark shows to be a label,
const MARKED_MIN: f32 = 0.5;
/// and of one without: as likely a value that happens to be about the same thing.
const UNMARKED_MIN: f32 = 0.72;
/// A text that may name a field.
pub struct Head {
    /// Index of its line.
    pub line: usize,
    /// In plain letters.
    pub text: String,
    /// As [`Sense`] gives it.
    pub likeness: Vec<f32>,
}

/// [`Sense`] by an embedder; nothing without one.
pub fn likeness(heads: &[String], schema: &Schema, embedder: Option<&dyn Embedder>) -> Vec<Vec<f32>> {
    let Some(embedder) = embedder else { return Vec::new() };
    let (mut owners, mut texts) = (Vec::new(), Vec::new());
    for (index, field) in schema.fields.iter().enumerate().filter(|(_, field)| field.kind != Kind::Table) {
        for text in field.labels.iter().chain(std::iter::once(&field.description)).filter(|text| !text.is_empty()) {
            owners.push(index);
            texts.push(text.to_lowercase());
        }
    }
    for text in &schema.other_labels {
        owners.push(schema.fields.len());
        texts.push(text.to_lowercase());
    }
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (Ok(asked), Ok(known)) = (embedder.embed(&heads), embedder.embed_schema(&texts)) else { return Vec::new() };
    let nearest = asked.iter().map(|head| {
        let mut best = vec![0.0_f32; schema.fields.len() + 1];
        for (owner, vector) in owners.iter().zip(&known) {
            let cosine: f32 = head.iter().zip(vector).map(|(a, b)| a * b).sum();
            if let Some(slot) = best.get_mut(*owner) {
                *slot = slot.max(cosine);
            }
        }
        best
    });
    nearest.collect()
}

/// The heads that no wording matched, compared by sense; a span for each that is plainly the label of one field.
pub fn heads(lines: &[Line], schema: &Schema, sense: &Sense<'_>, spans: &mut Vec<Span>) -> Vec<Head> {
    let known = |line: usize| spans.iter().find(|span| span.line == line && span.words > 0 && span.similarity > 0.9);
    let labels: Vec<&Line> = lines
        .iter()
        .enumerate()
        .filter(|(index, line)| known(*index).is_some_and(|span| span.start == 0 && span.end == line.text.len()))
        .map(|(_, line)| line)
        .collect();
    let marked_labels = labels.iter().filter(|line| mark_of(&line.text).is_some()).count();
    // Where the labels carry marks, what carries none is no label.
    let marks = marked_labels >= 2 && 2 * marked_labels > labels.len();
    let values = Values::of(&labels, lines);
    // "Loss of value" behind "Type of incident:" is what was lost, not how much.
    spans.retain(|span| {
        let line = lines.get(span.line);
        let whole = line.is_some_and(|line| span.start == 0 && span.end == line.text.len());
        !(whole && span.similarity < 1.0 && line.is_some_and(|line| mark_of(&line.text).is_none() && values.has(line)))
    });
    let known = |line: usize| spans.iter().find(|span| span.line == line && span.words > 0 && span.similarity > 0.9);
    let mut found: Vec<(Head, usize, bool)> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if known(index).is_some_and(|span| span.field().is_some()) {
            continue;
        }
        let mark = mark_of(&line.text);
        let end = mark.unwrap_or(line.text.len());
        let Some(head) = line.text.get(..end) else { continue };
        let words = head.split_whitespace().count();
        let head_like = (1..=WORDS_MAX).contains(&words) && !head.chars().any(|c| c.is_ascii_digit());
        if head_like && (mark.is_some() || !(marks || values.has(line))) {
            found.push((Head { line: index, text: wording::plain(head), likeness: Vec::new() }, end, mark.is_some()));
        }
    }
    let texts: Vec<String> = found.iter().map(|(head, ..)| head.text.clone()).collect();
    if texts.is_empty() {
        return Vec::new();
    }
    for ((head, end, marked), likeness) in found.iter_mut().zip(sense(&texts)) {
        head.likeness = likeness;
        let Some((field, cosine)) = plain_winner(&head.likeness, schema.fields.len()) else { continue };
        let (least, similarity) =
            if *marked { (MARKED_MIN, 0.7 + 0.2 * cosine) } else { (UNMARKED_MIN, 0.64 + 0.25 * cosine) };
        if cosine >= least {
            let words = head.text.split(' ').count();
            let role = Role::Label(field, similarity);
            spans.push(Span { line: head.line, start: 0, end: *end, role, similarity, words, by_sense: true });
        }
    }
    found.into_iter().map(|(head, ..)| head).collect()
}

/// The field that is nearest by a margin, if it is one that is wanted.
fn plain_winner(likeness: &[f32], fields: usize) -> Option<(usize, f32)> {
    let (field, cosine) = likeness.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let ahead = likeness.iter().enumerate().all(|(other, near)| other == field || cosine - near >= MARGIN);
    (ahead && field < fields).then_some((field, cosine))
}

/// Where the values of the known labels stand: under them, or (as good as always otherwise) behind them.
struct Values<'a> {
    labels: &'a [&'a Line],
    lines: &'a [Line],
    below: bool,
}

impl<'a> Values<'a> {
    fn of(labels: &'a [&'a Line], lines: &'a [Line]) -> Self {
        let mut values = Self { labels, lines, below: false };
        // Labels hold no digits, values often do.
        let digits = |line: Option<&Line>| line.is_some_and(|line| line.text.chars().any(|c| c.is_ascii_digit()));
        let under = labels.iter().filter(|label| digits(values.nearest_under(label))).count();
        let behind = labels.iter().filter(|label| digits(values.nearest_behind(label))).count();
        values.below = under > behind;
        values
    }

    fn nearest_under(&self, label: &Line) -> Option<&Line> {
        let under = |line: &&Line| {
            let drop = (line.middle - label.middle) / label.height;
            let aligned = (line.left - label.left).abs() < 1.5 * label.height;
            line.page == label.page && (0.6..2.4).contains(&drop) && aligned
        };
        self.lines.iter().filter(under).min_by(|a, b| a.middle.total_cmp(&b.middle))
    }

    fn nearest_behind(&self, label: &Line) -> Option<&Line> {
        let behind = |line: &&Line| {
            line.page == label.page
                && (line.middle - label.middle).abs() < 0.5 * label.height
                && line.left >= label.right - 0.5 * label.height
        };
        self.lines.iter().filter(behind).min_by(|a, b| a.left.total_cmp(&b.left))
    }

    /// Whether a line stands where the value of a known label does.
    fn has(&self, line: &Line) -> bool {
        self.labels.iter().filter(|label| !std::ptr::eq(**label, line)).any(|label| {
            let value = if self.below { self.nearest_under(label) } else { self.nearest_behind(label) };
            value.is_some_and(|value| std::ptr::eq(value, line))
        })
    }
}
