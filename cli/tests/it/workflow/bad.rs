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
