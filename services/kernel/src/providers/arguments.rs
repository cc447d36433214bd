//! Reads the arguments of a call. A wrong one is named in the error.

use orrery_errors::{Error, ErrorCode};
use serde_json::Value;

use crate::domain::effect::Call;

/// The arguments of one call.
pub struct Arguments<'a>(pub &'a Call);

impl Arguments<'_> {
    /// An error that names the function.
    pub fn wrong(&self, what: &str) -> Error {
        Error::new(ErrorCode::InvalidRequest, format!("{}: {what}", self.0.function.name()))
    }

    /// An argument, unless it is missing or null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.arguments.get(name).filter(|value| !value.is_null())
    }

    /// An argument that must be there.
    pub fn required(&self, name: &str) -> Result<&Value, Error> {
        self.get(name).ok_or_else(|| self.wrong(&format!("`{name}` is missing or null")))
    }

    /// Text; empty when missing.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(self.wrong(&format!("`{name}` must be text"))),
        }
    }

    /// A list of texts; empty when missing.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let wrong = || self.wrong(&format!("`{name}` must be a list of texts"));
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(wrong)?;
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    /// A list; must be there.
    pub fn list(&self, name: &str) -> Result<&Vec<Value>, Error> {
        let value = self.required(name)?;
        value.as_array().ok_or_else(|| self.wrong(&format!("`{name}` must be a list")))
    }

    /// A whole number of at least 0.
    pub fn whole(&self, name: &str) -> Result<Option<u64>, Error> {
        let wrong = || self.wrong(&format!("`{name}` must be a whole number, 0 or more"));
        self.get(name).map(|value| value.as_u64().ok_or_else(wrong)).transpose()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<f32>, Error> {
        let wrong = || self.wrong(&format!("`{name}` must be a number"));
        self.get(name).map(|value| value.as_f64().map(|number| number as f32).ok_or_else(wrong)).transpose()
    }
}
