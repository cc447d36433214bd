//! Holds a definition against the official JSON Schema of the DSL, and JSON Schemas in general.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::problem::Problem;
use super::source::{self, Source, escape};

/// The schema as the Serverless Workflow project publishes it, version 1.0.3.
const OFFICIAL: &str = include_str!("serverless-workflow-1.0.schema.yaml");

/// Where the schema is narrower than the tables of the reference, whose word counts: holders, and what is taken out of them.
const NARROWER: &[(&str, &str)] = &[
    // "headers: `map`", "query: `map[string, any]`".
    ("/$defs/callTask/oneOf/2/allOf/1/properties/with/properties/headers/oneOf/0", "additionalProperties"),
    ("/$defs/callTask/oneOf/2/allOf/1/properties/with/properties/query/oneOf/0", "additionalProperties"),
    // "input: `any`", "version: defaults to `latest`".
    ("/$defs/runTask/allOf/1/properties/run/oneOf/3/properties/workflow/properties/input", "type"),
    ("/$defs/runTask/allOf/1/properties/run/oneOf/3/properties/workflow/properties/input", "additionalProperties"),
    ("/$defs/runTask/allOf/1/properties/run/oneOf/3/properties/workflow/required", "2"),
];

/// The compiled schema; `Err` only if the file in this folder were damaged, which a test rules out.
static VALIDATOR: LazyLock<Result<Validator, String>> = LazyLock::new(|| {
    let mut schema = source::parse(OFFICIAL).map_err(|problems| problems.to_string())?.value;
    NARROWER.iter().try_for_each(|(holder, key)| widen(&mut schema, holder, key))?;
    jsonschema::validator_for(&schema).map_err(|error| error.to_string())
});

fn widen(schema: &mut Value, holder: &str, key: &str) -> Result<(), String> {
    let taken = match (schema.pointer_mut(holder), key.parse::<usize>()) {
        (Some(Value::Object(fields)), _) => fields.shift_remove(key),
        (Some(Value::Array(items)), Ok(index)) if index < items.len() => Some(items.remove(index)),
        _ => None,
    };
    taken.map(|_| ()).ok_or_else(|| format!("it holds no {holder}/{key}"))
}

/// Problems that make a fault of one definition unreadable when listed all at once.
const PROBLEMS_MAX: usize = 20;

/// What a task can be.
const KINDS: [&str; 12] =
    ["call", "do", "emit", "for", "fork", "listen", "raise", "run", "set", "switch", "try", "wait"];

/// All violations of the official schema, each at the innermost place that explains it.
pub fn check(source: &Source) -> Vec<Problem> {
    let validator = match VALIDATOR.as_ref() {
        Ok(validator) => validator,
        Err(reason) => return vec![source.problem("", format!("the DSL's schema cannot be used: {reason}"))],
    };
    let mut problems = Vec::new();
    for error in validator.iter_errors(&source.value) {
        explain(&error, &mut problems, source);
    }
    leave_out_consequences(&mut problems);
    problems.sort();
    problems.dedup();
    problems.truncate(PROBLEMS_MAX);
    problems
}

/// The faults of a value under a schema that a definition or a person supplied; empty: it fits.
pub fn violations(schema: &Value, value: &Value) -> Result<Vec<String>, String> {
    let validator = jsonschema::validator_for(schema).map_err(|error| error.to_string())?;
    let describe = |error: ValidationError<'_>| {
        let at = error.instance_path().to_string();
        format!("{}: {error}", if at.is_empty() { "/" } else { &at })
    };
    Ok(validator.iter_errors(value).take(PROBLEMS_MAX).map(describe).collect())
}

fn explain(error: &ValidationError<'_>, problems: &mut Vec<Problem>, source: &Source) {
    let pointer = error.instance_path().to_string();
    match error.kind() {
        ValidationErrorKind::OneOfNotValid { context } if is_no_task(error.instance(), context.len()) => {
            let fields =
                error.instance().as_object().map_or_else(Vec::new, |it| it.keys().map(String::as_str).collect());
            let found = if fields.is_empty() { "nothing".to_owned() } else { fields.join(", ") };
            problems
                .push(source.problem(&pointer, format!("a task needs one of {}: it has {found}", KINDS.join(", "))));
        }
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            match context.iter().filter(|errors| !errors.is_empty()).min_by_key(|errors| distance(errors, &pointer)) {
                Some(nearest) => nearest.iter().for_each(|error| explain(error, problems, source)),
                None => problems.push(source.problem(&pointer, error.to_string())),
            }
        }
        ValidationErrorKind::UnevaluatedProperties { unexpected }
        | ValidationErrorKind::AdditionalProperties { unexpected } => {
            for key in unexpected {
                let pointer = format!("{pointer}/{}", escape(key));
                problems.push(source.problem(&pointer, unknown_field(key)));
            }
        }
        ValidationErrorKind::Required { property } => {
            problems.push(source.problem(&pointer, format!("the field {property} is missing")));
        }
        _ => problems.push(source.problem(&pointer, error.to_string())),
    }
}

/// A task with any fault is none of the kinds that it could be, so that its own kind counts as an unknown field, too. That
/// says nothing where the fault itself is named.
fn leave_out_consequences(problems: &mut Vec<Problem>) {
    let task_of = |problem: &Problem| {
        let (task, field) = problem.pointer.rsplit_once('/')?;
        let follows = KINDS.contains(&field) && problem.reason == unknown_field(field);
        follows.then(|| format!("{task}/"))
    };
    let causes: Vec<String> =
        problems.iter().filter(|it| task_of(it).is_none()).map(|it| format!("{}/", it.pointer)).collect();
    problems.retain(|problem| task_of(problem).is_none_or(|task| !causes.iter().any(|it| it.starts_with(&task))));
}

fn unknown_field(field: &str) -> String {
    format!("unknown field {field:?}")
}

/// Whether a value stands where one of the kinds of task is expected, and is none.
fn is_no_task(value: &Value, branches: usize) -> bool {
    let is_any = |fields: &serde_json::Map<String, Value>| KINDS.iter().any(|kind| fields.contains_key(*kind));
    branches >= KINDS.len() && value.as_object().is_some_and(|fields| !is_any(fields))
}

/// How far a branch of a `oneOf` is from what was meant: a branch that fails only deeper inside was meant; one that misses
/// its own key was not.
fn distance(errors: &[ValidationError<'_>], base: &str) -> (usize, usize) {
    let here = |error: &&ValidationError<'_>| error.instance_path().as_str() == base;
    let misfits = errors.iter().filter(here).map(|error| match error.kind() {
        ValidationErrorKind::Required { .. } | ValidationErrorKind::Type { .. } => 100,
        ValidationErrorKind::Not { .. } => 100,
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            let branches = context.iter().filter(|errors| !errors.is_empty());
            branches.map(|errors| distance(errors, base).0).min().unwrap_or(1)
        }
        _ => 1,
    });
    let misfits = misfits.sum::<usize>();
    // A `call: http` under another call's branch fails on the constant one level below.
    let constants = errors
        .iter()
        .filter(|error| matches!(error.kind(), ValidationErrorKind::Constant { .. } | ValidationErrorKind::Not { .. }));
    (misfits + 50 * constants.count(), errors.len())
}
