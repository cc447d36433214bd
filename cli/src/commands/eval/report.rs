//! What an evaluation found: the JSON report and the table.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::plan::{Group, Plan};
use super::runner::Case;
use super::score::{Tallies, Tally, Verdict, asks_for_person, judge, percentile};
use crate::output::{Table, text};

/// A case with the verdicts on it.
#[derive(Debug)]
pub struct Judged {
    pub case: Case,
    pub verdicts: Vec<Verdict>,
}

impl Judged {
    /// Compares a case with its truth.
    pub fn new(plan: &Plan, case: Case, truth: &Value) -> Self {
        Self { verdicts: judge(plan.comparisons(), &case.outcome, truth), case }
    }

    /// Right fields among those judged.
    pub fn fields(&self) -> Tally {
        let mut tallies = Tallies::default();
        tallies.add(&self.verdicts);
        tallies.fields
    }

    /// Settled without a person where the truth asks for one.
    pub fn is_unsafe(&self) -> bool {
        asks_for_person(&self.verdicts) && !self.case.asked && self.case.status == "completed"
    }

    fn misses(&self) -> Vec<Value> {
        let wrong = self.verdicts.iter().filter(|verdict| !verdict.right);
        wrong.map(|miss| json!({ "field": miss.name, "expected": miss.expected, "got": miss.got })).collect()
    }
}

/// The report.
pub fn report(workflow: &str, judged: &[Judged]) -> Value {
    let mut tallies = Tallies::default();
    let (mut misses, mut packets) = (Map::new(), Vec::new());
    for one in judged {
        tallies.add(&one.verdicts);
        if one.verdicts.iter().any(|verdict| !verdict.right) {
            misses.insert(one.case.name.clone(), Value::Array(one.misses()));
        }
        packets.push(json!({
            "packet": one.case.name, "task": one.case.task, "status": one.case.status, "seconds": one.case.seconds,
            "cost_nanos": one.case.cost_nanos, "person_asked": one.case.asked, "unsafe": one.is_unsafe(),
            "error": one.case.error,
        }));
    }
    let seconds: Vec<f64> = judged.iter().filter(|one| !one.case.task.is_empty()).map(|one| one.case.seconds).collect();
    let by_name: Map<String, Value> =
        tallies.by_field.iter().map(|(name, tally)| (name.clone(), json!(tally.accuracy()))).collect();
    let cost: u64 = judged.iter().map(|one| one.case.cost_nanos).sum();
    let mut fields = tallies.fields.report();
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("by_name".to_owned(), Value::Object(by_name));
    }
    let mut report = json!({
        "workflow": workflow,
        "packets": judged.len(),
        "failed": judged.iter().filter(|one| one.case.error.is_some()).count(),
        "fields": fields,
        "unsafe": judged.iter().filter(|one| one.is_unsafe()).count(),
        "seconds": { "p50": percentile(&seconds, 0.5), "p95": percentile(&seconds, 0.95) },
        "cost": { "total_nanos": cost, "per_packet_nanos": cost / (judged.len().max(1) as u64) },
        "misses": misses,
        "by_packet": packets,
    });
    if let Some(report) = report.as_object_mut() {
        for name in ["clause", "amount", "review"] {
            report.insert(name.to_owned(), Tally::default().report());
        }
        for (name, tally) in &tallies.decisions {
            report.insert(name.clone(), tally.report());
        }
    }
    report
}

/// The same for people.
pub fn human(judged: &[Judged], report: &Value) -> String {
    let mut table =
        Table::new(&["packet", "fields", "decision", "person asked", "cost", "seconds", "misses"]).right(&[4, 5]);
    for one in judged {
        let fields = one.fields();
        let mut conclusions = Tally::default();
        let decided = one.verdicts.iter().filter(|verdict| verdict.group == Group::Decision);
        decided.for_each(|verdict| conclusions.add(verdict.right));
        let missed: Vec<&str> =
            one.verdicts.iter().filter(|verdict| !verdict.right).map(|verdict| verdict.name.as_str()).collect();
        table.row([
            one.case.name.clone(),
            format!("{}/{}", fields.right, fields.total),
            format!("{}/{}", conclusions.right, conclusions.total),
            if one.case.asked { "yes".to_owned() } else { "no".to_owned() },
            text::money(one.case.cost_nanos),
            format!("{:.2}", one.case.seconds),
            one.case.error.as_ref().map_or_else(|| missed.join(", "), |error| text::short(error, 80)),
        ]);
    }
    let mut shown = table.or("no packets");
    let share = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
    let percent = |name: &str| 100.0 * share(&format!("/{name}/accuracy"));
    // Writing to a String cannot fail.
    let _infallible = write!(
        shown,
        "\n\nfields {:.1} %   clause {:.1} %   amount {:.1} %   review {:.1} %   unsafe {}\nseconds p50 {:.2}  p95 {:.2}   cost {} in all",
        percent("fields"),
        percent("clause"),
        percent("amount"),
        percent("review"),
        report.get("unsafe").map(text::scalar).unwrap_or_default(),
        share("/seconds/p50"),
        share("/seconds/p95"),
        text::money(report.pointer("/cost/total_nanos").and_then(Value::as_u64).unwrap_or_default()),
    );
    shown
}
