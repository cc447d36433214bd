//! A text as words, numbers and names. Pure.

use unicode_normalization::UnicodeNormalization as _;

use super::lexicon::{self, Role};
use super::numbers::{self, Decimal, Written};

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Word {
        /// In lower case, without contraction.
        text: String,
        /// Written with a capital where a sentence does not ask for one, or in capitals: perhaps a name.
        name: bool,
        /// Begins with a capital, as the first word of a sentence does.
        capital: bool,
    },
    Number {
        value: Decimal,
        unit: Option<String>,
    },
    /// Equal to nothing but itself.
    Name(String),
}

impl Piece {
    pub fn word(text: &str) -> Self {
        Self::Word { text: text.to_owned(), name: false, capital: false }
    }

    /// The word, unless it is perhaps a name.
    pub fn plain(&self) -> Option<&str> {
        match self {
            Self::Word { text, name: false, .. } => Some(text),
            _ => None,
        }
    }
}

/// Takes a text apart.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let text: String = text.nfc().map(plain_sign).collect();
    let mut pieces = Vec::new();
    let mut begins = true;
    for chunk in text.split_whitespace() {
        let body = chunk.trim_matches(is_punctuation);
        let (before, after) = chunk.split_once(body).unwrap_or_default();
        let (starts, ends) = (body.starts_with(|c: char| c.is_numeric()), body.ends_with(|c: char| c.is_numeric()));
        if starts && before.ends_with(['.', ',']) {
            // A fraction of one.
            pieces.push(Piece::Name(format!(".{body}")));
        } else if !body.is_empty() {
            take(body, begins, &mut pieces);
            begins = false;
        }
        if ends && after.starts_with('!') {
            // Perhaps a factorial.
            pieces.push(Piece::Name("!".to_owned()));
        }
        begins |= chunk.ends_with(['.', '!', '?', ':']);
    }
    with_dates(with_units(with_number_words(pieces)))
}

fn plain_sign(c: char) -> char {
    match c {
        '’' | '‘' | '`' | '´' => '\'',
        '–' | '—' | '‑' | '−' => '-',
        other => other,
    }
}

fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '¿' | '¡'
            | '.'
            | ','
            | ';'
            | ':'
            | '!'
            | '?'
            | '"'
            | '\''
            | '('
            | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | '…'
            | '«'
            | '»'
            | '„'
            | '“'
            | '”'
    )
}

fn take(body: &str, begins: bool, pieces: &mut Vec<Piece>) {
    if body.contains('@') || body.contains("://") {
        return pieces.push(Piece::Name(body.to_owned()));
    }
    if body.contains(|c: char| c.is_numeric()) {
        return match numbers::read(body) {
            Written::Number { value, unit } => pieces.push(Piece::Number { value, unit }),
            Written::Name(name) => pieces.push(Piece::Name(name)),
            Written::Range(from, to) => {
                pieces.push(Piece::Number { value: from, unit: None });
                pieces.push(Piece::word("to"));
                pieces.push(Piece::Number { value: to, unit: None });
            }
        };
    }
    if body.contains('.') {
        let letters = body.split('.').all(|part| part.chars().count() == 1);
        // Letters with points are an abbreviation, anything else an address.
        return if letters {
            word(&body.replace('.', ""), begins, pieces)
        } else {
            pieces.push(Piece::Name(body.to_lowercase()))
        };
    }
    let (mut begins, start) = (begins, pieces.len());
    let mut run = String::new();
    for c in body.chars() {
        if c.is_alphabetic() || matches!(c, '\'' | '_') || unicode_normalization::char::is_combining_mark(c) {
            run.push(c);
            continue;
        }
        word(&std::mem::take(&mut run), begins, pieces);
        begins &= pieces.is_empty();
        // A hyphen only joins; any other sign says something.
        if c != '-' && !is_punctuation(c) {
            pieces.push(Piece::Name(c.to_string()));
        }
    }
    word(&run, begins, pieces);
    if body.contains('-') {
        // The "in" of an in-patient is no preposition.
        for piece in pieces.iter_mut().skip(start) {
            if let Piece::Word { text, name, .. } = piece {
                *name |= matches!(lexicon::role(text), Some(Role::Filler | Role::Be));
            }
        }
    }
}

fn word(text: &str, begins: bool, pieces: &mut Vec<Piece>) {
    let text = text.trim_matches('\'');
    let capital = text.chars().next().is_some_and(char::is_uppercase);
    let all_capitals = text.chars().count() > 1 && !text.contains(char::is_lowercase) && capital;
    let lower = text.to_lowercase();
    let name = all_capitals || (capital && !begins && !lexicon::has_capital_anyway(&lower));
    let mut push = |text: &str| {
        if !text.is_empty() {
            pieces.push(Piece::Word { text: text.to_owned(), name, capital });
        }
    };
    let irregular = match lower.as_str() {
        "can't" | "cannot" => Some("can"),
        "won't" => Some("will"),
        "shan't" => Some("shall"),
        other => other.strip_suffix("n't"),
    };
    if let Some(verb) = irregular {
        push(verb);
        return pieces.push(Piece::word("not"));
    }
    match lower.rsplit_once('\'') {
        Some((before, "ll")) => {
            push(before);
            pieces.push(Piece::word("will"));
        }
        Some((before, "d")) => {
            push(before);
            pieces.push(Piece::word("would"));
        }
        Some((before, "ve")) => {
            push(before);
            pieces.push(Piece::word("have"));
        }
        Some((before, "m" | "re")) => push(before),
        // Of "is" and of the possessive, neither of which is looked at.
        Some((before, "s")) => {
            push(before);
            if lexicon::question_word(before).is_some() {
                pieces.push(Piece::word("is"));
            }
        }
        _ => push(&lower),
    }
}

/// Joins words for numbers: "two hundred and fifty" is 250, "1.5 million" is 1500000.
fn with_number_words(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    let mut rest = pieces.as_slice();
    while let Some((first, after)) = rest.split_first() {
        if let (Piece::Number { value, unit }, Some(power)) =
            (first, after.first().and_then(Piece::plain).and_then(lexicon::power_of_ten))
        {
            joined.push(Piece::Number { value: value.clone().shifted(power), unit: unit.clone() });
            rest = after.get(1..).unwrap_or_default();
        } else if let Some((value, taken)) = spelled(rest) {
            joined.push(Piece::Number { value: Decimal::from_u64(value), unit: None });
            rest = rest.get(taken..).unwrap_or_default();
        } else {
            joined.push(first.clone());
            rest = after;
        }
    }
    joined
}

/// A number in words at the start, and of how many words.
fn spelled(pieces: &[Piece]) -> Option<(u64, usize)> {
    let (mut total, mut current, mut taken) = (0_u64, 0_u64, 0);
    let text = |place: usize| {
        pieces.get(place).and_then(|piece| match piece {
            Piece::Word { text, .. } => Some(text.as_str()),
            _ => None,
        })
    };
    loop {
        let joins = taken > 0 && text(taken) == Some("and") && current >= 100 && current % 100 == 0;
        let place = taken + usize::from(joins);
        let Some(word) = text(place) else { break };
        if let Some(value) = lexicon::number_word(word) {
            let fits = match value {
                1..=9 => current % 100 == 0 || (current % 10 == 0 && current % 100 >= 20),
                _ => current % 100 == 0,
            };
            if !fits || (value == 0 && taken > 0) {
                break;
            }
            current = current.checked_add(value)?;
        } else if joins {
            break;
        } else if let Some(power) = lexicon::power_of_ten(word) {
            let factor = 10_u64.checked_pow(u32::try_from(power).ok()?)?;
            if power == 2 {
                current = current.max(1).checked_mul(factor)?;
            } else {
                total = total.checked_add(current.max(1).checked_mul(factor)?)?;
                current = 0;
            }
        } else {
            break;
        }
        taken = place + 1;
    }
    let value = total.checked_add(current)?;
    (taken > 0).then_some((value, taken))
}

/// Joins a number with its unit before or after it.
fn with_units(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    let mut pieces = pieces.into_iter().peekable();
    let text = |piece: &Piece| match piece {
        Piece::Word { text, .. } => Some(text.clone()),
        Piece::Name(sign) => Some(sign.clone()),
        Piece::Number { .. } => None,
    };
    while let Some(piece) = pieces.next() {
        let Piece::Number { value, unit: None } = piece else {
            joined.push(piece);
            continue;
        };
        let after = pieces.peek().and_then(text);
        let half = after.as_deref().and_then(|after| match after {
            "am" => Some(0),
            "pm" => Some(12),
            _ => None,
        });
        if let (Some(half), Some(hour)) = (half, value.within(1, 12))
            && let Some(Written::Name(time)) = numbers::clock_time(hour, 0, Some(half))
        {
            pieces.next();
            joined.push(Piece::Name(time));
            continue;
        }
        let unit = after.as_deref().and_then(|after| lexicon::unit(after).or_else(|| numbers::currency(after)));
        if unit.is_some() {
            pieces.next();
        }
        let before = joined.last().and_then(text).filter(|_| unit.is_none());
        let unit = unit.or_else(|| before.as_deref().and_then(numbers::currency).inspect(|_| drop(joined.pop())));
        joined.push(Piece::Number { value, unit: unit.map(str::to_owned) });
    }
    joined
}

/// Joins a day, a month's name and a year.
fn with_dates(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    let mut rest = pieces.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let (date, taken) = date(rest, joined.last().is_none()).unwrap_or_else(|| (first.clone(), 1));
        joined.push(date);
        rest = if taken == 1 { after } else { rest.get(taken..).unwrap_or_default() };
    }
    joined
}

fn date(pieces: &[Piece], begins: bool) -> Option<(Piece, usize)> {
    let day = |place: usize| match pieces.get(place)? {
        Piece::Number { value, unit } if unit.as_deref().is_none_or(|unit| unit == "th") => value.within(1, 31),
        _ => None,
    };
    let year = |place: usize| match pieces.get(place)? {
        Piece::Number { value, unit: None } => value.within(1900, 2200),
        _ => None,
    };
    let month = |place: usize| match pieces.get(place)? {
        Piece::Word { text, name, .. } => lexicon::month(text).map(|month| (month, *name)),
        _ => None,
    };
    let of = |place: usize| usize::from(pieces.get(place).and_then(Piece::plain) == Some("of"));
    let (day, month, next) = if let Some(day) = day(0) {
        let place = 1 + of(1);
        (Some(day), month(place)?.0, place + 1)
    } else {
        let (found, name) = month(0)?;
        // "May" may be a month and "may" is not.
        if (begins || !name) && pieces.first().and_then(text_of) == Some("may") {
            return None;
        }
        (day(1), found, 1 + usize::from(day(1).is_some()))
    };
    let year = year(next);
    if day.is_none() && year.is_none() {
        return None;
    }
    let Some(Written::Name(date)) = numbers::day(year, month, day) else { return None };
    Some((Piece::Name(date), next + usize::from(year.is_some())))
}

fn text_of(piece: &Piece) -> Option<&str> {
    match piece {
        Piece::Word { text, .. } => Some(text),
        _ => None,
    }
}
