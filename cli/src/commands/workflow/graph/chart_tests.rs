//! One definition with every kind of task against the chart that was reviewed by eye, and names that would break Mermaid.

use orrery_kernel::domain::definition;
use serde_json::json;

use super::draw;

const DEFINITION: &str = include_str!("everything.yaml");
const CHART: &str = include_str!("everything.mmd");

#[test]
fn every_kind_of_task_is_drawn() {
    let drawn = definition::read(DEFINITION).map(|source| draw(&source.value));
    assert_eq!(drawn.as_deref(), Ok(CHART));
}

/// Outside its quoted labels a line may hold only what this module writes.
fn syntax(line: &str) -> String {
    line.split('"').step_by(2).collect()
}

#[test]
fn no_name_leaves_its_label() {
    let names =
        ["end", "a\"b", "x]]-->y", "subgraph", "`md`", "<script>", "%%{init}%%", "ü\u{202e}数", "\n", "#quot;", ""];
    let tasks: Vec<_> = names.iter().map(|name| json!({ *name: { "set": { "x": 1 } } })).collect();
    let chart = draw(&json!({ "do": tasks }));
    for line in chart.lines().filter(|line| line.contains("<br/>set")) {
        let outside = syntax(line);
        let plain = outside.trim().trim_start_matches('n');
        assert!(plain.ends_with("[]") && plain.trim_end_matches("[]").chars().all(|it| it.is_ascii_digit()), "{line}");
        assert_eq!(line.matches('"').count(), 2, "{line}");
        assert!(!line.contains('`') && !line.contains("<s"), "{line}");
    }
    assert_eq!(chart.matches("<br/>set").count(), names.len());
}

#[test]
fn an_empty_definition_has_a_beginning_and_an_end() {
    assert_eq!(draw(&json!({ "do": [] })), "flowchart TD\n  start([start])\n  start --> stop\n  stop([end])\n");
}
