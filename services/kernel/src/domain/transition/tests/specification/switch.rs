//! `switch` and flow directives.

use serde_json::json;

use crate::domain::transition::tests::harness::Bench;

/// "If not set, the case will be matched by default if no other case match."
#[test]
fn the_default_counts_last_wherever_it_stands() {
    let body = "do:\n  - s: {switch: [{other: {then: b}}, {big: {when: .n > 1, then: a}}]}\n  - a: {set: {got: a}, then: end}\n  - b: {set: {got: b}}\n";
    for (n, got) in [(2, "a"), (1, "b")] {
        assert_eq!(Bench::run(body, json!({"n": n})).output(), json!({"got": got}));
    }
}

/// Feature "Switch task with implicit default case": the task's own `then` applies.
#[test]
fn without_a_match_the_tasks_own_then_applies() {
    let body = "do:\n  - switchColor:\n      switch:\n        - red: {when: '.color == \"red\"', then: setRed}\n      then: end\n  - setRed: {set: {colors: '${ .colors + [ \"red\" ] }'}}\n";
    assert_eq!(Bench::run(body, json!({"color": "yellow"})).output(), json!({"color": "yellow"}));
    assert_eq!(Bench::run(body, json!({"color": "red"})).output(), json!({"colors": ["red"]}));
}

/// Feature "Explicit Sequence Flow".
#[test]
fn then_orders_the_tasks() {
    let body = "do:\n  - setRed: {set: {colors: '${ .colors + [ \"red\" ] }'}, then: setGreen}\n  - setBlue: {set: {colors: '${ .colors + [ \"blue\" ] }'}, then: end}\n  - setGreen: {set: {colors: '${ .colors + [ \"green\" ] }'}, then: setBlue}\n";
    assert_eq!(Bench::run(body, json!({})).output(), json!({"colors": ["red", "green", "blue"]}));
}
