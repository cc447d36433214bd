//! `evaluate`: in which language expressions are written, and what counts as one.

use serde_json::{Map, Value};

use super::build::{Builder, Scope};
use super::source::escape;
use crate::domain::expression::{Program, written};

impl Builder<'_> {
    /// `evaluate`, which the specification describes and the official schema leaves open.
    pub(super) fn evaluation(&mut self, root: &Map<String, Value>) {
        let Some(evaluate) = root.get("evaluate") else { return };
        for (field, value) in evaluate.as_object().into_iter().flatten() {
            match (field.as_str(), value.as_str()) {
                ("language", Some("jq")) | ("mode", Some("strict")) => {}
                ("mode", Some("loose")) => self.loose = true,
                ("language", _) => self.problem("/evaluate/language", "expressions are written in jq"),
                ("mode", _) => self.problem("/evaluate/mode", "the mode is `strict` or `loose`"),
                (other, _) => self.problem(&format!("/evaluate/{}", escape(other)), format!("unknown field {other:?}")),
            }
        }
    }
}

/// "Evaluates any value provided. If the evaluation fails, it results in a string with the expression as its content."
pub(super) fn loosened(value: &Value, scope: &Scope) -> Value {
    match value {
        Value::String(text) if written(text).is_none() && Program::compile(text, scope).is_ok() => {
            Value::String(format!("${{ try ({text}) catch {} }}", Value::from(text.as_str())))
        }
        Value::Array(items) => items.iter().map(|item| loosened(item, scope)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), loosened(field, scope))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}
