//! Definitions that are malformed, endless, huge or deep: each gets its reason in good time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

const HEAD: &str = "document: {dsl: 1.0.0, namespace: test, name: sample, version: 1.0.0}\n";

fn problems(body: &str) -> Vec<Problem> {
    parse(&format!("{HEAD}{body}")).err().unwrap_or_else(|| panic!("accepted:\n{body}")).0
}

fn accepted(body: &str) {
    if let Err(problems) = parse(&format!("{HEAD}{body}")) {
        panic!("{problems}\n{body}");
    }
}

#[test]
fn a_cycle_of_then_that_nothing_ends_is_refused() {
    for body in [
        "do:\n  - a: {set: {x: 1}, then: a}\n",
        "do:\n  - a: {set: {x: 1}}\n  - b: {set: {y: 1}, then: a}\n",
        "do:\n  - a: {switch: [{x: {when: .x, then: a}}, {y: {then: b}}]}\n  - b: {set: {y: 1}, then: a}\n",
        "do:\n  - o:\n      do:\n        - a: {do: [{s: {set: {x: 1}}}], then: a}\n",
        "do:\n  - go: {set: {x: 1}, then: b}\n  - out: {set: {x: 1}, then: end}\n  - b: {set: {x: 1}, then: b}\n",
    ] {
        assert!(problems(body).iter().any(|problem| problem.reason.contains("for ever")), "{body}");
    }
    for body in [
        // A way out by a condition, an end, a list around it, something that takes time or may fail.
        "do:\n  - a: {set: {x: 1}}\n  - b: {switch: [{again: {when: .x, then: a}}]}\n",
        "do:\n  - a: {if: .x, set: {x: 1}, then: a}\n",
        "do:\n  - a: {do: [{b: {set: {x: 1}, then: end}}], then: a}\n",
        "do:\n  - a: {wait: PT1H, then: a}\n",
        "do:\n  - a: {listen: {to: {one: {with: {type: t}}}}, then: a}\n",
        "do:\n  - a: {try: [{r: {raise: {error: {type: 'https://e.com/e', status: 1}}}}], catch: {do: [{s: {set: {x: 1}, then: end}}]}, then: a}\n",
        // Nobody comes here.
        "do:\n  - a: {set: {x: 1}, then: end}\n  - b: {set: {x: 1}, then: b}\n",
    ] {
        accepted(body);
    }
}

#[test]
fn ten_thousand_tasks_with_expressions_compile() {
    let tasks: String =
        (0..10_000).map(|index| format!("  - t{index}: {{set: {{n: '${{ .n + {index} }}'}}}}\n")).collect();
    accepted(&format!("do:\n{tasks}"));
}

#[test]
fn lists_two_hundred_deep_are_refused_with_a_reason() {
    let mut body = "do:\n".to_owned();
    for level in 0..200 {
        body.push_str(&format!("{0}- t:\n{0}    do:\n", " ".repeat(level * 6 + 2)));
    }
    body.push_str(&format!("{}- s: {{set: {{x: 1}}}}\n", " ".repeat(1202)));
    assert!(problems(&body)[0].reason.contains("levels deep"), "{:?}", problems(&body));
    let json = format!("{{\"document\": {}{}", "[".repeat(200), "]".repeat(200));
    assert!(parse(&json).is_err());
}

#[test]
fn names_in_conflict_and_sections_that_do_not_exist_are_refused() {
    for (body, reason) in [
        ("do:\n  - a: {set: {x: 1}}\n  - a: {set: {x: 1}}\n", "names must differ"),
        ("do:\n  - f: {fork: {branches: [{a: {set: {x: 1}}}, {a: {set: {x: 1}}}]}}\n", "names must differ"),
        ("do:\n  - a: {for: {each: input, in: .x}, do: []}\n", "already a variable"),
        ("do: [{a: {call: 'log:1.0.0@c'}}]\n", "use.functions"),
        ("input: {schema: {resource: {endpoint: 'https://e.com/s.json'}}}\ndo: []\n", "under `document`"),
        ("evaluate: {language: javascript}\ndo: []\n", "written in jq"),
        ("evaluate: {mode: sloppy}\ndo: []\n", "`strict` or `loose`"),
        ("do:\n  - a: {raise: {error: {type: 'https://e.com/e', status: 400}}, then: b}\n", "no task is named"),
        ("do:\n  - a:\n      set: {x: 1}\n    b:\n      set: {x: 1}\n", ""),
        ("do:\n  - l: {listen: {to: {any: [], until: {any: [], until: '${ true }'}}}}\n", ""),
    ] {
        assert!(problems(body).iter().any(|problem| problem.reason.contains(reason)), "{body}: {:?}", problems(body));
    }
}
