//! What the cases came to, for people and for programs.

use std::time::Duration;

use orrery_kernel::embedded::Outcome;
use serde_json::{Value, json};

use super::expect::Difference;
use crate::output::text;

/// Characters of a value that are shown to people.
const VALUE_MAX: usize = 400;

/// One case that has run.
#[derive(Debug)]
pub struct Result {
    /// Its name.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What is not as expected.
    pub differences: Vec<Difference>,
    /// What the script lacked, and what the run refused.
    pub complaints: Vec<String>,
}

impl Result {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty() && self.complaints.is_empty()
    }
}

/// For programs.
pub fn json_of(results: &[Result]) -> Value {
    let case = |result: &Result| {
        let mut case = json!({ "name": result.name, "passed": result.passed() });
        if let Some(fields) = case.as_object_mut() {
            fields.insert("elapsed_ms".to_owned(), json!(millis(result.outcome.elapsed)));
            if !result.passed() {
                fields.insert("differences".to_owned(), json!(result.differences));
                fields.insert("complaints".to_owned(), json!(result.complaints));
                fields.insert("outcome".to_owned(), result.outcome.to_value());
            }
        }
        case
    };
    let passed = results.iter().filter(|result| result.passed()).count();
    json!({ "passed": passed, "failed": results.len() - passed, "cases": results.iter().map(case).collect::<Vec<_>>() })
}

/// For people.
pub fn text_of(results: &[Result]) -> String {
    let mut lines = Vec::new();
    for result in results {
        let mark = if result.passed() { "ok    " } else { "FAILED" };
        lines.push(format!("{mark}  {}  ({} on its clock)", result.name, spoken(result.outcome.elapsed)));
        lines.extend(result.complaints.iter().map(|complaint| format!("        {complaint}")));
        for Difference { at, expected, found } in &result.differences {
            lines.push(format!("        {at}"));
            lines.push(format!("          expected  {}", shown(expected.as_ref())));
            lines.push(format!("          found     {}", shown(found.as_ref())));
        }
    }
    let failed = results.iter().filter(|result| !result.passed()).count();
    lines.push(format!("{} passed, {failed} failed", results.len() - failed));
    lines.join("\n")
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| text::short(&value.to_string(), VALUE_MAX))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time in the units that read best.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.3} s", time.as_secs_f64()),
        60..3_600 => format!("{minutes} min {} s", seconds % 60),
        3_600..86_400 => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
