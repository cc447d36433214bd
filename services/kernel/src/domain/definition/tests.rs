//! Good definitions are accepted, and each fault is reported where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

const HEAD: &str = "document: {dsl: 1.0.0, namespace: test, name: sample, version: 1.0.0}\n";

/// Source, line, pointer, and a part of the reason.
const FAULTS: &[(&str, usize, &str, &str)] = &[
    ("do:\n  - a: {set: {x: 1}, bogus: 2}\n", 3, "/do/0/a/bogus", "unknown field \"bogus\""),
    ("do:\n  - a:\n      set: {x: 1}\n      then: nowhere\n", 5, "/do/0/a/then", "no task is named \"nowhere\""),
    ("do:\n  - a: {set: {x: 1}}\n  - a: {set: {x: 2}}\n", 4, "/do/1/a", "names must differ"),
    ("do:\n  - a: {call: orrery.reed, with: {}}\n", 3, "/do/0/a/call", "unknown function \"orrery.reed\""),
    ("do:\n  - a:\n      call: orrery.read\n      with: {}\n", 5, "/do/0/a/with", "needs the argument \"attachment\""),
    ("do:\n  - a: {call: orrery.read, with: {attachment: f, colour: 1}}\n", 3, "/do/0/a/with/colour", "takes no"),
    ("do:\n  - a:\n      set:\n        x: ${ .y | }\n", 5, "/do/0/a/set/x", "invalid expression"),
    ("do:\n  - a:\n      set:\n        x: ${ $nope }\n", 5, "/do/0/a/set/x", "undefined variable $nope"),
    ("do:\n  - a: {wait: {fortnights: 1}}\n", 3, "/do/0/a/wait/fortnights", "unknown field"),
    ("do:\n  - a: {wait: soon}\n", 3, "/do/0/a/wait", ""),
    ("do:\n  - a: {raise: {error: missing}}\n", 3, "/do/0/a/raise/error", "`use.errors` holds no \"missing\""),
    ("do:\n  - a:\n      try: []\n      catch: {retry: missing}\n", 5, "/do/0/a/catch/retry", "holds no"),
    ("schedule: {every: PT1H, after: PT1H}\ndo: []\n", 2, "/schedule", "one of"),
    ("schedule: {every: {milliseconds: 5}}\ndo: []\n", 2, "/schedule/every", "shortest interval"),
    ("schedule: {cron: 61 * * * *}\ndo: []\n", 2, "/schedule/cron", "not a cron expression"),
    ("do:\n  - a: {run: {container: {image: x}}}\n", 3, "/do/0/a/run", "no containers"),
    ("do:\n  - a: {set: {x: 1}\n", 0, "", ""),
    ("do:\n  - a: {set: {x: 1, x: 2}}\n", 3, "/do/0/a/set/x", "stands twice"),
    ("do:\n  - a: {for: {in: .x, each: item, at: item}, do: []}\n", 3, "/do/0/a/for/at", "already a variable"),
    ("do:\n  - a: {switch: [{x: {then: end}}, {y: {then: end}}]}\n", 3, "/do/0/a/switch/1/y", "only one"),
    ("input: {schema: {document: {type: 5}}}\ndo: []\n", 2, "/input/schema/document", "not a JSON Schema"),
    ("extra: 1\ndo: []\n", 2, "/extra", "unknown field"),
];

#[test]
fn each_fault_is_found_at_its_line_and_pointer() {
    for (body, line, pointer, reason) in FAULTS {
        let problems = parse(&format!("{HEAD}{body}")).err().unwrap_or_else(|| panic!("accepted:\n{body}"));
        if *line == 0 {
            continue;
        }
        let found =
            problems.0.iter().any(|it| it.line == *line && it.pointer == *pointer && it.reason.contains(reason));
        assert!(found, "wanted line {line} {pointer} {reason:?} in\n{body}\nbut got {problems}");
    }
}

#[test]
fn the_hash_ignores_layout_and_order_but_nothing_else() {
    let hash = |text: &str| parse(text).unwrap().hash;
    let one = hash(&format!("{HEAD}do:\n  - a: {{set: {{x: 1, y: 2}}}}\n"));
    let other = hash(&format!("# a comment\n{HEAD}do: [ {{\"a\": {{\"set\": {{\"y\": 2, \"x\": 1}}}}}} ]\n"));
    assert_eq!(one, other);
    assert_ne!(one, hash(&format!("{HEAD}do:\n  - a: {{set: {{x: 1, y: 3}}}}\n")));
}

#[test]
fn what_is_too_deep_or_too_large_is_refused() {
    let deep: String = (0..150).map(|level| format!("{}x:\n", " ".repeat(level))).collect();
    assert!(parse(&format!("{HEAD}{deep}")).unwrap_err().to_string().contains("levels deep"));
    // Brackets in one line are refused by the parser itself, before they can nest.
    assert!(parse(&format!("{HEAD}do: {}{}\n", "[".repeat(5_000), "]".repeat(5_000))).is_err());
    let lines: String = (0..10_001).map(|index| format!("  - t{index}: {{set: {{x: 1}}}}\n")).collect();
    assert!(parse(&format!("{HEAD}do:\n{lines}")).unwrap_err().to_string().contains("10000 tasks"));
    let bomb: String =
        (1..9).map(|it| format!("b{it}: &b{it} [*b{0},*b{0},*b{0},*b{0},*b{0},*b{0},*b{0},*b{0}]\n", it - 1)).collect();
    let bomb = format!("{HEAD}b0: &b0 [1,1,1,1,1,1,1,1]\n{bomb}do: []\n");
    assert!(parse(&bomb).unwrap_err().to_string().contains("values"));
}

/// DSL reference: "headers: `map`" and "query: `map[string, any]`" of an HTTP call; "input: `any`" and "version: defaults to
/// `latest`" of a workflow process.
#[test]
fn the_tables_of_the_reference_count_where_the_schema_is_narrower() {
    for body in [
        "do:\n  - a: {call: http, with: {method: get, endpoint: 'https://e.com', headers: {X-N: 5}, query: {limit: 10, tags: [a, b], deep: true}}}\n",
        "do:\n  - a: {run: {workflow: {namespace: n, name: w, input: '${ .user }'}}}\n",
        "do:\n  - a: {run: {workflow: {namespace: n, name: w, version: 1.0.0, input: [1, '${ .n }']}}}\n",
    ] {
        if let Err(problems) = parse(&format!("{HEAD}{body}")) {
            panic!("{problems}\n{body}");
        }
    }
}

/// "dsl: The version of the DSL used to define the workflow."
#[test]
fn a_definition_in_another_version_of_the_dsl_is_refused() {
    let text = |version: &str| format!("document: {{dsl: {version}, namespace: t, name: s, version: 1.0.0}}\ndo: []\n");
    for version in ["1.0.0", "1.0.3", "1.0.0-alpha5", "1.1.0"] {
        assert!(parse(&text(version)).is_ok(), "{version}");
    }
    for version in ["0.10.0", "2.0.0", "10.0.0"] {
        let problems = parse(&text(version)).unwrap_err().0;
        assert_eq!(problems[0].pointer, "/document/dsl", "{version}");
    }
}
