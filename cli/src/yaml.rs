//! YAML read into JSON values, for the small files beside a workflow. The kernel judges workflows itself; this never does.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Text that is not the YAML expected here.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct YamlError {
    line: usize,
    reason: String,
}

enum Open {
    List(Vec<Value>, usize),
    Fields(Map<String, Value>, Option<String>, usize),
}

/// Parses one document.
pub fn parse(text: &str) -> Result<Value, YamlError> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Value> = HashMap::new();
    let mut root = Value::Null;
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| YamlError { line: error.marker().line(), reason: error.info().to_owned() })?;
        let at = |reason: &str| YamlError { line: span.start.line(), reason: reason.to_owned() };
        let (value, anchor) = match event {
            Event::Scalar(text, ScalarStyle::Plain, anchor, _) => (plain(&text), anchor),
            Event::Scalar(text, _, anchor, _) => (Value::String(text.into_owned()), anchor),
            Event::Alias(anchor) => {
                (anchors.get(&anchor).cloned().ok_or_else(|| at("the alias has no anchor before it"))?, 0)
            }
            Event::SequenceStart(anchor, _) => {
                open.push(Open::List(Vec::new(), anchor));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open::Fields(Map::new(), None, anchor));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items, anchor)) => (Value::Array(items), anchor),
                Some(Open::Fields(fields, _, anchor)) => (Value::Object(fields), anchor),
                None => continue,
            },
            _ => continue,
        };
        if anchor > 0 {
            anchors.insert(anchor, value.clone());
        }
        match open.last_mut() {
            None => root = value,
            Some(Open::List(items, _)) => items.push(value),
            Some(Open::Fields(fields, key, _)) => match key.take() {
                Some(key) => drop(fields.insert(key, value)),
                None => *key = Some(key_text(value).ok_or_else(|| at("a key must be text"))?),
            },
        }
    }
    Ok(root)
}

fn key_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A plain scalar by YAML 1.2's core schema, as far as JSON can hold it.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
            serde_json::from_str::<serde_json::Number>(text)
                .map_or_else(|_| Value::String(text.to_owned()), Value::Number)
        }
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mappings_lists_anchors_and_scalars() {
        let text = "a: &one {x: 1, y: 'two'}\nb:\n  - true\n  - ~\n  - *one\nc: 2026-01-02\n";
        let expected = json!({"a": {"x": 1, "y": "two"}, "b": [true, null, {"x": 1, "y": "two"}], "c": "2026-01-02"});
        assert_eq!(parse(text).ok(), Some(expected));
    }

    #[test]
    fn a_fault_names_its_line() {
        let error = parse("a: 1\nb: [1, 2\n").map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.starts_with("line ")));
    }
}
