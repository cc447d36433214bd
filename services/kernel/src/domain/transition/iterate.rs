//! `for`: runs its list once for each item, one after the other; each round's output is the next one's input.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::block::{ListOptions, holds};
use super::sight::Sight;
use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::definition::{For, Kind};
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, FrameId};

impl Machine<'_> {
    pub(super) fn iterate(&mut self, entered: &Entered, each: &For) -> Result<Result<(), Fault>, Reject> {
        let list = each.list.evaluate(&entered.input, &self.sight(entered));
        let items = match list {
            Ok(Value::Array(items)) => Arc::new(items),
            Ok(other) => {
                let detail = format!("`for.in` must give a list, but `{}` gave {}", each.list.source(), kind(&other));
                return Ok(Err(Fault::new(Standard::Expression, detail)));
            }
            Err(error) => return Ok(Err(error.into())),
        };
        let step = match self.open(entered, Activity::For { items, index: 0 }) {
            Ok(step) => step,
            Err(fault) => return Ok(Err(fault)),
        };
        self.round(step, each, 0, entered.input.clone()).map(Ok)
    }

    pub(super) fn round_done(&mut self, step: FrameId, value: Arc<Value>) -> Result<(), Reject> {
        let frame = self.frame(step)?;
        let Activity::For { index, .. } = &frame.activity else { return Ok(()) };
        let next = index + 1;
        let task = self.task(&frame.pointer)?;
        match &task.kind {
            Kind::For(each) => self.round(step, each, next, value),
            _ => Err(Reject::Corrupted(format!("loop {}", task.pointer))),
        }
    }

    /// Begins a round, or completes the loop.
    fn round(&mut self, step: FrameId, each: &For, index: u32, value: Arc<Value>) -> Result<(), Reject> {
        let frame = self.frame(step)?.clone();
        let Activity::For { items, .. } = &frame.activity else { return Ok(()) };
        let Some(item) = items.get(index as usize) else { return self.complete_step(step, value) };
        let variables = [(each.each.as_str(), item.clone()), (each.at.as_str(), json!(index))];
        if let Some(condition) = &each.condition {
            let task = self.task(&frame.pointer)?;
            let around =
                Sight { frame: Some(step), task: Some(&task), raw_input: &frame.raw_input, ..Sight::of(self, &value) };
            let sight = Sight { own: &variables, ..around };
            match condition.evaluate(&value, &sight) {
                Ok(result) if holds(&result) => {}
                Ok(_) => return self.complete_step(step, value),
                Err(error) => {
                    let list = self.list_of(&frame)?;
                    return self.fail(list, &frame.pointer, error.into());
                }
            }
        }
        let variables: BTreeMap<_, _> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), Arc::new(value))).collect();
        let options = ListOptions { variables, ..ListOptions::default() };
        self.open_list(step, index > 0, &each.body, value, frame.attempt, options);
        Ok(())
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
