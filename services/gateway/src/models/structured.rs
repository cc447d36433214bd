//! What a request promised its caller of the answer's form, and whether the answer keeps it: JSON, a schema of the answer,
//! schemas of the arguments of strict tools. Judged is what a model says it finished; what was cut short or refused is told as
//! that, not as a breach.

use std::collections::BTreeMap;

use jsonschema::Validator;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ChatOutput};
use serde_json::{Value, json};

use crate::http::Failure;

/// A larger schema is refused; compiling one is done where requests are read.
const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Breaches that are told.
const VIOLATIONS_MAX: usize = 10;

/// Where the schemas stand in the request, as the caller's dialect names it.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// The schema of the answer.
    pub answer: &'static str,
    /// The schema of the arguments, by the number of the tool.
    pub tool: fn(usize) -> String,
}

/// What was promised.
#[derive(Debug, Default)]
pub struct Promise {
    answer: Option<Form>,
    arguments: BTreeMap<String, Validator>,
}

#[derive(Debug)]
enum Form {
    Object,
    Schema(Box<Validator>),
}

impl Promise {
    /// What `chat` promises. A schema that is none is refused by its place.
    pub fn of(chat: &ChatInput, places: Places) -> Result<Self, Failure> {
        let format = chat.response_format.as_ref();
        let answer = match format.map(|format| format.kind.as_str()) {
            Some("json_object") => Some(Form::Object),
            Some("json_schema") => {
                let schema = format.map(|format| format.schema_json.as_str()).unwrap_or_default();
                let compiled = compile(schema).map_err(|why| Failure::param(places.answer, why))?;
                Some(Form::Schema(Box::new(compiled)))
            }
            _ => None,
        };
        let mut arguments = BTreeMap::new();
        for (index, tool) in chat.tools.iter().enumerate().filter(|(_, tool)| tool.strict) {
            if !tool.parameters_json.is_empty() {
                let compiled =
                    compile(&tool.parameters_json).map_err(|why| Failure::param((places.tool)(index), why))?;
                arguments.insert(tool.name.clone(), compiled);
            }
        }
        Ok(Self { answer, arguments })
    }

    /// Whether `output`, with all its choices, is as promised.
    pub fn keep(&self, output: &ChatOutput) -> Result<(), Error> {
        self.keep_one(output)?;
        output.others.iter().try_for_each(|other| self.keep_one(other))
    }

    fn keep_one(&self, output: &ChatOutput) -> Result<(), Error> {
        if matches!(output.finish_reason.as_str(), "length" | "content_filter") || !output.refusal.is_empty() {
            return Ok(());
        }
        for call in &output.tool_calls {
            if let Some(schema) = self.arguments.get(&call.name) {
                let what = format!("the arguments of {:?}", call.name);
                let arguments = parse(&what, &call.arguments_json)?;
                fits(&what, schema, &arguments)?;
            }
        }
        match &self.answer {
            Some(form) if output.tool_calls.is_empty() => form.keep(&output.text),
            _ => Ok(()),
        }
    }
}

impl Form {
    fn keep(&self, text: &str) -> Result<(), Error> {
        let what = "the model's answer";
        let answer = parse(what, text)?;
        match self {
            Self::Object if answer.is_object() => Ok(()),
            Self::Object => Err(broken(what, "it is JSON, but no object".to_owned(), Vec::new())),
            Self::Schema(schema) => fits(what, schema, &answer),
        }
    }
}

fn compile(schema: &str) -> Result<Validator, String> {
    if schema.len() > SCHEMA_BYTES_MAX {
        return Err(format!("the schema has more than {SCHEMA_BYTES_MAX} bytes"));
    }
    let schema: Value = serde_json::from_str(schema).map_err(|error| format!("the schema is no JSON: {error}"))?;
    jsonschema::validator_for(&schema).map_err(|error| format!("the schema is no JSON Schema: {error}"))
}

fn parse(what: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| broken(what, format!("it is no JSON: {error}"), Vec::new()))
}

fn fits(what: &str, schema: &Validator, value: &Value) -> Result<(), Error> {
    let describe = |error: jsonschema::ValidationError<'_>| {
        let at = error.instance_path().to_string();
        format!("{}: {error}", if at.is_empty() { "/" } else { &at })
    };
    let violations: Vec<String> = schema.iter_errors(value).take(VIOLATIONS_MAX).map(describe).collect();
    match violations.first() {
        None => Ok(()),
        Some(first) => Err(broken(what, format!("at {first}"), violations.clone())),
    }
}

fn broken(what: &str, how: String, violations: Vec<String>) -> Error {
    let message = format!("{what} breaks the schema that was asked for: {how}; ask again or use another model");
    Error::new(ErrorCode::ModelFailed, message).detail(json!({ "violations": violations }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use orrery_proto::v1::{ResponseFormat, Tool, ToolCall};
    use proptest::prelude::*;

    const PLACES: Places = Places { answer: "format", tool: |index| format!("tools[{index}]") };
    const SCHEMA: &str = r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#;

    fn promise(kind: &str, schema: &str) -> Result<Promise, Failure> {
        let format =
            ResponseFormat { kind: kind.to_owned(), schema_json: schema.to_owned(), ..ResponseFormat::default() };
        Promise::of(&ChatInput { response_format: Some(format), ..ChatInput::default() }, PLACES)
    }

    fn said(text: &str, finish_reason: &str) -> ChatOutput {
        ChatOutput { text: text.to_owned(), finish_reason: finish_reason.to_owned(), ..ChatOutput::default() }
    }

    #[test]
    fn an_answer_keeps_to_its_schema_or_is_a_failure_of_the_model() {
        let promise = promise("json_schema", SCHEMA).unwrap();
        assert!(promise.keep(&said("{\"a\": 1}", "stop")).is_ok());
        for (text, part) in [("{\"a\": \"x\"}", "/a"), ("{}", "\"a\""), ("Sure! {", "no JSON")] {
            let error = promise.keep(&said(text, "stop")).unwrap_err();
            assert_eq!(error.code, ErrorCode::ModelFailed);
            assert!(error.message.contains(part), "{}", error.message);
        }
        assert!(promise.keep(&said("{\"a\"", "length")).is_ok(), "what was cut short is told as that");
        let second = ChatOutput { others: vec![said("{}", "stop")], ..said("{\"a\": 1}", "stop") };
        assert!(promise.keep(&second).is_err(), "every choice is held to it");
    }

    #[test]
    fn plain_json_is_an_object() {
        let promise = promise("json_object", "").unwrap();
        assert!(promise.keep(&said("{}", "stop")).is_ok());
        assert!(promise.keep(&said("[]", "stop")).is_err());
    }

    #[test]
    fn arguments_of_strict_tools_are_held_to_their_schema() {
        let tool =
            |strict| Tool { name: "f".to_owned(), parameters_json: SCHEMA.to_owned(), strict, ..Tool::default() };
        let called = |arguments: &str| ChatOutput {
            tool_calls: vec![ToolCall {
                name: "f".to_owned(),
                arguments_json: arguments.to_owned(),
                ..ToolCall::default()
            }],
            ..said("", "tool_calls")
        };
        let of =
            |strict| Promise::of(&ChatInput { tools: vec![tool(strict)], ..ChatInput::default() }, PLACES).unwrap();
        assert!(of(true).keep(&called("{\"a\":1}")).is_ok());
        assert!(of(true).keep(&called("{\"a\":null}")).is_err());
        assert!(of(false).keep(&called("{\"a\":null}")).is_ok());
    }

    #[test]
    fn a_schema_that_is_none_is_refused_where_it_stands() {
        assert_eq!(promise("json_schema", "{\"type\": 7}").unwrap_err().param.as_deref(), Some("format"));
        let remote = "{\"$ref\": \"https://example.com/schema.json\"}";
        assert!(promise("json_schema", remote).is_err(), "nothing is fetched for a schema");
    }

    proptest! {
        #[test]
        fn no_schema_and_no_answer_break_the_check(schema in "\\PC{0,60}", answer in "\\PC{0,60}") {
            if let Ok(promise) = promise("json_schema", &schema) {
                let _kept = promise.keep(&said(&answer, "stop"));
            }
        }
    }
}
