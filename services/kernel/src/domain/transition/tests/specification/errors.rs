//! `raise`, `try` and the shape of errors.

use serde_json::json;

use crate::domain::transition::tests::harness::{Bench, nothing};

const STANDARD: &str = "https://serverlessworkflow.io/spec/1.0.0/errors";

/// Feature "Raise task with inline error".
#[test]
fn a_raised_error_names_its_task() {
    let body = "do:\n  - raiseError:\n      raise:\n        error:\n          status: 400\n          type: https://serverlessworkflow.io/errors/types/compliance\n          title: Compliance Error\n";
    let expected = json!({
        "status": 400, "type": "https://serverlessworkflow.io/errors/types/compliance", "title": "Compliance Error",
        "instance": "/do/0/raiseError",
    });
    assert_eq!(Bench::run(body, nothing()).fault().to_value(), expected);
}

/// Example "raise-reusable".
#[test]
fn a_reused_error_may_compute_its_detail() {
    let body = "use:\n  errors:\n    notImplemented:\n      type: https://serverlessworkflow.io/errors/not-implemented\n      status: 500\n      title: Not Implemented\n      detail: ${ \"The workflow '\\( $workflow.definition.document.name ):\\( $workflow.definition.document.version )' is a work in progress and cannot be run yet\" }\ndo:\n  - notImplemented: {raise: {error: notImplemented}}\n";
    let bench = Bench::run(body, nothing());
    let detail = "The workflow 'sample:1.0.0' is a work in progress and cannot be run yet";
    assert_eq!(bench.fault().detail.as_deref(), Some(detail));
}

/// "Error filtering base on static values": each field of `errors.with`.
#[test]
fn a_filter_matches_every_field_that_it_names() {
    let caught = |filter: &str| {
        let body = format!(
            "do:\n  - t:\n      try:\n        - r: {{raise: {{error: {{type: '{STANDARD}/communication', status: 404, title: Gone, detail: for good}}}}}}\n      catch: {{errors: {{with: {filter}}}, do: [{{h: {{set: {{caught: true}}}}}}]}}\n"
        );
        !matches!(Bench::run(&body, nothing()).state.status, crate::domain::state::Status::Faulted(_))
    };
    for filter in [
        "{status: 404}",
        "{title: Gone}",
        "{details: for good}",
        "{instance: /do/0/t/try/0/r}",
        "{type: 'https://serverlessworkflow.io/spec/1.0.0/errors/communication', status: 404}",
        // As the conformance features still write it.
        "{type: 'https://serverlessworkflow.io/dsl/errors/types/communication', status: 404}",
    ] {
        assert!(caught(filter), "{filter}");
    }
    for filter in ["{status: 503}", "{status: 404, title: Here}", "{instance: /do/0/t}", "{type: 'https://e.com/x'}"] {
        assert!(!caught(filter), "{filter}");
    }
}

/// "Retrying 5 times when an error with 503 is caught".
#[test]
fn the_attempt_count_counts_retries() {
    let body = "do:\n  - t:\n      try: [{r: {raise: {error: {type: 'https://e.com/x', status: 503}}}}]\n      catch:\n        errors: {with: {status: 503}}\n        retry: {delay: {seconds: 3}, backoff: {linear: {}}, limit: {attempt: {count: 5}}}\n";
    let mut bench = Bench::run(body, nothing());
    let waits: Vec<u64> = (0..5).map(|_| bench.wait()).collect();
    assert_eq!(waits, [3_000, 6_000, 9_000, 12_000, 15_000]);
    assert_eq!(bench.fault().status, 503);
}

/// "When the evaluation of an expression fails, runtimes **must** raise an error with type
/// `https://serverlessworkflow.io/spec/1.0.0/errors/expression` and status `400`."
#[test]
fn a_failing_expression_raises_the_standard_error() {
    let bench = Bench::run("do:\n  - s: {set: '${ .a | error }'}\n", nothing());
    assert_eq!((bench.fault().kind.as_str(), bench.fault().status), (&*format!("{STANDARD}/expression"), 400));
    assert_eq!(bench.fault().instance.as_deref(), Some("/do/0/s"));
}

/// "`exceptWhen`: a runtime expression used to determine whether or not to catch the filtered error."
#[test]
fn a_catch_has_conditions_over_the_error() {
    let run = |catch: &str| {
        let body = format!(
            "do:\n  - t: {{try: [{{r: {{raise: {{error: {{type: 'https://e.com/x', status: 418}}}}}}}}], catch: {{as: it, {catch}, do: [{{h: {{set: {{status: '${{ $it.status }}'}}}}}}]}}}}\n"
        );
        Bench::run(&body, nothing()).state.status
    };
    let caught = crate::domain::state::Status::Completed(std::sync::Arc::new(json!({"status": 418})));
    assert_eq!(run("when: $it.status == 418"), caught);
    assert_eq!(run("exceptWhen: $it.status == 404"), caught);
    assert_ne!(run("when: $it.status == 404"), caught);
    assert_ne!(run("exceptWhen: $it.status == 418"), caught);
}

/// The standard types have had other names, which the conformance features and an example of "Try" still use.
#[test]
fn a_standard_type_is_the_same_under_each_of_its_names() {
    let before = "https://serverlessworkflow.io/dsl/errors/types/timeout";
    let example = "https://serverlessworkflow.io.io/dsl/errors/types/timeout";
    let now = "https://serverlessworkflow.io/spec/1.0.0/errors/timeout";
    let caught = |raised: &str, wanted: &str| {
        let body = format!(
            "do:\n  - t: {{try: [{{r: {{raise: {{error: {{type: '{raised}', status: 408}}}}}}}}], catch: {{errors: {{with: {{type: '{wanted}'}}}}, do: [{{h: {{set: '${{ $error.type }}'}}}}]}}}}\n"
        );
        Bench::run(&body, nothing()).state.status
    };
    for raised in [before, example, now] {
        for wanted in [before, example, now] {
            let kept = crate::domain::state::Status::Completed(std::sync::Arc::new(json!(raised)));
            assert_eq!(caught(raised, wanted), kept, "{raised} {wanted}");
        }
        assert_ne!(caught(raised, "https://e.com/timeout").to_owned(), caught(raised, now));
    }
}

/// "When the evaluation of an expression fails, runtimes **must** raise an error", in the conditions of a `catch` too.
#[test]
fn a_condition_of_a_catch_that_fails_raises_an_expression_error() {
    for catch in
        ["when: .a | error", "exceptWhen: .a | error", "retry: {when: .a | error}", "retry: {exceptWhen: .a | error}"]
    {
        let body = format!(
            "do:\n  - t: {{try: [{{r: {{raise: {{error: {{type: 'https://e.com/x', status: 418}}}}}}}}], catch: {{{catch}, do: [{{h: {{set: {{x: 1}}}}}}]}}}}\n"
        );
        let bench = Bench::run(&body, nothing());
        assert_eq!(bench.fault().kind, format!("{STANDARD}/expression"), "{catch}");
        assert_eq!(bench.fault().instance.as_deref(), Some("/do/0/t"), "{catch}");
    }
}

/// "`as`: The name of the runtime expression variable to save the error as. Defaults to 'error'": a policy of `use.retries` knows
/// the error by the default, whatever the `try` that names it calls it.
#[test]
fn a_shared_policy_knows_the_error() {
    let body = "use: {retries: {often: {when: $error.status == 418, delay: PT1S, limit: {attempt: {count: 2}}}}}\ndo:\n  - t: {try: [{r: {raise: {error: {type: 'https://e.com/x', status: 418}}}}], catch: {as: it, retry: often}}\n";
    let mut bench = Bench::run(body, nothing());
    assert_eq!((bench.wait(), bench.wait()), (1_000, 1_000));
    assert_eq!(bench.fault().status, 418);
}
