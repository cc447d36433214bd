//! `emit`: publishes a CloudEvent, which is also the task's output. Its id is that of the step, so a second publication is
//! dropped by the stream.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::effect::Effect;
use crate::domain::expression::Template;
use crate::domain::fault::{Fault, Standard};

impl Machine<'_> {
    pub(super) fn emit(&mut self, entered: &Entered, attributes: &Template) -> Result<Result<(), Fault>, Reject> {
        let evaluated = attributes.evaluate(&entered.input, &self.sight(entered));
        let mut event = match evaluated {
            Ok(Value::Object(event)) => event,
            Ok(_) => return Ok(Err(Fault::new(Standard::Validation, "the event's attributes must be an object"))),
            Err(error) => return Ok(Err(error.into())),
        };
        let id = format!("{}{}/{}", self.state.run.id, entered.pointer(), entered.iteration);
        event.insert("specversion".to_owned(), json!("1.0"));
        event.entry("id").or_insert_with(|| json!(id));
        event.entry("time").or_insert_with(|| json!(self.now.to_string()));
        if event.contains_key("data") {
            event.entry("datacontenttype").or_insert_with(|| json!("application/json"));
        }
        let event = Arc::new(Value::Object(event));
        let completed = self.complete_entered(entered, event.clone(), None)?;
        if completed.is_ok() {
            self.effects.push(Effect::Publish((*event).clone()));
        }
        Ok(completed)
    }
}
