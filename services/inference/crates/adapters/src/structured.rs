//! JSON and CSV, held against a JSON Schema when one is given. Every violation is named with its place, not just the first.

use jsonschema::Validator;
use serde_json::{Map, Number, Value};

use orrery_content::{Content, Modality, Segment};

use super::text::utf8;
use super::{Adapter, AdapterError, Input, Limits, Resources, Violation};

const JSON: &str = "application/json";
const CSV: &str = "text/csv";

/// Reads records.
pub(super) struct StructuredAdapter {
    limits: Limits,
}

impl StructuredAdapter {
    pub(super) fn new(resources: &Resources) -> Self {
        Self { limits: resources.limits }
    }
}

impl Adapter for StructuredAdapter {
    fn media_types(&self) -> &'static [&'static str] {
        &[JSON, CSV]
    }

    fn read(&self, input: Input<'_>, media_type: &'static str) -> Result<Content, AdapterError> {
        let text = utf8(input.bytes, self.limits)?;
        let value = match media_type {
            CSV => table(text, input.schema, self.limits.rows_max)?,
            _ => json(text)?,
        };
        if let Some(schema) = input.schema {
            validate(schema, &value)?;
        }
        let mut content = Content::empty(Modality::Structured, media_type);
        content.segments.push(Segment { char_span: Some((0, text.len() as u64)), ..Segment::certain(text.trim_end()) });
        content.structured = Some(value);
        Ok(content)
    }
}

fn json(text: &str) -> Result<Value, AdapterError> {
    serde_json::from_str(text).map_err(|fault| {
        let described = fault.to_string();
        let reason = described.split(" at line ").next().unwrap_or_default().to_owned();
        AdapterError::Syntax { media_type: JSON, line: fault.line(), column: fault.column(), reason }
    })
}

/// A table as a list of objects, named by the first row. A cell is a string unless the schema calls its column a number or
/// a boolean: `00123` is a number only to whoever says so.
fn table(text: &str, schema: Option<&Value>, rows_max: usize) -> Result<Value, AdapterError> {
    let syntax = |fault: csv::Error| {
        let line = fault.position().map_or(0, |position| position.line() as usize);
        AdapterError::Syntax { media_type: CSV, line, column: 0, reason: fault.to_string() }
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let names = reader.headers().map_err(syntax)?.clone();
    let columns: Vec<(&str, Option<&str>)> = names.iter().map(|name| (name, column_type(schema, name))).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        if rows.len() >= rows_max {
            return Err(AdapterError::TooManyRows { limit: rows_max });
        }
        let record = record.map_err(syntax)?;
        let cells = columns.iter().zip(record.iter());
        rows.push(Value::Object(
            cells.map(|((name, kind), cell)| ((*name).to_owned(), typed(cell, *kind))).collect::<Map<_, _>>(),
        ));
    }
    Ok(Value::Array(rows))
}

fn column_type<'a>(schema: Option<&'a Value>, name: &str) -> Option<&'a str> {
    schema?.get("items")?.get("properties")?.get(name)?.get("type")?.as_str()
}

/// The cell as the schema wants it; what does not parse stays a string and is reported as a violation.
fn typed(cell: &str, kind: Option<&str>) -> Value {
    let parsed = match kind {
        Some("integer") => cell.parse::<i64>().ok().map(Value::from),
        Some("number") => cell.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number),
        Some("boolean") => cell.to_ascii_lowercase().parse::<bool>().ok().map(Value::Bool),
        Some("null") if cell.is_empty() => Some(Value::Null),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::String(cell.to_owned()))
}

fn validate(schema: &Value, value: &Value) -> Result<(), AdapterError> {
    let validator =
        Validator::new(schema).map_err(|fault| AdapterError::InvalidSchema { reason: fault.to_string() })?;
    let violations: Vec<Violation> = validator
        .iter_errors(value)
        .map(|fault| Violation { path: fault.instance_path().to_string(), message: fault.to_string() })
        .collect();
    if violations.is_empty() { Ok(()) } else { Err(AdapterError::SchemaViolated { violations }) }
}
