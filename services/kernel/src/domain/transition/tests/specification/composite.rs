//! `do`, `for`, `fork`, `wait` and timeouts.

use serde_json::json;

use crate::domain::command::Command;
use crate::domain::effect::Effect;
use crate::domain::transition::tests::harness::{Bench, nothing};

/// Feature "Task With Sequential Sub Tasks".
#[test]
fn the_output_of_do_is_that_of_its_last_task() {
    let body = "do:\n  - compositeExample:\n      do:\n        - setRed: {set: {colors: '${ .colors + [\"red\"] }'}}\n        - setGreen: {set: {colors: '${ .colors + [\"green\"] }'}}\n        - setBlue: {set: {colors: '${ .colors + [\"blue\"] }'}}\n";
    assert_eq!(Bench::run(body, nothing()).output(), json!({"colors": ["red", "green", "blue"]}));
}

/// Feature "For Task".
#[test]
fn each_round_takes_the_output_of_the_one_before() {
    let body = "do:\n  - loopColors:\n      for: {each: color, in: .colors}\n      do:\n        - markProcessed:\n            set:\n              processed: '${ { colors: (.processed.colors + [ $color ]), indexes: (.processed.indexes + [ $index ])} }'\n";
    let expected = json!({"processed": {"colors": ["red", "green", "blue"], "indexes": [0, 1, 2]}});
    assert_eq!(Bench::run(body, json!({"colors": ["red", "green", "blue"]})).output(), expected);
}

/// "`each`: Defaults to `item`. `at`: Defaults to `index`. `while`: the condition, if any, that must be met for the iteration
/// to continue."
#[test]
fn a_loop_has_defaults_and_stops_when_its_condition_no_longer_holds() {
    let body = "do:\n  - l: {for: {in: .ns}, while: $item < 3, do: [{s: {set: {ns: '${ .ns }', last: '${ [$item, $index] }'}}}]}\n";
    assert_eq!(Bench::run(body, json!({"ns": [1, 2, 3, 1]})).output()["last"], json!([2, 1]));
}

/// Feature "Fork Task With Competing Concurrent Sub Tasks": "a 'colors' property containing 1 items".
#[test]
fn competing_branches_give_the_output_of_the_winner() {
    let body = "do:\n  - branchWithCompete:\n      fork:\n        compete: true\n        branches:\n          - setRed: {set: {colors: '${ .colors + [\"red\"] }'}}\n          - setGreen: {set: {colors: '${ .colors + [\"green\"] }'}}\n";
    assert_eq!(Bench::run(body, nothing()).output()["colors"].as_array().map(Vec::len), Some(1));
}

/// "If set to `false`, the task returns an array that includes the outputs from each branch, preserving the order in which the
/// branches are declared."
#[test]
fn joined_branches_give_all_outputs_in_their_order() {
    let body = "do:\n  - f: {fork: {branches: [{slow: {do: [{w: {wait: PT5S}}, {s: {set: {n: 1}}}]}}, {fast: {set: {n: 2}}}]}}\n";
    let mut bench = Bench::run(body, nothing());
    bench.wait();
    assert_eq!(bench.output(), json!([{"n": 1}, {"n": 2}]));
}

/// "Durations can be defined through properties, with an ISO 8601 string or with a runtime expression that is evaluated to an
/// ISO 8601 string".
#[test]
fn a_wait_takes_each_form_of_duration() {
    for (wait, ms) in [
        ("{hours: 2, minutes: 15, seconds: 30}", 8_130_000),
        ("PT2H15M30S", 8_130_000),
        ("'${ .pause }'", 10_000),
        ("{days: 1, milliseconds: 1}", 86_400_001),
    ] {
        let mut bench = Bench::run(&format!("do:\n  - w: {{wait: {wait}}}\n"), json!({"pause": "PT10S"}));
        assert_eq!(bench.wait(), ms, "{wait}");
        assert_eq!(bench.output(), json!({"pause": "PT10S"}), "a wait passes its input on");
    }
}

/// Example of "Timeout": the workflow waits a minute and times out after 30 seconds. "If a `string`, must be the name of a
/// timeout defined in the workflow's reusable components."
#[test]
fn a_timeout_ends_the_workflow_or_the_task() {
    let kind = "https://serverlessworkflow.io/spec/1.0.0/errors/timeout";
    let mut bench =
        Bench::run("timeout: {after: {seconds: 30}}\ndo:\n  - waitAMinute: {wait: {seconds: 60}}\n", nothing());
    assert_eq!(bench.wait(), 30_000);
    assert_eq!((bench.fault().kind.as_str(), bench.fault().status), (kind, 408));
    let body = "use: {timeouts: {short: {after: PT1S}}}\ndo:\n  - w: {wait: PT5S, timeout: short}\n";
    let mut bench = Bench::run(body, nothing());
    assert_eq!(bench.wait(), 1_000);
    assert_eq!((bench.fault().kind.as_str(), bench.fault().instance.as_deref()), (kind, Some("/do/0/w")));
}

/// "`exit`: Completes the current scope's execution"; "`end`: Provides a graceful conclusion to the workflow execution".
#[test]
fn exit_leaves_the_scope_and_end_the_workflow() {
    let body = |then: &str| {
        format!(
            "do:\n  - d: {{do: [{{a: {{set: {{n: 1}}, then: {then}}}}}, {{b: {{set: {{n: 2}}}}}}]}}\n  - e: {{set: {{n: '${{ .n + 10 }}'}}}}\n"
        )
    };
    for (then, n) in [("continue", 12), ("exit", 11), ("end", 1), ("b", 12)] {
        assert_eq!(Bench::run(&body(then), nothing()).output(), json!({"n": n}), "{then}");
    }
}

/// "`at`: Defaults to `index`", in an inner loop as well; both hide the outer loop's.
#[test]
fn an_inner_loop_has_the_same_defaults_as_the_one_around_it() {
    let body = "do:\n  - outer:\n      for: {in: '[10, 20]'}\n      do:\n        - inner:\n            for: {in: '[1, 2]'}\n            do:\n              - s: {set: {seen: '${ .seen + [[$item, $index]] }'}}\n        - after: {set: {seen: '${ .seen + [[$item, $index]] }'}}\n";
    let seen = json!([[1, 0], [2, 1], [10, 0], [1, 0], [2, 1], [20, 1]]);
    assert_eq!(Bench::run(body, nothing()).output(), json!({ "seen": seen }));
}

/// "Task definition": `$task` is known in all of it, and `while` is a part of it.
#[test]
fn the_condition_of_a_loop_knows_its_task() {
    let body = "do:\n  - l: {for: {in: '[1, 2]'}, while: '$task.name == \"l\" and $index < 1', do: [{s: {set: {n: '${ $item }'}}}]}\n";
    assert_eq!(Bench::run(body, nothing()).output(), json!({"n": 1}));
}

/// "`none`: Does not output anything."
#[test]
fn a_sub_workflow_may_give_nothing() {
    for (wanted, output) in [("stdout", json!({"n": 1})), ("none", json!(null))] {
        let body =
            format!("do:\n  - r: {{run: {{workflow: {{namespace: a, name: b, version: 1.0.0}}, return: {wanted}}}}}\n");
        let mut bench = Bench::run(&body, nothing());
        let Some(Effect::StartChild(child)) = bench.effects.last().cloned() else { panic!("{:?}", bench.effects) };
        bench.send(Command::ChildFinished { key: child.key, outcome: Ok(json!({"n": 1})) }).unwrap();
        assert_eq!(bench.output(), output, "{wanted}");
    }
}
