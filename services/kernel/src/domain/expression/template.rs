//! Values in a definition that may hold expressions: any text of the form `${ … }`, or with such in it, at any depth.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::program::{CompileError, EvaluationError, Program, Variables};
use super::written::written;

/// A value with expressions in it.
#[derive(Debug)]
pub enum Template {
    /// Holds none.
    Constant(Value),
    /// Is one.
    Expression(Program),
    /// Fields, some of which hold expressions.
    Object(Vec<(String, Template)>),
    /// Items, some of which hold expressions.
    Array(Vec<Template>),
}

impl Template {
    /// Compiles the expressions of a value. On a fault, says at which pointer inside the value.
    pub fn compile(value: &Value, scope: &BTreeSet<String>) -> Result<Self, (String, CompileError)> {
        let at = |key: &str, (inner, error): (String, CompileError)| (format!("/{key}{inner}"), error);
        Ok(match value {
            Value::String(text) => match written(text) {
                Some(source) => {
                    Self::Expression(Program::compile(&source, scope).map_err(|error| (String::new(), error))?)
                }
                None => Self::Constant(value.clone()),
            },
            Value::Array(items) => {
                let item = |(index, item): (usize, &Value)| {
                    Self::compile(item, scope).map_err(|error| at(&index.to_string(), error))
                };
                let items = items.iter().enumerate().map(item).collect::<Result<Vec<_>, _>>()?;
                match items.iter().all(|item| matches!(item, Self::Constant(_))) {
                    true => Self::Constant(value.clone()),
                    false => Self::Array(items),
                }
            }
            Value::Object(fields) => {
                let field = |(key, field): (&String, &Value)| match Self::compile(field, scope) {
                    Ok(template) => Ok((key.clone(), template)),
                    Err(error) => Err(at(&key.replace('~', "~0").replace('/', "~1"), error)),
                };
                let fields = fields.iter().map(field).collect::<Result<Vec<_>, _>>()?;
                match fields.iter().all(|(_, field)| matches!(field, Self::Constant(_))) {
                    true => Self::Constant(value.clone()),
                    false => Self::Object(fields),
                }
            }
            _ => Self::Constant(value.clone()),
        })
    }

    /// As [`Self::compile`], but a text is an expression with or without `${ }`, as `input.from`, `output.as` and
    /// `export.as` take it.
    pub fn compile_transform(value: &Value, scope: &BTreeSet<String>) -> Result<Self, (String, CompileError)> {
        match value {
            Value::String(text) => {
                Program::compile(text, scope).map(Self::Expression).map_err(|error| (String::new(), error))
            }
            _ => Self::compile(value, scope),
        }
    }

    /// With a field more that stands for itself, whatever is written in it.
    #[must_use]
    pub fn with_constant(self, name: &str, value: Value) -> Self {
        match self {
            Self::Constant(Value::Object(mut fields)) => {
                fields.insert(name.to_owned(), value);
                Self::Constant(Value::Object(fields))
            }
            Self::Object(mut fields) => {
                fields.push((name.to_owned(), Self::Constant(value)));
                Self::Object(fields)
            }
            other => other,
        }
    }

    /// The value with every expression replaced by its result.
    pub fn evaluate(&self, input: &Value, variables: &dyn Variables) -> Result<Value, EvaluationError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Expression(program) => program.evaluate(input, variables),
            Self::Array(items) => {
                items.iter().map(|item| item.evaluate(input, variables)).collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Object(fields) => {
                let field = |(key, field): &(String, Template)| Ok((key.clone(), field.evaluate(input, variables)?));
                fields.iter().map(field).collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
        }
    }
}
