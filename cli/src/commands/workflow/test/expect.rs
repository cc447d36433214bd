//! Holds what came of a run against what was expected.

use orrery_kernel::embedded::{Outcome, RunStatus};
use serde::Serialize;
use serde_json::{Value, json};

use super::cases::Expectation;

/// Differences of one case that are shown; more would hide the first.
const SHOWN_MAX: usize = 20;

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Where: a part of the outcome, and the pointer inside it.
    pub at: String,
    /// What should be there; none: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What is; none: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
}

/// How closely a value must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    /// Wholly.
    Exact,
    /// Objects may hold more fields.
    Part,
}

/// All differences.
pub fn compare(expected: &Expectation, outcome: &Outcome) -> Vec<Difference> {
    let mut found = Vec::new();
    if let Some(status) = expected.status {
        values("status", &json!(RunStatus::from(status)), &json!(outcome.status), Match::Exact, &mut found);
    }
    let output = json!(outcome.output);
    if let Some(expected) = &expected.output {
        values("output", expected, &output, Match::Exact, &mut found);
    }
    if let Some(expected) = &expected.output_has {
        values("output", expected, &output, Match::Part, &mut found);
    }
    if let Some(expected) = &expected.error {
        values("error", expected, &json!(outcome.error), Match::Part, &mut found);
    }
    if let Some(expected) = &expected.emitted {
        values("emitted", &json!(expected), &json!(outcome.emitted), Match::Part, &mut found);
    }
    if let Some(expected) = &expected.calls {
        values("calls", &json!(expected), &json!(outcome.calls), Match::Part, &mut found);
    }
    if let Some(expected) = &expected.refusals {
        refusals(expected, &outcome.refusals, &mut found);
    }
    if let Some(expected) = &expected.waiting {
        let waiting: Vec<&str> = outcome.waiting.iter().map(|wait| wait.task.as_str()).collect();
        values("waiting", &json!(expected), &json!(waiting), Match::Exact, &mut found);
    }
    if let Some(expected) = expected.elapsed.filter(|expected| *expected != outcome.elapsed) {
        let seconds = |it: std::time::Duration| json!(it.as_secs_f64());
        let at = "elapsed (seconds)".to_owned();
        found.push(Difference { at, expected: Some(seconds(expected)), found: Some(seconds(outcome.elapsed)) });
    }
    tasks(expected, outcome, &mut found);
    // A run that ended otherwise than expected is best explained by its error.
    if !found.is_empty() && expected.error.is_none() && outcome.error.is_some() {
        found.push(Difference { at: "error".to_owned(), expected: None, found: Some(json!(outcome.error)) });
    }
    found.truncate(SHOWN_MAX);
    found
}

fn tasks(expected: &Expectation, outcome: &Outcome, found: &mut Vec<Difference>) {
    let ran: Vec<&str> = outcome.tasks.iter().map(|pointer| &**pointer).collect();
    if let Some(expected) = &expected.tasks {
        values("tasks", &json!(expected), &json!(ran), Match::Exact, found);
    }
    let mut rest = ran.iter();
    for task in &expected.tasks_include {
        if !rest.any(|it| it == task) {
            let at = "tasks_include".to_owned();
            found.push(Difference { at, expected: Some(json!(task)), found: Some(json!(ran)) });
            break;
        }
    }
    for task in expected.tasks_exclude.iter().filter(|task| ran.contains(&task.as_str())) {
        found.push(Difference { at: "tasks_exclude".to_owned(), expected: None, found: Some(json!(task)) });
    }
}

fn refusals(expected: &[String], refused: &[String], found: &mut Vec<Difference>) {
    for index in 0..expected.len().max(refused.len()) {
        match (expected.get(index), refused.get(index)) {
            (Some(part), Some(whole)) if whole.contains(part.as_str()) => {}
            (part, whole) => {
                let at = format!("refusals/{index}");
                let value = |text: &String| json!(text);
                found.push(Difference { at, expected: part.map(value), found: whole.map(value) });
            }
        }
    }
}

fn values(at: &str, expected: &Value, found: &Value, how: Match, differences: &mut Vec<Difference>) {
    match (expected, found) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (name, wanted) in wanted {
                let at = format!("{at}/{name}");
                match there.get(name) {
                    Some(there) => values(&at, wanted, there, how, differences),
                    None => differences.push(Difference { at, expected: Some(wanted.clone()), found: None }),
                }
            }
            for (name, there) in there.iter().filter(|(name, _)| how == Match::Exact && !wanted.contains_key(*name)) {
                differences.push(Difference { at: format!("{at}/{name}"), expected: None, found: Some(there.clone()) });
            }
        }
        (Value::Array(wanted), Value::Array(there)) => {
            for index in 0..wanted.len().max(there.len()) {
                let at = format!("{at}/{index}");
                match (wanted.get(index), there.get(index)) {
                    (Some(wanted), Some(there)) => values(&at, wanted, there, how, differences),
                    (wanted, there) => {
                        differences.push(Difference { at, expected: wanted.cloned(), found: there.cloned() });
                    }
                }
            }
        }
        (expected, found) if same(expected, found) => {}
        (expected, found) => {
            let (expected, found) = (Some(expected.clone()), Some(found.clone()));
            differences.push(Difference { at: at.to_owned(), expected, found });
        }
    }
}

/// Equal as JSON has it: 1 and 1.0 are the same number.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(expected: &Value, found: &Value, how: Match) -> Vec<String> {
        let mut list = Vec::new();
        values("output", expected, found, how, &mut list);
        list.into_iter().map(|it| it.at).collect()
    }

    #[test]
    fn a_part_leaves_other_fields_open_and_nothing_else() {
        let found = json!({"a": 1, "b": {"c": [1, 2.0], "d": 2}});
        assert_eq!(differences(&json!({"b": {"c": [1.0, 2]}}), &found, Match::Part), [""; 0]);
        assert_eq!(differences(&json!({"a": 1}), &found, Match::Exact), ["output/b"]);
        assert_eq!(differences(&json!({"b": {"c": [1]}}), &found, Match::Part), ["output/b/c/1"]);
        assert_eq!(differences(&json!({"x": null}), &found, Match::Part), ["output/x"]);
        assert_eq!(differences(&json!({"a": "1"}), &found, Match::Part), ["output/a"]);
    }
}
