//! Telephone numbers, kept as written with single spaces.

use super::Parsed;

/// Reads a telephone number of 6 to 15 digits (the most that ITU-T E.164 allows).
pub fn phone(text: &str) -> Option<Parsed> {
    let start = text.find(|c: char| c.is_ascii_digit() || c == '+' || c == '(')?;
    let mut repaired = false;
    let mut number = String::new();
    for c in text.get(start..)?.chars() {
        match c {
            '0'..='9' | '+' | '(' | ')' | '-' | '/' | '.' | ' ' => number.push(c),
            'O' | 'o' => {
                number.push('0');
                repaired = true;
            }
            'l' | 'I' => {
                number.push('1');
                repaired = true;
            }
            _ => break,
        }
    }
    let number = number.trim_end_matches(|c: char| !c.is_ascii_digit());
    let digits = number.chars().filter(char::is_ascii_digit).count();
    if !(6..=15).contains(&digits) {
        return None;
    }
    let rest = text.chars().filter(|c| c.is_alphanumeric()).count().saturating_sub(digits);
    let fit = if repaired { 0.75 } else { 1.0 } * (1.0 - 0.05 * rest.min(12) as f32);
    Some(Parsed::new(number.split_whitespace().collect::<Vec<_>>().join(" "), fit))
}
