//! Durations as the DSL writes them: ISO 8601, a mapping of units, or an expression that gives either.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::expression::{CompileError, EvaluationError, Template, Variables};

/// The longest duration, 10,000 years: no point in time that a calendar knows lies further away.
const MS_MAX: u128 = 315_576_000_000_000;
/// Units of dates and of times in ISO 8601, in their order. Calendar units count as in the DSL's own reference: a year of 365
/// days, a month of 30.
const DATE_UNITS: [(char, u128); 4] =
    [('Y', 365 * 86_400_000), ('M', 30 * 86_400_000), ('W', 7 * 86_400_000), ('D', 86_400_000)];
const TIME_UNITS: [(char, u128); 3] = [('H', 3_600_000), ('M', 60_000), ('S', 1_000)];

/// A duration, perhaps computed when it is needed.
#[derive(Debug)]
pub struct DurationSpec(Template);

/// A duration that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// It cannot be read.
    #[error("{0} is not a duration: write ISO 8601 such as PT5M, or units such as {{minutes: 5}}")]
    Unreadable(String),
    /// Nothing lasts so long.
    #[error("{0} is too long for a duration: 10,000 years are the most")]
    TooLong(String),
}

impl DurationSpec {
    /// From its value in the definition; a constant is checked here.
    pub fn compile(value: &Value, scope: &BTreeSet<String>) -> Result<Self, (String, CompileError)> {
        let template = Template::compile(value, scope)?;
        if let Template::Constant(constant) = &template {
            parse(constant).map_err(|error| {
                (String::new(), CompileError { expression: constant.to_string(), reason: error.to_string() })
            })?;
        }
        Ok(Self(template))
    }

    /// Its length.
    pub fn evaluate(&self, input: &Value, vars: &dyn Variables) -> Result<Duration, EvaluationError> {
        let value = self.0.evaluate(input, vars)?;
        parse(&value)
            .map_err(|error| EvaluationError::Failed { expression: value.to_string(), reason: error.to_string() })
    }
}

/// Reads a duration.
pub fn parse(value: &Value) -> Result<Duration, InvalidDuration> {
    let ms = match value {
        Value::String(text) => iso_ms(text),
        Value::Object(units) if !units.is_empty() => units_ms(units),
        _ => None,
    };
    match ms {
        None => Err(InvalidDuration::Unreadable(value.to_string())),
        Some(ms) if ms > MS_MAX => Err(InvalidDuration::TooLong(value.to_string())),
        Some(ms) => Ok(Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))),
    }
}

fn units_ms(units: &Map<String, Value>) -> Option<u128> {
    let mut total = 0_u128;
    for (unit, amount) in units {
        let unit_ms = match unit.as_str() {
            "days" => 86_400_000,
            "hours" => 3_600_000,
            "minutes" => 60_000,
            "seconds" => 1_000,
            "milliseconds" => 1,
            _ => return None,
        };
        total += u128::from(amount.as_u64()?) * unit_ms;
    }
    Some(total)
}

/// ISO 8601, each unit once and in order, with a fraction wherever the DSL's schema lets one stand.
fn iso_ms(text: &str) -> Option<u128> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    match (date, time) {
        ("", "") => None,
        (date, time) => section_ms(date, &DATE_UNITS)?.checked_add(section_ms(time, &TIME_UNITS)?),
    }
}

fn section_ms(text: &str, units: &[(char, u128)]) -> Option<u128> {
    let (mut rest, mut units, mut total) = (text, units.iter(), 0_u128);
    while !rest.is_empty() {
        let end = rest.find(|it: char| it.is_ascii_alphabetic())?;
        let (amount, unit) = (rest.get(..end)?, rest.get(end..)?.chars().next()?);
        let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(times(amount, *unit_ms)?)?;
        rest = rest.get(end + 1..)?;
    }
    Some(total)
}

/// A decimal number of units. Digits that make no difference to a millisecond are left out.
fn times(amount: &str, unit_ms: u128) -> Option<u128> {
    const DIGITS_MAX: usize = 12;
    let (whole, fraction) = amount.split_once('.').map_or((amount, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !is_number(whole) || fraction.is_some_and(|fraction| !is_number(fraction)) {
        return None;
    }
    // What does not fit is longer than any duration may be.
    let whole = whole.parse::<u64>().map_or(u128::from(u64::MAX), u128::from);
    let fraction: String = fraction.unwrap_or_default().chars().take(DIGITS_MAX).collect();
    let parts: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let of = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(whole * unit_ms + parts * unit_ms / of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_read_as_the_dsl_writes_them() {
        for (value, ms) in [
            (json!("PT5S"), 5_000),
            (json!("PT1.5S"), 1_500),
            (json!("P1DT2H"), 93_600_000),
            (json!("P1M"), 2_592_000_000),
            (json!("P1.5D"), 129_600_000),
            (json!("P2WT0.5H0.25M"), 1_209_600_000 + 1_800_000 + 15_000),
            (json!("PT0S"), 0),
            (json!({"seconds": 2, "milliseconds": 5}), 2_005),
            // A timer for the year 9999.
            (json!("P7973Y"), 7_973 * 31_536_000_000),
        ] {
            assert_eq!(parse(&value), Ok(Duration::from_millis(ms)), "{value}");
        }
        let bad = [
            json!("5s!"),
            json!(5),
            json!({}),
            json!({"weeks": 1}),
            json!("-PT5S"),
            json!({"days": -1}),
            json!("P"),
            json!("PT"),
            json!("P1DT"),
            json!("PT1S2H"),
            json!("P1H"),
            json!("PT1.S"),
            json!("PT5"),
            json!({"days": 1.5}),
        ];
        for bad in bad {
            assert_eq!(parse(&bad), Err(InvalidDuration::Unreadable(bad.to_string())));
        }
        let long = [
            json!("P99999Y"),
            json!({"days": u64::MAX, "hours": u64::MAX}),
            json!("PT99999999999999999999999999999S"),
            json!(format!("P{0}Y{0}M{0}W{0}D", u64::MAX)),
        ];
        for long in long {
            assert_eq!(parse(&long), Err(InvalidDuration::TooLong(long.to_string())));
        }
    }
}
