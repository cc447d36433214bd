//! Compares outcomes with the truth and counts. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::plan::{Comparison, Group, How};

/// Differences between floating-point spellings of one number.
const NUMBER_NOISE: f64 = 1e-9;

/// What one comparison found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The comparison's name.
    pub name: String,
    pub group: Group,
    pub right: bool,
    pub expected: Value,
    pub got: Value,
}

/// Judges one outcome. A place that the truth does not mention is not judged.
pub fn judge(comparisons: &[Comparison], outcome: &Value, truth: &Value) -> Vec<Verdict> {
    let judged = comparisons.iter().filter_map(|comparison| {
        let expected = at(truth, &comparison.truth)?.clone();
        let got = at(outcome, &comparison.outcome).cloned().unwrap_or(Value::Null);
        let right = equal(comparison, &expected, &got);
        Some(Verdict { name: comparison.name.clone(), group: comparison.group, right, expected, got })
    });
    judged.collect()
}

fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    })
}

fn equal(comparison: &Comparison, expected: &Value, got: &Value) -> bool {
    match comparison.how {
        How::Exact => same(expected, got),
        How::Text => folded(expected) == folded(got),
        How::Date => day(expected) == day(got),
        How::Number => match (number(expected), number(got)) {
            (Some(expected), Some(got)) => (expected - got).abs() <= comparison.within + NUMBER_NOISE,
            (None, None) => expected.is_null() && got.is_null(),
            _ => false,
        },
    }
}

/// Equal as JSON, where 1 and 1.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= NUMBER_NOISE,
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

fn folded(value: &Value) -> String {
    crate::output::text::scalar(value).split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn day(value: &Value) -> Option<&str> {
    value.as_str().map(|text| text.get(..10).unwrap_or(text))
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

/// Right ones among those judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub right: usize,
    pub total: usize,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, right: bool) {
        self.right += usize::from(right);
        self.total += 1;
    }

    /// Share of right ones; nothing judged is nothing wrong.
    #[allow(clippy::cast_precision_loss)] // counts of packets are far below 2^52
    pub fn accuracy(self) -> f64 {
        if self.total == 0 { 1.0 } else { self.right as f64 / self.total as f64 }
    }

    /// As it stands in the report.
    pub fn report(self) -> Value {
        json!({ "accuracy": self.accuracy(), "right": self.right, "total": self.total })
    }
}

/// Counts by group and by name.
#[derive(Debug, Clone, Default)]
pub struct Tallies {
    pub fields: Tally,
    pub by_field: BTreeMap<String, Tally>,
    /// By the first word of the comparison's name: `clause`, `amount`, `review`, …
    pub decisions: BTreeMap<String, Tally>,
}

impl Tallies {
    /// Counts the verdicts on one packet.
    pub fn add(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            match verdict.group {
                Group::Fields => {
                    self.fields.add(verdict.right);
                    self.by_field.entry(verdict.name.clone()).or_default().add(verdict.right);
                }
                Group::Decision => {
                    let word = verdict.name.split([' ', '_']).next().unwrap_or_default();
                    self.decisions.entry(word.to_owned()).or_default().add(verdict.right);
                }
            }
        }
    }
}

/// Whether the truth asks for a person: any review level but `none`.
pub fn asks_for_person(verdicts: &[Verdict]) -> bool {
    let review = verdicts.iter().find(|verdict| verdict.group == Group::Decision && verdict.name.starts_with("review"));
    review.is_some_and(|verdict| !matches!(verdict.expected.as_str(), None | Some("" | "none")))
}

/// The smallest value that at least this share of the values does not exceed (nearest rank).
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rank is at most the count
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(name: &str, how: &str, group: &str) -> Comparison {
        let value = json!({"name": name, "outcome": name, "truth": format!("t.{name}"), "how": how, "group": group, "within": 0.01});
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_kind_of_comparison_accepts_what_it_should_and_nothing_else() {
        let comparisons = [
            comparison("lines", "exact", "fields"),
            comparison("name", "text", "fields"),
            comparison("sum", "number", "fields"),
            comparison("when", "date", "fields"),
        ];
        let truth = json!({"t": {"lines": [["a", 1.0]], "name": "Ada  LOVELACE", "sum": 10.0, "when": "2026-01-02"}});
        let right =
            json!({"lines": [["a", 1]], "name": "ada lovelace", "sum": "10.01", "when": "2026-01-02T00:00:00Z"});
        let wrong = json!({"lines": [["a", 2]], "name": "ada", "sum": 10.02, "when": "2026-01-03"});
        assert!(judge(&comparisons, &right, &truth).iter().all(|verdict| verdict.right));
        assert!(judge(&comparisons, &wrong, &truth).iter().all(|verdict| !verdict.right));
        assert!(judge(&comparisons, &Value::Null, &truth).iter().all(|verdict| !verdict.right));
    }

    #[test]
    fn what_the_truth_does_not_mention_is_not_judged() {
        let comparisons = [comparison("lines", "exact", "fields"), comparison("name", "text", "fields")];
        assert_eq!(judge(&comparisons, &json!({"lines": 1}), &json!({"t": {"name": ""}})).len(), 1);
    }

    #[test]
    fn tallies_keep_fields_and_decisions_apart() {
        let comparisons = [comparison("name", "text", "fields"), comparison("amount matches", "exact", "decision")];
        let truth = json!({"t": {"name": "a", "amount matches": true}});
        let mut tallies = Tallies::default();
        tallies.add(&judge(&comparisons, &json!({"name": "a", "amount matches": true}), &truth));
        tallies.add(&judge(&comparisons, &json!({"name": "b", "amount matches": true}), &truth));
        assert_eq!(tallies.fields, Tally { right: 1, total: 2 });
        assert_eq!(tallies.decisions.get("amount"), Some(&Tally { right: 2, total: 2 }));
        assert!((tallies.fields.accuracy() - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_person_is_asked_for_by_any_level_but_none() {
        let review = [comparison("review", "exact", "decision")];
        let verdicts = |level: &str| judge(&review, &Value::Null, &json!({"t": {"review": level}}));
        assert!(asks_for_person(&verdicts("adjuster")));
        assert!(!asks_for_person(&verdicts("none")));
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!(percentile(&values, 0.5), Some(3.0));
        assert_eq!(percentile(&values, 0.95), Some(5.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
