//! `workflow test`: the examples' own cases, and cases that fail.

use std::path::Path;

use serde_json::{Value, json};

use super::{Folder, said};
use crate::command::json as printed;

#[test]
fn the_cases_of_the_examples_pass() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for (example, cases) in [("claims", 4), ("retries", 4), ("approval", 4)] {
        let path = examples.join(example).join("workflow.yaml");
        let output = Folder::new().workflow(&["test", path.to_str().unwrap()], "");
        let answer = printed(&output);
        assert_eq!((&answer["passed"], &answer["failed"]), (&json!(cases), &json!(0)), "{answer:#}");
        assert_eq!(output.status.code(), Some(0));
    }
}

const CALL: &str = "do:\n  - ask: {call: orrery.classify, with: {text: x, labels: [a, b]}}\n  - nap: {wait: P1D}\n";

fn test(cases: &str) -> (i32, Value) {
    let folder = Folder::new();
    folder.definition("sample", CALL);
    folder.file("sample.test.yaml", format!("cases:\n{cases}"));
    folder.answer(&["test", "sample.yaml"])
}

#[test]
fn a_case_that_fails_shows_what_was_expected_and_found() {
    let (code, answer) = test(
        "  - name: wrong\n    calls: {orrery.classify: {output: {label: a}}}\n    expect: {output: {label: b}, elapsed: PT1H}\n",
    );
    assert_eq!((code, &answer["failed"]), (1, &json!(1)));
    let expected = json!([
        {"at": "output/label", "expected": "b", "found": "a"},
        {"at": "elapsed (seconds)", "expected": 3600.0, "found": 86400.0},
    ]);
    assert_eq!(answer["cases"][0]["differences"], expected);
    assert_eq!(answer["cases"][0]["outcome"]["tasks"], json!(["/do/0/ask", "/do/1/nap"]));
}

#[test]
fn a_call_without_a_script_fails_the_case() {
    let (code, answer) = test("  - name: none\n    expect: {status: faulted}\n");
    assert_eq!(code, 1);
    assert!(answer["cases"][0]["complaints"][0].as_str().unwrap().contains("/do/0/ask (orrery.classify)"), "{answer}");
}

#[test]
fn a_slip_in_the_cases_is_named_where_it_stands() {
    let cases = [
        ("  - name: x\n    expct: {}\n", "unknown field `expct`"),
        ("  - name: x\n    calls: {/do/7/none: {output: 1}}\n    expect: {}\n", "no task stands at /do/7/none"),
        ("  - name: x\n    expect: {elapsed: soon}\n", "not a duration"),
    ];
    for (text, reason) in cases {
        let (code, answer) = test(text);
        assert_eq!(code, 2, "{text}");
        let problem = &answer["problems"][0];
        assert!(problem["reason"].as_str().unwrap().contains(reason), "{answer}");
        assert!(problem["line"].as_u64().unwrap() >= 2, "{answer}");
    }
    let folder = Folder::new();
    folder.definition("sample", CALL);
    let output = folder.workflow(&["test", "sample.yaml"], "");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn messages_that_are_refused_and_calls_that_are_not_made_fail_the_case() {
    let case = "  - name: x
    calls: {orrery.classify: {output: {label: a}}}
    updates: [{name: amount, payload: 1}]
    signals: [{after: P2D, name: go}]
    expect:
      calls: [{function: orrery.classify, with: {text: y}}, {function: orrery.read}]
";
    let (code, answer) = test(case);
    let result = &answer["cases"][0];
    assert_eq!(code, 1);
    let differences = json!([
        {"at": "calls/0/with/text", "expected": "y", "found": "x"},
        {"at": "calls/1", "expected": {"function": "orrery.read"}},
    ]);
    assert_eq!(result["differences"], differences, "{result:#}");
    let complaints: Vec<&str> =
        result["complaints"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(
        complaints[0].starts_with("the update \"amount\" was refused: the workflow has no update"),
        "{complaints:?}"
    );
    assert_eq!(complaints[1], "the signal \"go\" was not sent: the run was over by then");

    let expected = case.replace("      calls:", "      refusals: [no update, over, more]\n      #");
    let (code, answer) = test(&expected);
    assert_eq!(code, 1);
    assert_eq!(answer["cases"][0]["differences"], json!([{"at": "refusals/2", "expected": "more"}]));
    assert_eq!(answer["cases"][0]["complaints"], json!([]));
    assert_eq!(test(&expected.replace(", more", "")).0, 0);
}

#[test]
fn events_come_when_the_case_says() {
    let folder = Folder::new();
    folder.definition("sample", "do:\n  - hear: {listen: {to: {one: {with: {type: org.greeted}}}}}\n");
    let event = "{type: org.greeted, data: {n: 1}}";
    let case = format!(
        "cases:\n  - name: x\n    events: [{{after: PT2H, event: {event}}}]\n    expect: {{output: [{{n: 1}}], elapsed: PT2H}}\n"
    );
    folder.file("sample.test.yaml", case);
    let (code, answer) = folder.answer(&["test", "sample.yaml"]);
    assert_eq!((code, &answer["passed"]), (0, &json!(1)), "{answer:#}");

    folder.file("event.yaml", event);
    let (code, answer) = folder.answer(&["run", "sample.yaml", "--event", "event.yaml"]);
    assert_eq!((code, &answer["output"]), (0, &json!([{"n": 1}])), "{answer:#}");
    let (code, answer) = folder.answer(&["run", "sample.yaml"]);
    assert_eq!((code, &answer["waiting"][0]["for"]), (1, &json!("event")), "{answer:#}");
}
