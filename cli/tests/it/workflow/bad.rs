//! Definitions and inputs that cannot be used, and runs that would never end: each ends with a code and a reason.

use serde_json::json;

use super::{Folder, document, said};
use crate::command::json as printed;

#[test]
fn what_is_not_a_definition_is_refused_with_its_place() {
    let head = document("sample");
    let tabs = format!("{head}do:\n\t- a: {{set: {{x: 1}}}}\n");
    let steps: String = (0..10_001).map(|index| format!("  - t{index}: {{set: {{x: 1}}}}\n")).collect();
    let levels: String = (0..150).map(|level| format!("{}x:\n", " ".repeat(level))).collect();
    let deep = format!("{head}{levels}");
    let cases: Vec<(&str, Vec<u8>, u64, &str)> = vec![
        ("empty", Vec::new(), 1, "is empty"),
        ("binary", b"\x7fELF\x02\x01\x01\x00\xff\xfe".to_vec(), 1, "not UTF-8"),
        ("tabs", tabs.into_bytes(), 3, ""),
        ("a list", b"- 1\n- 2\n".to_vec(), 1, ""),
        ("an unknown field", format!("{head}do:\n  - a: {{set: {{x: 1}}, bogus: 1}}\n").into_bytes(), 3, "bogus"),
        ("10,001 steps", format!("{head}do:\n{steps}").into_bytes(), 10_003, "10000 tasks"),
        ("deep nesting", deep.into_bytes(), 0, "levels deep"),
        ("too long", vec![b'x'; 3 * 1024 * 1024], 1, "longer than"),
        ("two documents", format!("{head}do: []\n---\n{head}do: []\n").into_bytes(), 3, "not several"),
        ("a key twice", format!("{head}do: []\ndo: []\n").into_bytes(), 3, "stands twice"),
        ("a NUL", format!("{head}do: []\0garbage\n").into_bytes(), 2, "NUL"),
        (
            "a duration of less than nothing",
            format!("{head}do:\n  - a: {{wait: {{seconds: -1}}}}\n").into_bytes(),
            3,
            "not a duration",
        ),
        (
            "an expression that nests without end",
            format!("{head}do:\n  - a: {{set: {{x: '${{ {} }}'}}}}\n", "[".repeat(60_000)).into_bytes(),
            3,
            "invalid expression",
        ),
        ("an alias of nothing", format!("{head}do: *nowhere\n").into_bytes(), 2, ""),
        ("laughs", laughs(&head).into_bytes(), 0, "values"),
        (
            "two steps of one name",
            format!("{head}do:\n  - a: {{set: {{x: 1}}}}\n  - a: {{set: {{x: 1}}}}\n").into_bytes(),
            4,
            "must differ",
        ),
        (
            "a number of too many digits",
            format!("{head}do:\n  - a: {{set: {{x: 3.14159265358979323846}}}}\n").into_bytes(),
            3,
            "more digits",
        ),
        ("a duration of too many years", format!("{head}do:\n  - a: {{wait: P99999Y}}\n").into_bytes(), 3, "too long"),
        ("a duration that is none", format!("{head}do:\n  - a: {{wait: {{days: 1.5}}}}\n").into_bytes(), 3, ""),
        ("another DSL", head.replace("1.0.0, n", "2.0.0, n").into_bytes(), 1, ""),
        (
            "an address of nothing",
            format!("{head}do:\n  - a: {{call: 'file://nothing.yaml'}}\n").into_bytes(),
            3,
            "cannot be brought in",
        ),
    ];
    let folder = Folder::new();
    for (what, content, line, reason) in cases {
        folder.file("sample.yaml", content);
        let output = folder.workflow(&["run", "sample.yaml"], "");
        assert_eq!(output.status.code(), Some(2), "{what}: {}", said(&output));
        let answer = printed(&output);
        let problems = answer["problems"].as_array().unwrap();
        let fits = |it: &&serde_json::Value| {
            (line == 0 || it["line"] == line) && it["reason"].as_str().unwrap().contains(reason)
        };
        assert!(problems.iter().any(|it| fits(&it)), "{what}: {answer}");
        assert!(said(&output).contains("sample.yaml:"), "{what}: {}", said(&output));
    }
}

/// A billion of them, if every alias became what it stands for.
fn laughs(head: &str) -> String {
    let line = |level: usize| {
        let alias = format!("*l{}, ", level - 1);
        format!("      l{level}: &l{level} [{}]\n", alias.repeat(9).trim_end_matches(", "))
    };
    let lines: String = (1..10).map(line).collect();
    format!("{head}do:\n  - a:\n     set:\n      l0: &l0 ha\n{lines}")
}

/// A byte order mark, the line ends of other systems, anchors, and JSON with all that may stand in its texts.
#[test]
fn definitions_come_in_every_honest_form() {
    let folder = Folder::new();
    let forms = [
        format!("\u{feff}{}do:\n  - a: {{set: {{x: 1}}}}\n", document("sample")),
        format!("{}do:\n  - a: {{set: {{x: 1}}}}\n", document("sample")).replace('\n', "\r\n"),
        format!("{}do:\n  - b: {{set: &same {{x: 1}}}}\n  - a: {{set: *same}}\n", document("sample")),
        "{\n\t\"document\": {\"dsl\": \"1.0.0\", \"namespace\": \"test\", \"name\": \"sample\", \"version\": \"1.0.0\", \
         \"title\": \"a \\\"b\\\" \\u00e9 \\ud83d\\ude00 \\/ \\\\\"},\n\t\"do\": [{\"a\": {\"set\": {\"x\": 1}}}]\n}"
            .to_owned(),
    ];
    for form in forms {
        folder.file("sample.yaml", &form);
        let (code, answer) = folder.answer(&["run", "sample.yaml"]);
        assert_eq!((code, &answer["output"]), (0, &json!({"x": 1})), "{form}: {answer}");
    }
}

#[test]
fn numbers_stay_as_they_are_or_are_refused() {
    let folder = Folder::new();
    folder.definition("sample", "do:\n  - a: {set: '${ . }'}\n");
    let input = "{\"a\":9007199254740993,\"b\":18446744073709551615,\"c\":0.30000000000000004,\"d\":-1.5e-7}";
    let output = folder.workflow(&["run", "sample.yaml", "--input", "-"], input);
    let same: serde_json::Value = serde_json::from_str(input).unwrap();
    assert_eq!(printed(&output)["output"].to_string(), same.to_string());
    let output = folder.workflow(&["run", "sample.yaml", "--input", "-"], "{\n \"a\": 12345678901234567890123}");
    assert_eq!(output.status.code(), Some(2));
    let problem = &printed(&output)["problems"][0];
    assert_eq!((problem["line"].as_u64(), problem["column"].as_u64()), (Some(2), Some(7)), "{problem}");
    assert_eq!(problem["remedy"], "put it in quotes");
}

/// The run waits, and says until when.
#[test]
fn a_timer_may_be_as_far_away_as_the_calendar_goes() {
    let body = "do:\n  - f: {fork: {branches: [{a: {wait: P7000Y}}, {b: {listen: {to: {one: {with: {type: t}}}}}}]}}\n";
    let folder = Folder::new();
    folder.definition("sample", body);
    folder.file(
        "sample.test.yaml",
        "cases: [{name: far, cancel: {after: P1D, reason: enough}, expect: {status: cancelled}}]\n",
    );
    let (code, answer) = folder.answer(&["test", "sample.yaml"]);
    assert_eq!((code, &answer["passed"]), (0, &json!(1)), "{answer:#}");
}

#[test]
fn what_is_not_an_input_is_refused() {
    let folder = Folder::new();
    folder.definition("sample", "do: []\n");
    let long = format!("{:?}", "x".repeat(600_000));
    for (input, reason) in
        [("", "is empty"), ("{\"a\": [1}", ""), ("a: 1\na: 2\n", "stands twice"), (&long, "keep less")]
    {
        let output = folder.workflow(&["run", "sample.yaml", "--input", "-"], input);
        assert_eq!(output.status.code(), Some(2), "{input:.40}: {}", said(&output));
        let answer = printed(&output);
        assert!(answer["problems"][0]["reason"].as_str().unwrap().contains(reason), "{input:.40}: {answer}");
    }
    let (code, answer) = folder.answer(&["run", "sample.yaml", "--input", "missing.json"]);
    assert_eq!((code, &answer["problems"][0]["file"]), (2, &json!("missing.json")));
    assert_eq!(folder.answer(&["run", "missing.yaml"]).0, 2);
    assert_eq!(folder.workflow(&["run", "-", "--input", "-"], "").status.code(), Some(2));
}

#[test]
fn what_would_never_end_does() {
    let folder = Folder::new();
    let (code, answer) = folder.run("do:\n  - a: {set: {x: 1}}\n  - b: {set: {x: 2}, then: a}\n");
    assert_eq!(code, 2, "{answer}");
    assert!(answer["problems"][0]["reason"].as_str().unwrap().contains("for ever"), "{answer}");

    let steps: String = (0..50).map(|n| format!("  - s{n}: {{set: {{x: 1}}}}\n")).collect();
    let (code, answer) =
        folder.run(&format!("do:\n{steps}  - again: {{switch: [{{yes: {{when: 'true', then: s0}}}}]}}\n"));
    assert_eq!((code, &answer["error"]["title"]), (1, &json!("step_limit")));

    let (code, answer) = folder.run("do:\n  - a: {set: {x: '${ [limit(1e9; repeat(1))] | length }'}}\n");
    assert_eq!(code, 1);
    assert!(answer["error"]["type"].as_str().unwrap().ends_with("/expression"), "{answer}");
    assert_eq!(answer["error"]["instance"], "/do/0/a");

    let body = "do:\n  - again: {run: {workflow: {namespace: test, name: sample, version: 1.0.0}}}\n";
    assert_eq!(folder.run(body).0, 1);
}

#[test]
fn names_may_be_in_any_script() {
    let (code, answer) =
        Folder::new().run("do:\n  - größe/λ~: {set: {été: 1}}\n  - 数える: {set: {数: '${ .[\"été\"] + 1 }'}}\n");
    assert_eq!((code, &answer["output"]), (0, &json!({"数": 2})));
    assert_eq!(answer["tasks"], json!(["/do/0/größe~1λ~0", "/do/1/数える"]));
}
