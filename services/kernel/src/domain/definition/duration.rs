//! Durations as the DSL writes them: ISO 8601, a mapping of units, or an expression that gives either.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::Span;
use serde_json::Value;

use crate::domain::expression::{CompileError, EvaluationError, Template, Variables};

/// The longest duration, about 1,000 years; later points in time are cut to it.
const MS_MAX: u64 = 31_536_000_000_000;

/// A duration, perhaps computed when it is needed.
#[derive(Debug)]
pub struct DurationSpec(Template);

/// A duration that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a duration: write ISO 8601 such as PT5M, or units such as {{minutes: 5}}")]
pub struct InvalidDuration(pub String);

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
    let invalid = || InvalidDuration(value.to_string());
    let ms = match value {
        Value::String(text) => iso_ms(text).ok_or_else(invalid)?,
        Value::Object(units) if !units.is_empty() => {
            let mut total = 0_u64;
            for (unit, amount) in units {
                let unit_ms = match unit.as_str() {
                    "days" => 86_400_000,
                    "hours" => 3_600_000,
                    "minutes" => 60_000,
                    "seconds" => 1_000,
                    "milliseconds" => 1,
                    _ => return Err(invalid()),
                };
                let amount = amount.as_u64().ok_or_else(invalid)?;
                total = total.saturating_add(amount.saturating_mul(unit_ms));
            }
            total
        }
        _ => return Err(invalid()),
    };
    Ok(Duration::from_millis(ms.min(MS_MAX)))
}

/// Calendar units count as in the DSL's own reference: a year of 365 days, a month of 30.
fn iso_ms(text: &str) -> Option<u64> {
    let span: Span = text.parse().ok()?;
    let days = i64::from(span.get_years()) * 365
        + i64::from(span.get_months()) * 30
        + i64::from(span.get_weeks()) * 7
        + i64::from(span.get_days());
    let clock = SignedDuration::from_hours(i64::from(span.get_hours()))
        .checked_add(SignedDuration::from_mins(span.get_minutes()))?
        .checked_add(SignedDuration::from_secs(span.get_seconds()))?
        .checked_add(SignedDuration::from_millis(span.get_milliseconds()))?
        .checked_add(SignedDuration::from_micros(span.get_microseconds()))?;
    let ms = clock.as_millis().checked_add(i128::from(days) * 86_400_000)?;
    u64::try_from(ms).ok()
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
            (json!({"seconds": 2, "milliseconds": 5}), 2_005),
            (json!("P9999Y"), MS_MAX),
        ] {
            assert_eq!(parse(&value), Ok(Duration::from_millis(ms)), "{value}");
        }
        for bad in [json!("5s!"), json!(5), json!({}), json!({"weeks": 1}), json!("-PT5S"), json!({"days": -1})] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
