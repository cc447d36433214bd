//! `raise`: makes an error.

use super::{Entered, Machine};
use crate::domain::definition::ErrorTemplate;
use crate::domain::fault::{Fault, Standard};

impl Machine<'_> {
    /// The error, or the one that making it raised.
    pub(super) fn raise(&self, entered: &Entered, error: &ErrorTemplate) -> Fault {
        match error.template.evaluate(&entered.input, &self.sight(entered)) {
            Ok(value) => Fault::from_value(&value).unwrap_or_else(|why| Fault::new(Standard::Configuration, why)),
            Err(error) => error.into(),
        }
    }
}
