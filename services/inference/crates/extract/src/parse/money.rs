//! Amounts of money as people write them, held in cents so that sums are exact.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// An amount and how plainly it was one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amount {
    /// Hundredths of the currency unit.
    pub cents: i64,
    /// 0 to 1.
    pub fit: f32,
    /// Whether it had two decimals or a currency: what tells an amount from a count.
    pub explicit: bool,
}

impl Amount {
    /// The amount as a JSON number.
    pub fn value(&self) -> Value {
        serde_json::Number::from_f64(self.cents as f64 / 100.0).map_or(Value::Null, Value::Number)
    }
}

const SHAPE: &str =
    r"(?:[-−–]\s?)?\d{1,3}(?:[ ,.'’]\s?\d{3})+(?:\s?[.,]\s?\d{2})?|(?:[-−–]\s?)?\d+(?:\s?[.,]\s?\d{1,2})?";
const CURRENCY: &str = r"(?:EUR|Eur|eur|euros?|Euros?|€|£|\$|USD|GBP|CHF)";

static WHOLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r"^(?:[^\d]{{0,12}}?)(?<before>{CURRENCY})?\s*[:=]?\s*(?<number>{SHAPE})\s*(?<after>{CURRENCY})?(?:[.,;\-–/=]*|\s*(?:only|net|gross|incl|excl|inc|total).*)$"
    ))
    .ok()
});
static AT_END: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(r"^(?<text>.*?\p{{L}}.*?)[\s.…_:]+(?<money>{CURRENCY}?\s*(?:{SHAPE})\s*{CURRENCY}?)$")).ok()
});

/// Reads a text that is an amount and little else.
pub fn amount(text: &str) -> Option<Amount> {
    let text = text.trim();
    strict(text).or_else(|| {
        // Letters read for digits, only where digits surround them.
        let repaired: String = text.chars().map(digit_for).collect();
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let digits = text.chars().filter(char::is_ascii_digit).count();
        (letters <= 2 && digits > letters + 1)
            .then(|| strict(&repaired))
            .flatten()
            .map(|amount| Amount { fit: 0.7, ..amount })
    })
}

fn digit_for(c: char) -> char {
    match c {
        'O' | 'o' => '0',
        'l' | 'I' => '1',
        'S' => '5',
        'B' => '8',
        other => other,
    }
}

fn strict(text: &str) -> Option<Amount> {
    let found = WHOLE.as_ref()?.captures(text)?;
    let number = found.name("number")?;
    let prefix: String = text.get(..number.start())?.chars().filter(|c| c.is_alphabetic()).collect();
    let stated = found.name("before").is_some() || found.name("after").is_some();
    if !stated && !prefix.is_empty() {
        return None;
    }
    let (cents, decimals) = cents(number.as_str())?;
    let fit = match (decimals, stated) {
        (true, _) => 1.0,
        (false, true) => 0.97,
        (false, false) => 0.85,
    };
    Some(Amount { cents, fit, explicit: decimals || stated })
}

/// Splits "Front bumper 93.74" into its text and its amount; only an explicit amount is split off.
pub fn amount_at_end(text: &str) -> Option<(&str, Amount)> {
    let found = AT_END.as_ref()?.captures(text.trim())?;
    let amount = amount(found.name("money")?.as_str()).filter(|amount| amount.explicit)?;
    Some((found.name("text")?.as_str().trim(), amount))
}

/// Reads a text that is two or more amounts and nothing else, which a reader ran together: `2 45.00 90.00`.
pub fn amounts(text: &str) -> Option<Vec<Amount>> {
    let mut found = Vec::new();
    for word in text.split_whitespace() {
        match strict(word) {
            Some(amount) => found.push(amount),
            None if matches!(word, "EUR" | "€" | "£" | "$" | "GBP" | "USD" | "CHF" | "x" | "×" | "@") => {}
            None => return None,
        }
    }
    let explicit = found.iter().filter(|amount| amount.explicit).count();
    (found.len() >= 2 && explicit >= 1).then_some(found)
}

/// The last separator followed by one or two digits starts the decimals; every other one groups thousands.
fn cents(number: &str) -> Option<(i64, bool)> {
    let negative = number.starts_with(['-', '−', '–']);
    let compact: String = number.chars().filter(|c| c.is_ascii_digit() || matches!(c, '.' | ',')).collect();
    let (whole, fraction) = match compact.rfind(['.', ',']) {
        Some(at) if compact.len() - at <= 3 && compact.len() - at > 1 => (compact.get(..at)?, compact.get(at + 1..)?),
        _ => (compact.as_str(), ""),
    };
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    if whole.len() > 12 {
        return None;
    }
    let decimals = format!("{fraction:0<2}").parse::<i64>().ok()?;
    let value = whole.parse::<i64>().ok()? * 100 + decimals;
    Some((if negative { -value } else { value }, fraction.len() == 2))
}
