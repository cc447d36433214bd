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

/// Examples of "Workflow" and "Run": `Hello ${ .order.client.preferredDisplayName }!` and `echo "Hello, ${ .user.name }"`.
#[test]
fn expressions_stand_inside_texts() {
    let body = "do:\n  - s:\n      set:\n        greeting: Hello, ${ .user.name }!\n        list: |\n          To ${ .user.name }:\n          ${ .pets | map(\"-\\(.name)\") | join(\"\\n\") }\n        pair: ${ .user.name }/${ .pets | length }\n        shell: echo ${HOME} ${1}\n        nested: ['${ .user.name }', {deep: 'n=${ 1 + 1 }'}]\n";
    let input = json!({"user": {"name": "Ann"}, "pets": [{"name": "a"}, {"name": "b"}]});
    let expected = json!({
        "greeting": "Hello, Ann!", "list": "To Ann:\n-a\n-b\n", "pair": "Ann/2", "shell": "echo ${HOME} ${1}",
        "nested": ["Ann", {"deep": "n=2"}],
    });
    assert_eq!(Bench::run(body, input).output(), expected);
}

/// "All runtimes **must** support the default runtime expression language, which is jq": numbers are shown as jq shows them, and
/// dividing by zero is an error.
#[test]
fn numbers_are_those_of_jq() {
    let body = "do:\n  - s: {set: {half: '${ .n / 2 }', text: '${ \"\\(.n / 2) \\(.x * 2) \\(.n | sqrt)\" }', third: '${ 1 / 4 }', rest: '${ 5.5 % 2 }'}}\n";
    let expected = json!({"half": 2, "text": "2 3 2", "third": 0.25, "rest": 1});
    assert_eq!(Bench::run(body, json!({"n": 4, "x": 1.5})).output(), expected);
    for expression in [".n / 0", ".n % 0", ".n / (.n - 4)"] {
        let bench = Bench::run(&format!("do:\n  - s: {{set: {{x: '${{ {expression} }}'}}}}\n"), json!({"n": 4}));
        assert_eq!(bench.fault().kind, "https://serverlessworkflow.io/spec/1.0.0/errors/expression", "{expression}");
    }
}
