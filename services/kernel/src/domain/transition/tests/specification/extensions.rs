//! `use.extensions`.

use serde_json::json;

use crate::domain::effect::Effect;
use crate::domain::transition::tests::harness::{Bench, nothing};

const LOG: &str = "use:
  extensions:
    - logging:
        extend: EXTEND
        before:
          - b: {emit: {event: {with: {source: 'https://log.example', type: before, data: \"${ \\\"Executing task '\\\\($task.reference)'...\\\" }\"}}}}
        after:
          - a: {emit: {event: {with: {source: 'https://log.example', type: after, data: \"${ $task.output }\"}}}}
";

fn said(bench: &Bench) -> Vec<(String, serde_json::Value)> {
    let events = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Publish(event) => Some((event["type"].as_str().unwrap().to_owned(), event["data"].clone())),
        _ => None,
    });
    events.collect()
}

/// "Perform logging before and after any non-extension task is run".
#[test]
fn what_runs_around_a_task_sees_it_and_leaves_its_data_alone() {
    let body = format!(
        "{}do:\n  - one: {{set: {{n: 1}}}}\n  - two: {{set: {{n: '${{ .n + 1 }}'}}}}\n",
        LOG.replace("EXTEND", "all")
    );
    let bench = Bench::run(&body, nothing());
    assert_eq!(bench.output(), json!({"n": 2}));
    let expected = [
        ("before", json!("Executing task '/do/0/one'...")),
        ("after", json!({"n": 1})),
        ("before", json!("Executing task '/do/1/two'...")),
        ("after", json!({"n": 2})),
    ];
    assert_eq!(said(&bench), expected.map(|(kind, data)| (kind.to_owned(), data)));
}

/// "Extensions enable the execution of tasks prior to those they extend, offering the flexibility to potentially bypass the
/// extended task entirely using an `exit` workflow directive."
#[test]
fn exit_bypasses_the_task() {
    let body = "use:\n  extensions:\n    - mockService:\n        extend: call\n        when: $task.call == \"orrery.embed\"\n        before:\n          - intercept: {set: {statusCode: 200}, then: exit}\n          - never: {set: {statusCode: 500}}\ndo:\n  - e: {call: orrery.embed, with: {texts: [a]}}\n  - next: {set: {got: '${ .statusCode }'}}\n";
    let bench = Bench::run(body, nothing());
    assert_eq!(bench.output(), json!({"got": 200}));
    assert!(bench.calls().is_empty());
}

/// "`extend`: The type of task to extend"; "`when`: used to determine whether or not the extension should apply".
#[test]
fn an_extension_applies_to_its_type_and_while_its_condition_holds() {
    let body = format!("{}do:\n  - d: {{do: [{{s: {{set: {{n: 1}}}}}}]}}\n", LOG.replace("EXTEND", "composite"));
    let told: Vec<_> = said(&Bench::run(&body, nothing())).into_iter().map(|(_, data)| data).collect();
    assert_eq!(told, [json!("Executing task '/do/0/d'..."), json!({"n": 1})]);
    let body = format!(
        "{}do:\n  - s: {{set: {{n: 1}}}}\n",
        LOG.replace("extend: EXTEND", "extend: set\n        when: $task.name == \"other\"")
    );
    assert!(said(&Bench::run(&body, nothing())).is_empty());
}

#[test]
fn an_extended_task_still_says_where_the_flow_goes() {
    let body = format!(
        "{}do:\n  - s: {{switch: [{{x: {{when: .n == 1, then: c}}}}]}}\n  - b: {{set: {{n: 0}}, then: end}}\n  - c: {{if: .n == 1, set: {{n: 5}}, then: exit}}\n  - d: {{set: {{n: 6}}}}\n",
        LOG.replace("EXTEND", "all")
    );
    assert_eq!(Bench::run(&body, json!({"n": 1})).output(), json!({"n": 5}));
    assert_eq!(Bench::run(&body, json!({"n": 2})).output(), json!({"n": 0}));
}

#[test]
fn errors_and_effects_of_an_extended_task_are_its_own() {
    let body = format!(
        "{}do:\n  - t: {{try: [{{e: {{call: orrery.embed, with: {{texts: [a]}}}}}}], catch: {{do: [{{h: {{set: '${{ $error.instance }}'}}}}]}}}}\n",
        LOG.replace("EXTEND", "call")
    );
    let mut bench = Bench::run(&body, nothing());
    assert_eq!(bench.calls()[0].key, "task_1/do/0/t/try/0/e/0/1");
    bench.refuse(crate::domain::fault::Fault::new(crate::domain::fault::Standard::Runtime, "no")).unwrap();
    assert_eq!(bench.output(), json!("/do/0/t/try/0/e"));
}
