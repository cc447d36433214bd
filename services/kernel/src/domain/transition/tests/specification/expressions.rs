//! Runtime expressions and their arguments.

use serde_json::json;

use crate::domain::transition::tests::harness::{Bench, nothing};

/// "`strict`: requires all expressions to be enclosed within `${ }`"; "`loose`: evaluates any value provided. If the evaluation
/// fails, it results in a string with the expression as its content."
#[test]
fn the_mode_says_what_an_expression_is() {
    let body = |mode: &str| {
        format!(
            "evaluate: {{language: jq, mode: {mode}}}\ndo:\n  - s: {{set: {{a: .n, b: plain text, c: '.n | error', d: '${{ .n }}'}}}}\n"
        )
    };
    let strict = json!({"a": ".n", "b": "plain text", "c": ".n | error", "d": 3});
    let loose = json!({"a": 3, "b": "plain text", "c": ".n | error", "d": 3});
    assert_eq!(Bench::run(&body("strict"), json!({"n": 3})).output(), strict);
    assert_eq!(Bench::run(&body("loose"), json!({"n": 3})).output(), loose);
}

/// "DateTime Descriptor", "Task Descriptor", "Workflow Descriptor", "Runtime Descriptor".
#[test]
fn descriptors_have_the_fields_that_the_specification_names() {
    let body = "do:\n  - s: {set: {task: '${ $task }', workflow: '${ $workflow }', runtime: '${ $runtime }'}}\n";
    let output = Bench::run(body, nothing()).output();
    let fields = |pointer: &str, wanted: &[&str]| {
        let found = output.pointer(pointer).and_then(|it| it.as_object()).unwrap();
        wanted.iter().for_each(|field| assert!(found.contains_key(*field), "{pointer}/{field}"));
    };
    fields("/task", &["name", "reference", "definition", "input", "output", "startedAt"]);
    fields("/workflow", &["id", "definition", "input", "startedAt"]);
    fields("/runtime", &["name", "version", "metadata"]);
    fields("/task/startedAt", &["iso8601", "epoch"]);
    assert_eq!(output["task"]["startedAt"]["epoch"], json!({"seconds": 1_000, "milliseconds": 1_000_000}));
    assert_eq!(output["workflow"]["startedAt"]["iso8601"], json!("1970-01-01T00:16:40.000Z"));
}
