//! `set`: the output is what is set.

use std::sync::Arc;

use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::expression::Template;
use crate::domain::fault::Fault;

impl Machine<'_> {
    pub(super) fn set(&mut self, entered: &Entered, template: &Template) -> Result<Result<(), Fault>, Reject> {
        let value = template.evaluate(&entered.input, &self.sight(entered));
        match value {
            Ok(value) => self.complete_entered(entered, Arc::new(value), None),
            Err(error) => Ok(Err(error.into())),
        }
    }
}
