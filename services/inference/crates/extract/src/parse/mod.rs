//! Reading a value out of text: dates, amounts, telephone numbers and identifiers in the ways people write them.
//! Pure functions from text to a normalised value; nothing here guesses where a reading is ambiguous.

mod date;
mod identifier;
mod money;
mod phone;
#[cfg(test)]
mod tests;

use regex::Regex;
use serde_json::Value;

pub use date::date;
pub use identifier::identifier;
pub use money::{Amount, amount, amount_at_end, amounts};
pub use phone::phone;

use super::schema::{Field, Kind};
use super::wording;

/// A value as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The normalised value.
    pub value: Value,
    /// 0 to 1: how well the text fits what such a value looks like.
    pub fit: f32,
}

impl Parsed {
    fn new(value: impl Into<Value>, fit: f32) -> Self {
        Self { value: value.into(), fit }
    }
}

/// Reads `text` as the field's kind; `None` where it cannot be one.
pub fn parse(field: &Field, pattern: Option<&Regex>, day_first: bool, text: &str) -> Option<Parsed> {
    let text = text.trim();
    match field.kind {
        Kind::Date => date(text, day_first),
        Kind::Money => amount(text).map(|amount| Parsed::new(amount.value(), amount.fit)),
        Kind::Phone => phone(text),
        Kind::Identifier => identifier(text, pattern),
        Kind::Choice => choice(field, text),
        Kind::Text | Kind::Heading => free_text(text, pattern),
        Kind::Table => None,
    }
}

fn free_text(text: &str, pattern: Option<&Regex>) -> Option<Parsed> {
    if !text.chars().any(char::is_alphanumeric) {
        return None;
    }
    let fits = pattern.is_none_or(|pattern| pattern.is_match(text));
    let words: Vec<String> = text.split_whitespace().map(capital_i).collect();
    Some(Parsed::new(words.join(" "), if fits { 1.0 } else { 0.4 }))
}

/// In many faces a capital I is read as a small L; no word begins with that and another consonant: `lvanov`, `lnes`.
fn capital_i(word: &str) -> String {
    match word.strip_prefix('l') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() && !"aeiouyl".contains(c)) => {
            format!("I{rest}")
        }
        _ => word.to_owned(),
    }
}

/// The one choice whose words occur; none where two choices' words occur equally.
fn choice(field: &Field, text: &str) -> Option<Parsed> {
    let padded = format!(" {} ", wording::plain(text));
    let mut best: Option<(&str, usize)> = None;
    let mut tied = false;
    for choice in &field.choices {
        let longest = choice
            .words
            .iter()
            .map(|words| wording::plain(words))
            .filter(|words| padded.contains(&format!(" {words} ")))
            .map(|words| words.len())
            .max();
        let Some(length) = longest else { continue };
        match best {
            Some((_, best_length)) if best_length > length => {}
            Some((_, best_length)) if best_length == length => tied = true,
            _ => {
                best = Some((&choice.value, length));
                tied = false;
            }
        }
    }
    best.filter(|_| !tied).map(|(value, _)| Parsed::new(value, 1.0))
}
