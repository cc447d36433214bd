//! Extensions: what runs before a task, the task, and what runs after it, one after the other. What they give is dropped;
//! only `exit` before the task puts their output in place of the task's (specification, "Extension").

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::block::{ListOptions, holds};
use super::sight::Sight;
use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::definition::{Directive, Extended, Kind, Pointer, Task};
use crate::domain::event::Fact;
use crate::domain::fault::Fault;
use crate::domain::state::{Activity, Frame, FrameId};

impl Machine<'_> {
    pub(super) fn extended(&mut self, entered: &Entered, extended: &Extended) -> Result<Result<(), Fault>, Reject> {
        let applying = match self.applying(entered, extended) {
            Ok(applying) => applying,
            Err(fault) => return Ok(Err(fault)),
        };
        let activity = Activity::Extended { applying, stage: 0, output: None, then: None };
        match self.open(entered, activity) {
            Ok(step) => self.stage(step, 0, None).map(Ok),
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// Which extensions apply, by position.
    fn applying(&self, entered: &Entered, extended: &Extended) -> Result<Vec<u32>, Fault> {
        let own = [("task", self.extended_task(&extended.task, &entered.raw_input, None))];
        let sight = Sight { own: &own, ..self.sight(entered) };
        let mut applying = Vec::new();
        for (index, extension) in (0..).zip(&extended.extensions) {
            let applies = match &extension.when {
                Some(when) => holds(&when.evaluate(&entered.raw_input, &sight)?),
                None => true,
            };
            if applies {
                applying.push(index);
            }
        }
        Ok(applying)
    }

    /// What `$task` is to an extension: the task that it extends, with the fields of its definition beside its own.
    fn extended_task(&self, task: &Task, raw_input: &Value, output: Option<&Value>) -> Value {
        let sight = Sight { task: Some(task), raw_output: output, ..Sight::of(self, raw_input) };
        let mut fields = task.source.as_object().cloned().unwrap_or_default();
        if let Value::Object(descriptor) = sight.task_descriptor() {
            fields.extend(descriptor);
        }
        Value::Object(fields)
    }

    /// Begins with the first stage from `stage` on at which something runs, or completes the task.
    fn stage(&mut self, step: FrameId, stage: u32, output: Option<Arc<Value>>) -> Result<(), Reject> {
        let frame = self.frame(step)?.clone();
        let Activity::Extended { applying, then, .. } = &frame.activity else { return Ok(()) };
        let task = self.task(&frame.pointer)?;
        let extended = of(&task)?;
        let count = u32::try_from(applying.len()).unwrap_or(u32::MAX);
        for stage in stage..=count * 2 {
            let Some((list, of_extension)) = list_of_stage(extended, applying, stage) else { continue };
            self.record(Fact::StageReached { step, stage, output: output.clone() });
            let value = output.clone().unwrap_or_else(|| frame.input.clone());
            let mut variables = BTreeMap::new();
            if of_extension {
                let descriptor = self.extended_task(&extended.task, &frame.raw_input, output.as_deref());
                variables.insert("task".to_owned(), Arc::new(descriptor));
            }
            let options = ListOptions { variables, ..ListOptions::default() };
            self.open_list(step, true, &list, value, frame.attempt, options);
            return Ok(());
        }
        let output = output.unwrap_or_else(|| frame.input.clone());
        self.complete_redirected(step, output, *then)
    }

    /// A stage is over, with what its list gave.
    pub(super) fn stage_done(&mut self, step: FrameId, value: Arc<Value>) -> Result<(), Reject> {
        let frame = self.frame(step)?.clone();
        let Activity::Extended { applying, stage, output, then } = &frame.activity else { return Ok(()) };
        let body = u32::try_from(applying.len()).unwrap_or(u32::MAX);
        match stage {
            // What was injected is the output; the flow goes on as after the task.
            stage if *stage < body && then.is_some() => self.complete_redirected(step, value, None),
            stage if *stage == body => self.stage(step, stage + 1, Some(value)),
            stage => self.stage(step, stage + 1, output.clone()),
        }
    }

    /// A directive that concerns the step around a list of an extended task: `exit` before the task, or wherever the task
    /// itself says the flow goes.
    pub(super) fn redirects(&self, list: FrameId, then: Directive) -> Option<FrameId> {
        let around: &Frame = self.state.frames.get(&self.state.frames.get(&list)?.parent?)?;
        let Activity::Extended { applying, stage, .. } = &around.activity else { return None };
        let body = u32::try_from(applying.len()).unwrap_or(u32::MAX);
        let concerns = match then {
            Directive::Continue | Directive::End => false,
            Directive::Exit => *stage <= body,
            Directive::Goto(_) => *stage == body,
        };
        concerns.then_some(around.id)
    }
}

/// The list of a stage, and whether it is an extension's: first what runs before, then the task, then what runs after.
fn list_of_stage(extended: &Extended, applying: &[u32], stage: u32) -> Option<(Pointer, bool)> {
    let (stage, count) = (stage as usize, applying.len());
    let extension = |at: usize| extended.extensions.get(*applying.get(at)? as usize);
    match stage {
        at if at < count => Some((extension(at)?.before.clone()?, true)),
        at if at == count => Some((extended.body.clone(), false)),
        at => Some((extension(at - count - 1)?.after.clone()?, true)),
    }
}

fn of(task: &Task) -> Result<&Extended, Reject> {
    match &task.kind {
        Kind::Extended(extended) => Ok(extended),
        _ => Err(Reject::Corrupted(format!("extended task {}", task.pointer))),
    }
}
