//! Numbers as they are written. What cannot be kept digit by digit is refused rather than rounded: whoever writes so many digits
//! means them, and a text keeps them.

use serde_json::{Number, Value};

use super::problem::Problem;

/// Why a number is refused.
pub const INEXACT: &str = "the number has more digits than a number keeps: write it as text, in quotes";

/// A plain scalar of YAML's core schema (YAML 1.2, section 10.3.2) as a number; none: it is no number.
pub fn read(text: &str) -> Option<Result<Value, &'static str>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(value) = radix(text, "0x", 16).or_else(|| radix(text, "0o", 8)) {
        return Some(value);
    }
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Some(Ok(Value::from(integer)));
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some(Ok(Value::from(integer)));
    }
    let float: f64 = text.parse().ok()?;
    let number = Number::from_f64(float).filter(|_| is_kept(text, float));
    Some(number.map(Value::Number).ok_or(INEXACT))
}

fn radix(text: &str, prefix: &str, radix: u32) -> Option<Result<Value, &'static str>> {
    let digits = text.strip_prefix(prefix)?;
    let is_number = !digits.is_empty() && digits.chars().all(|it| it.is_digit(radix));
    is_number.then(|| i64::from_str_radix(digits, radix).map(Value::from).map_err(|_| INEXACT))
}

/// The first number in a JSON text of which reading keeps less than is written.
pub fn first_inexact(json: &str) -> Option<Problem> {
    let (mut rest, mut passed) = (json, 0);
    loop {
        let start = rest.find(|it: char| it == '"' || it == '-' || it.is_ascii_digit())?;
        let token = rest.get(start..)?;
        let length = if token.starts_with('"') { text_length(token) } else { number_length(token) };
        if !token.starts_with('"') && matches!(read(token.get(..length)?), Some(Err(_))) {
            let before = json.get(..passed + start)?;
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            return Some(Problem { line, column, pointer: String::new(), reason: INEXACT.to_owned() });
        }
        passed += start + length;
        rest = token.get(length..)?;
    }
}

fn text_length(token: &str) -> usize {
    let mut escaped = false;
    let end = token.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(token.len(), |end| end + 2)
}

fn number_length(token: &str) -> usize {
    let other = |byte: u8| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    token.bytes().position(other).unwrap_or(token.len())
}

/// Whether the shortest writing of a floating-point number has the digits of the text.
fn is_kept(text: &str, float: f64) -> bool {
    significant(text).is_some_and(|written| significant(&format!("{float:e}")) == Some(written))
}

/// The digits without zeros around them, and the power of ten of the last; the same for every writing of a number.
fn significant(text: &str) -> Option<(String, i64)> {
    let text = text.trim_start_matches(['-', '+']);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some((String::new(), 0));
    }
    let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
    Some((kept.to_owned(), exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_kept_as_they_are_or_refused() {
        for (text, value) in [
            ("0", json!(0)),
            ("-7", json!(-7)),
            ("+12", json!(12)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("9007199254740993", json!(9_007_199_254_740_993_u64)),
            ("18446744073709551615", json!(u64::MAX)),
            ("0.1", json!(0.1)),
            ("1.50", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("0.30000000000000004", json!(0.300_000_000_000_000_04)),
            ("100000000000000000000000", json!(1e23)),
        ] {
            assert_eq!(read(text), Some(Ok(value)), "{text}");
        }
        for text in [
            "12345678901234567890123",
            "3.14159265358979323846",
            "123456789012345678.123456789",
            "1e999",
            "1e-999",
            "0xFFFFFFFFFFFFFFFF1",
        ] {
            assert_eq!(read(text), Some(Err(INEXACT)), "{text}");
        }
        for text in ["1.0.0", "1-2", "2026-11-28", "0xyz", "e5", "-", "+", "one", "12:30"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_json_text_is_looked_through_for_numbers() {
        let fine =
            "{\"a\": [1, -2.5e3, 18446744073709551615], \"12345678901234567890123\": \"\\\"3.14159265358979323846\"}";
        assert_eq!(first_inexact(fine), None);
        let found = first_inexact("{\n  \"ä\": 12345678901234567890123}").unwrap();
        assert_eq!((found.line, found.column), (2, 8));
    }
}
