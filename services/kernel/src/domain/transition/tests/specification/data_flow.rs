//! Input, output, context and conditions.

use serde_json::json;

use crate::domain::effect::Effect;
use crate::domain::transition::tests::harness::{Bench, nothing};

/// "The expression is evaluated against the *raw* task input before any other expression of the task."
#[test]
fn a_condition_sees_the_raw_input() {
    let body = "do:\n  - a: {if: .go, input: {from: .inner}, set: {ran: '${ .n }'}}\n";
    assert_eq!(Bench::run(body, json!({"go": true, "inner": {"n": 1}})).output(), json!({"ran": 1}));
}

/// "The task is considered skipped if not run, and the *raw* task input becomes the task's output."
#[test]
fn a_skipped_task_passes_its_raw_input_on_and_the_flow_continues() {
    let body = "do:\n  - a: {if: .go, input: {schema: {document: {required: [x]}}, from: .inner}, set: {ran: true}, then: end}\n  - b: {set: {got: '${ . }'}}\n";
    assert_eq!(Bench::run(body, json!({"go": false})).output(), json!({"got": {"go": false}}));
}

/// The diagram of "Data Flow": the transformed workflow input is "set as" the initial `$context`.
#[test]
fn the_context_begins_with_the_transformed_input() {
    let body = "input: {from: .order}\ndo:\n  - a: {set: {x: 1}}\n  - b: {set: {id: '${ $context.id }'}}\n";
    assert_eq!(Bench::run(body, json!({"order": {"id": 7}})).output(), json!({"id": 7}));
}

/// "`task.output`: the task's *raw* output (i.e. *BEFORE* the `output.as` expression)"; "`output`: the task's transformed
/// output"; "`task.input`: the task's *raw* input".
#[test]
fn descriptors_tell_raw_from_transformed() {
    let body = "do:\n  - a:\n      input: {from: .in}\n      set: {v: 2}\n      output: {as: '{w: .v}'}\n      export: {as: '{raw: $task.output, shaped: $output, input: $input, rawInput: $task.input}'}\n  - b: {set: '${ $context }'}\n";
    let expected = json!({"raw": {"v": 2}, "shaped": {"w": 2}, "input": {"n": 1}, "rawInput": {"in": {"n": 1}}});
    assert_eq!(Bench::run(body, json!({"in": {"n": 1}})).output(), expected);
}

/// Feature "Emit Task": "the workflow output should have properties 'id', 'specversion', 'time', 'source', 'type', 'data'".
#[test]
fn the_output_of_emit_is_the_event() {
    let body = "do:\n  - emitEvent:\n      emit:\n        event:\n          with:\n            source: https://fake-source.com\n            type: com.fake-source.user.greeted.v1\n            data:\n              greetings: ${ \"Hello \\(.user.firstName) \\(.user.lastName)!\" }\n";
    let bench = Bench::run(body, json!({"user": {"firstName": "John", "lastName": "Doe"}}));
    let output = bench.output();
    for property in ["id", "specversion", "time", "source", "type", "data"] {
        assert!(output.get(property).is_some(), "{property} in {output}");
    }
    assert_eq!(output["data"], json!({"greetings": "Hello John Doe!"}));
    assert_eq!(bench.effects, [Effect::Publish(output)]);
}

/// "When set, runtimes must validate raw input data against the defined schema before applying transformations".
#[test]
fn the_raw_input_is_validated() {
    let body = "do:\n  - a: {input: {schema: {document: {required: [x]}}, from: '{x: 1}'}, set: {y: 1}}\n";
    let bench = Bench::run(body, nothing());
    assert_eq!(bench.fault().kind, "https://serverlessworkflow.io/spec/1.0.0/errors/validation");
}

/// "It evaluates the transformed task output and defaults to the expression that returns the existing context"; "the exported
/// context is validated against the `export.schema` property".
#[test]
fn a_context_that_stays_is_validated_too() {
    let body = |schema: &str| {
        format!(
            "do:\n  - a: {{set: {{x: 1}}, export: {{schema: {{document: {schema}}}}}}}\n  - b: {{set: '${{ $context }}'}}\n"
        )
    };
    assert_eq!(Bench::run(&body("{required: [id]}"), json!({"id": 7})).output(), json!({"id": 7}));
    let bench = Bench::run(&body("{required: [other]}"), json!({"id": 7}));
    assert_eq!(bench.fault().kind, "https://serverlessworkflow.io/spec/1.0.0/errors/validation");
    assert_eq!(bench.fault().instance.as_deref(), Some("/do/0/a"));
}
