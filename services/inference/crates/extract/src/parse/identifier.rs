//! Numbers and codes. Where a pattern is known, letters and digits that readers confuse are repaired, but only when exactly
//! one repair fits: two readings that both fit are a person's to decide.

use regex::Regex;

use super::Parsed;

const CONFUSED: &[(char, char)] = &[
    ('O', '0'),
    ('I', '1'),
    ('S', '5'),
    ('B', '8'),
    ('Z', '2'),
    ('l', '1'),
    ('o', '0'),
    ('G', '6'),
    ('—', '-'),
    ('–', '-'),
    ('_', '-'),
];
/// Most characters of one code that may be in doubt before repair is given up.
const DOUBTFUL_MAX: usize = 10;

/// Reads a code. Without a pattern a short text with a digit in it will do.
pub fn identifier(text: &str, pattern: Option<&Regex>) -> Option<Parsed> {
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    let Some(pattern) = pattern else { return unpatterned(text) };
    if let Some(found) = longest(pattern, text) {
        let rest = text.chars().count().saturating_sub(found.chars().count());
        return Some(Parsed::new(found.trim(), 1.0 - 0.02 * rest.min(15) as f32));
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some(found) = whole(pattern, &compact) {
        return Some(Parsed::new(found, 0.95));
    }
    repaired(text, pattern).or_else(|| repaired(&compact, pattern))
}

fn unpatterned(text: &str) -> Option<Parsed> {
    let words = text.split_whitespace().count();
    if text.is_empty() || words > 4 {
        return None;
    }
    let digits = text.chars().any(|c| c.is_ascii_digit());
    Some(Parsed::new(text.split_whitespace().collect::<Vec<_>>().join(" "), if digits { 0.97 } else { 0.3 }))
}

fn longest<'t>(pattern: &Regex, text: &'t str) -> Option<&'t str> {
    let bounded = |found: &regex::Match<'_>| {
        let before = text.get(..found.start()).and_then(|rest| rest.chars().next_back());
        let after = text.get(found.end()..).and_then(|rest| rest.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    };
    pattern.find_iter(text).filter(bounded).map(|found| found.as_str()).max_by_key(|found| found.len())
}

fn whole<'t>(pattern: &Regex, text: &'t str) -> Option<&'t str> {
    pattern.find(text).filter(|found| found.start() == 0 && found.end() == text.len()).map(|found| found.as_str())
}

fn repaired(text: &str, pattern: &Regex) -> Option<Parsed> {
    let characters: Vec<char> = text.chars().collect();
    let doubtful: Vec<(usize, char)> = characters
        .iter()
        .enumerate()
        .filter_map(|(at, c)| {
            CONFUSED.iter().find_map(|&(letter, digit)| {
                let other = if *c == letter { digit } else { letter };
                (*c == letter || *c == digit).then_some((at, other))
            })
        })
        .collect();
    if doubtful.is_empty() || doubtful.len() > DOUBTFUL_MAX {
        return None;
    }
    // The fewest changes that fit, and only if no other set of as few fits.
    let mut fitting: Vec<(u32, String)> = Vec::new();
    for mask in 1_u32..(1 << doubtful.len()) {
        let mut trial = characters.clone();
        for (bit, &(at, other)) in doubtful.iter().enumerate() {
            if mask & (1 << bit) != 0
                && let Some(slot) = trial.get_mut(at)
            {
                *slot = other;
            }
        }
        let trial: String = trial.into_iter().collect();
        if whole(pattern, &trial).is_some() {
            fitting.push((mask.count_ones(), trial));
        }
    }
    let fewest = fitting.iter().map(|(changes, _)| *changes).min()?;
    let mut best = fitting.into_iter().filter(|(changes, _)| *changes == fewest);
    match (best.next(), best.next()) {
        (Some((changes, code)), None) => Some(Parsed::new(code, 0.85 - 0.1 * changes as f32)),
        _ => None,
    }
}
