//! `orrery.attributes`: by what the run is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::event::Fact;
use crate::domain::fault::{Fault, Standard};

/// Attributes of one run.
pub const ATTRIBUTES_MAX: usize = 64;
/// Longest name or value.
pub const ATTRIBUTE_BYTES_MAX: usize = 256;
/// The platform's own begin so.
const RESERVED: &str = "orrery.";

impl Machine<'_> {
    /// Sets attributes; the step's output is its input.
    pub(super) fn set_attributes(&mut self, entered: &Entered, arguments: &Value) -> Result<Result<(), Fault>, Reject> {
        let wrong = |what: String| Fault::new(Standard::Validation, format!("orrery.attributes: {what}"));
        let Some(Value::Object(named)) = arguments.get("attributes") else {
            return Ok(Err(wrong("`attributes` must map names to texts, numbers or truth values".to_owned())));
        };
        let text = |(name, value): (&String, &Value)| match value {
            Value::String(text) => Ok((name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
            _ => Err(format!("{name:?} must be text, a number or a truth value")),
        };
        let attributes = named.iter().map(text).collect::<Result<BTreeMap<_, _>, _>>();
        let attributes = match attributes.and_then(|it| check(&it, self.state.run.attributes.len()).map(|()| it)) {
            Ok(attributes) => attributes,
            Err(reason) => return Ok(Err(wrong(reason))),
        };
        self.record(Fact::AttributesSet { pointer: entered.pointer().clone(), attributes });
        self.complete_entered(entered, Arc::clone(&entered.input), None)
    }
}

/// Why attributes cannot be set beside `present` others, if so.
pub fn check(attributes: &BTreeMap<String, String>, present: usize) -> Result<(), String> {
    if attributes.len() + present > ATTRIBUTES_MAX {
        return Err(format!("a task has {ATTRIBUTES_MAX} attributes at most"));
    }
    for (name, value) in attributes {
        if name.is_empty() || name.len() > ATTRIBUTE_BYTES_MAX || value.len() > ATTRIBUTE_BYTES_MAX {
            return Err(format!("the name and value of {name:?} have 1 to {ATTRIBUTE_BYTES_MAX} bytes"));
        }
        if name.starts_with(RESERVED) {
            return Err(format!("{name:?}: names that begin with {RESERVED:?} are the platform's own"));
        }
    }
    Ok(())
}
