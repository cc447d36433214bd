//! Dates as people write them, to ISO 8601.

use std::sync::LazyLock;

use jiff::civil::Date;
use regex::{Captures, Regex};

use super::Parsed;

const MONTHS: [&[&str]; 12] = [
    &["jan"],
    &["feb"],
    &["mar", "mär"],
    &["apr"],
    &["may", "mai"],
    &["jun"],
    &["jul"],
    &["aug"],
    &["sep"],
    &["oct", "okt"],
    &["nov"],
    &["dec", "dez"],
];

/// A constant pattern: one that failed to compile would never match, and the table tests would say so.
fn pattern(source: &str) -> Option<Regex> {
    Regex::new(source).ok()
}

static YEAR_FIRST: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?:^|\D)(?<y>\d{4})\s*[-/. ]\s*(?<m>\d{1,2})\s*[-/. ]\s*(?<d>\d{1,2})(?:\D|$)"));
static NUMBERS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?:^|\D)(?<d>\d{1,2})\s*[-/. |]\s*(?<m>\d{1,2})\s*[-/. |]\s*(?<y>\d{4}|\d{2})(?:\D|$)"));
static DAY_MONTH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:^|\D)(?<d>\d{1,2})\s*(?:st|nd|rd|th)?\s*(?:of)?[\s.\-/]*(?<mon>\p{L}{3,9})[\s.,\-/']*(?<y>\d{4}|\d{2})(?:\D|$)",
    )
});
static MONTH_DAY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(?i)(?<mon>\p{L}{3,9})[\s.\-/]*(?<d>\d{1,2})\s*(?:st|nd|rd|th)?[\s.,\-/']+(?<y>\d{4})(?:\D|$)")
});

/// The date that `text` states, written `YYYY-MM-DD`.
pub fn date(text: &str, day_first: bool) -> Option<Parsed> {
    let found = read(text, day_first).or_else(|| {
        let repaired: String = text
            .chars()
            .map(|c| match c {
                'O' | 'o' => '0',
                'l' | 'I' | '|' => '1',
                'S' => '5',
                'B' => '8',
                other => other,
            })
            .collect();
        read(&repaired, day_first).map(|(date, fit)| (date, fit * 0.75))
    });
    let (date, fit) = found?;
    // A sentence that merely mentions a date is a worse date than a date alone.
    let extra = text.chars().filter(|c| c.is_alphanumeric()).count().saturating_sub(14);
    Some(Parsed::new(date.to_string(), fit * (1.0 - 0.03 * extra.min(20) as f32)))
}

fn read(text: &str, day_first: bool) -> Option<(Date, f32)> {
    if let Some(found) = YEAR_FIRST.as_ref().and_then(|regex| regex.captures(text)) {
        return Some((build(number(&found, "y")?, number(&found, "m")?, number(&found, "d")?)?, 1.0));
    }
    if let Some(found) = NUMBERS.as_ref().and_then(|regex| regex.captures(text)) {
        let (first, second, year) = (number(&found, "d")?, number(&found, "m")?, number(&found, "y")?);
        let (day, month) = if day_first { (first, second) } else { (second, first) };
        // A thirteenth month can only be a day: the order was the other one.
        return build(year, month, day).map(|date| (date, 1.0)).or_else(|| Some((build(year, day, month)?, 0.8)));
    }
    for regex in [&DAY_MONTH, &MONTH_DAY] {
        let Some(found) = regex.as_ref().and_then(|regex| regex.captures(text)) else { continue };
        let Some(month) = found.name("mon").and_then(|name| month(name.as_str())) else { continue };
        return Some((build(number(&found, "y")?, month, number(&found, "d")?)?, 1.0));
    }
    None
}

fn number(found: &Captures<'_>, name: &str) -> Option<i16> {
    found.name(name)?.as_str().parse().ok()
}

fn month(name: &str) -> Option<i16> {
    let lower = name.to_lowercase();
    let at = MONTHS.iter().position(|starts| starts.iter().any(|start| lower.starts_with(start)))?;
    i16::try_from(at + 1).ok()
}

fn build(year: i16, month: i16, day: i16) -> Option<Date> {
    let year = if year < 100 { 2000 + year } else { year };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}
