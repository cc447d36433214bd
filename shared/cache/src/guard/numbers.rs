//! Numbers, dates and times as they are written, in one form each. Pure.
//!
//! What can be read in two ways (`1.000` is a thousand in Berlin and one in London; `1/5/2024`) stays as it is written.

/// A decimal number without leading or trailing zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: String,
    /// Of the digits, how many stand behind the point.
    scale: usize,
    negative: bool,
}

impl Decimal {
    pub fn new(whole: &str, fraction: &str) -> Self {
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        Self { digits: digits.trim_start_matches('0').to_owned(), scale: fraction.len(), negative: false }
    }

    pub fn from_u64(value: u64) -> Self {
        Self::new(&value.to_string(), "")
    }

    pub fn negated(self, negative: bool) -> Self {
        Self { negative: negative && !self.digits.is_empty(), ..self }
    }

    /// Times ten to this power.
    pub fn shifted(mut self, power: usize) -> Self {
        if self.digits.is_empty() {
            return self;
        }
        let behind = self.scale.min(power);
        self.scale -= behind;
        self.digits.push_str(&"0".repeat(power - behind));
        let whole = self.digits.trim_start_matches('0').len();
        self.digits = self.digits.split_off(self.digits.len() - whole);
        self
    }

    /// The whole number from `low` to `high` that it is.
    pub fn within(&self, low: u32, high: u32) -> Option<u32> {
        let whole = self.scale == 0 && !self.negative && !self.digits.is_empty();
        let value = self.digits.parse().ok().filter(|_| whole)?;
        (low..=high).contains(&value).then_some(value)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        write!(f, "{sign}{digits}e-{}", self.scale)
    }
}

/// What a word with digits in it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    Number {
        value: Decimal,
        unit: Option<String>,
    },
    Range(Decimal, Decimal),
    /// A date, a time, or a name: equal to nothing but itself.
    Name(String),
}

/// Reads a word that has a digit in it.
pub(super) fn read(word: &str) -> Written {
    date(word)
        .or_else(|| time(word))
        .or_else(|| range(word))
        .or_else(|| number(word))
        .unwrap_or_else(|| Written::Name(word.to_uppercase()))
}

fn number(word: &str) -> Option<Written> {
    let (negative, rest) = match word.strip_prefix(['-', '−']) {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let start = rest.find(|c: char| c.is_ascii_digit())?;
    let end = rest.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (before, digits, after) = (rest.get(..start)?, rest.get(start..end)?, rest.get(end..)?);
    let value = decimal(digits)?.negated(negative);
    let before = if before.is_empty() { None } else { Some(currency(&before.to_lowercase())?) };
    let money = before.is_some();
    let after = after.to_lowercase();
    let (value, unit) = match (after.as_str(), before) {
        ("", unit) => (value, unit.map(str::to_owned)),
        ("k", unit) => (value.shifted(3), unit.map(str::to_owned)),
        ("m" | "mio" | "mn", unit) if money => (value.shifted(6), unit.map(str::to_owned)),
        ("bn" | "b", unit) if money => (value.shifted(9), unit.map(str::to_owned)),
        ("st" | "nd" | "rd" | "th", None) => (value, Some("th".to_owned())),
        (after, None) => (value, Some(super::lexicon::unit(after).or_else(|| currency(after))?.to_owned())),
        _ => return None,
    };
    Some(Written::Number { value, unit })
}

/// A number with points, commas and apostrophes; `None` where it can be read in two ways or none.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    if !(1..=40).contains(&text.len()) || !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '\'')) {
        return None;
    }
    let separators: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let groups = |text: &str, by: char| -> Option<String> {
        let parts: Vec<&str> = text.split(by).collect();
        let (first, rest) = parts.split_first()?;
        let sound =
            (1..=3).contains(&first.len()) && !first.starts_with('0') && rest.iter().all(|part| part.len() == 3);
        sound.then(|| parts.concat())
    };
    match separators.as_slice() {
        // A leading zero belongs to a name: a policy's number, a post code.
        [] => (text.len() == 1 || !text.starts_with('0')).then(|| Decimal::new(text, "")),
        ['.'] => {
            let (whole, fraction) = text.split_once('.')?;
            let thousands = fraction.len() == 3 && (1..=3).contains(&whole.len()) && whole != "0";
            (!thousands && !whole.is_empty()).then(|| Decimal::new(whole, fraction))
        }
        [','] => {
            let (whole, fraction) = text.split_once(',')?;
            match fraction.len() {
                3 => Some(Decimal::new(&groups(text, ',')?, "")),
                1 | 2 if !whole.is_empty() => Some(Decimal::new(whole, fraction)),
                _ => None,
            }
        }
        [first, rest @ ..] if rest.iter().all(|c| c == first) => Some(Decimal::new(&groups(text, *first)?, "")),
        [first, middle @ .., last] if first != last && middle.iter().all(|c| c == first) => {
            let (whole, fraction) = text.rsplit_once(*last)?;
            Some(Decimal::new(&groups(whole, *first)?, fraction))
        }
        _ => None,
    }
}

/// A currency by its sign, code or name.
pub(super) fn currency(text: &str) -> Option<&'static str> {
    Some(match text {
        "$" | "us$" | "usd" | "dollar" | "dollars" => "USD",
        "€" | "eur" | "euro" | "euros" => "EUR",
        "£" | "gbp" => "GBP",
        "¥" | "jpy" | "yen" => "JPY",
        "chf" | "franken" => "CHF",
        _ => return None,
    })
}

fn range(word: &str) -> Option<Written> {
    let (from, to) = word.split_once(['-', '–'])?;
    Some(Written::Range(decimal(from)?, decimal(to)?))
}

fn time(word: &str) -> Option<Written> {
    let lower = word.to_lowercase();
    let (clock, half) = match lower.strip_suffix("am").map(|clock| (clock, 0)) {
        Some(found) => (found.0, Some(found.1)),
        None => lower.strip_suffix("pm").map_or((lower.as_str(), None), |clock| (clock, Some(12))),
    };
    let (hour, minute) = match clock.split_once(':') {
        Some((hour, minute)) if minute.len() == 2 => (hour, minute),
        None if half.is_some() => (clock, "00"),
        _ => return None,
    };
    clock_time(hour.parse().ok()?, minute.parse().ok()?, half)
}

/// A time of day. `half`: hours to add for the half of the day, where one is said.
pub(super) fn clock_time(hour: u32, minute: u32, half: Option<u32>) -> Option<Written> {
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    (hour < 24 && minute < 60).then(|| Written::Name(format!("time {hour:02}:{minute:02}")))
}

fn date(word: &str) -> Option<Written> {
    for separator in ['-', '/', '.'] {
        let parts: Vec<&str> = word.split(separator).collect();
        let [one, two, three] = parts.as_slice() else { continue };
        if !parts.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit())) {
            continue;
        }
        let (one, two, three): (u32, u32, u32) = (one.parse().ok()?, two.parse().ok()?, three.parse().ok()?);
        let lengths = parts.first().zip(parts.last()).map(|(first, last)| (first.len(), last.len()))?;
        return match (lengths, separator) {
            ((4, _), '-' | '/') => day(Some(one), two, Some(three)),
            ((1 | 2, 4), '.') => day(Some(three), two, Some(one)),
            ((1 | 2, 4), '/') if one > 12 => day(Some(three), two, Some(one)),
            ((1 | 2, 4), '/') if two > 12 => day(Some(three), one, Some(two)),
            _ => None,
        };
    }
    None
}

/// A day, or a month without one, of a year or of any.
pub(super) fn day(year: Option<u32>, month: u32, day: Option<u32>) -> Option<Written> {
    let sound = (1..=12).contains(&month) && day.is_none_or(|day| (1..=31).contains(&day));
    let part = |part: Option<u32>| part.map_or_else(|| "-".to_owned(), |part| format!("{part:02}"));
    sound.then(|| Written::Name(format!("date {}-{month:02}-{}", part(year), part(day))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_form() {
        for same in [
            &["1,000", "1000", "1'000", "1k", "1000.00", "1,000.0"][..],
            &["1000000", "1,000,000", "1.000.000"],
            &["1000.5", "1,000.50", "1.000,5", "1'000.5"],
            &["1.5", "1,5", "1,50"],
            &["$1,000", "1000$", "1000USD", "USD1000", "$1k"],
            &["5%", "5.0%"],
            &["2024-01-05", "05.01.2024", "5.1.2024"],
            &["25/12/2024", "12/25/2024"],
            &["5pm", "17:00", "5:00PM"],
            &["0", "-0", "0.00"],
        ] {
            for other in same {
                assert_eq!(read(same[0]), read(other), "{} {other}", same[0]);
            }
        }
    }

    #[test]
    fn different_numbers_differ_and_doubtful_ones_stay() {
        for (one, other) in [
            ("1000", "100"),
            ("1.000", "1000"),
            ("1.000", "1"),
            ("$1000", "€1000"),
            ("1000", "$1000"),
            ("5", "-5"),
            ("007", "7"),
            ("1/5/2024", "5/1/2024"),
            ("P-12", "P-13"),
            ("5km", "5m"),
            ("5am", "5pm"),
            ("12am", "12pm"),
            ("1.2.3", "1.2.4"),
            ("10", "1"),
        ] {
            assert_ne!(read(one), read(other), "{one} {other}");
        }
    }
}
