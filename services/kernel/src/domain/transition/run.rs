//! `run: workflow`: a sub-workflow, waited for or not. Its id follows from the step's key, so starting it twice starts it
//! once.

use std::sync::Arc;

use orrery_types::TaskId;
use serde_json::Value;

use super::{Entered, Machine};
use crate::domain::command::{Reject, Run};
use crate::domain::definition::{Kind, SubWorkflow};
use crate::domain::effect::{Effect, StartChild};
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, Frame};

/// Workflows that run each other nest at most this deep.
pub(super) const DEPTH_MAX: u32 = 16;

impl Machine<'_> {
    pub(super) fn run_workflow(&mut self, entered: &Entered, workflow: &SubWorkflow) -> Result<(), Fault> {
        if self.state.run.depth >= DEPTH_MAX {
            let detail = format!("workflows run each other {DEPTH_MAX} levels deep: is there a cycle?");
            return Err(Fault::new(Standard::Runtime, detail));
        }
        let input = match &workflow.input {
            Some(input) => Arc::new(input.evaluate(&entered.input, &self.sight(entered))?),
            None => entered.input.clone(),
        };
        let key = self.key(entered);
        let id = format!("task_{}", self.id_from(&key));
        let task = TaskId::new(&id).map_err(|error| Fault::new(Standard::Runtime, error.to_string()))?;
        let name = (workflow.namespace.clone(), workflow.name.clone(), workflow.version.clone());
        let parent_close = entered.task.parent_close;
        let activity = Activity::Child { key, task, workflow: name, input, wait: workflow.wait, parent_close };
        let step = self.open(entered, activity)?;
        let run = self.state.run.clone();
        self.effects.extend(self.state.frames.get(&step).and_then(|frame| effect(&run, frame)));
        Ok(())
    }

    fn child(&self, key: &str) -> Result<Frame, Reject> {
        let waits = |frame: &&Frame| matches!(&frame.activity, Activity::Child { key: it, .. } if it == key);
        self.state.frames.values().find(waits).cloned().ok_or(Reject::Stale)
    }

    pub(super) fn child_started(&mut self, key: &str) -> Result<(), Reject> {
        if self.item(key).is_some() {
            return Ok(());
        }
        let frame = self.child(key)?;
        match &frame.activity {
            Activity::Child { wait: false, .. } => self.complete_step(frame.id, frame.input.clone()),
            _ => Ok(()),
        }
    }

    pub(super) fn child_finished(&mut self, key: &str, outcome: Result<Value, Fault>) -> Result<(), Reject> {
        if let Some((map, index)) = self.item(key) {
            return self.item_finished(map, index, outcome);
        }
        let frame = self.child(key)?;
        // The error names the child's own pointer; here it is the step's.
        let outcome = outcome.map_err(|fault| Fault { instance: None, ..fault });
        let silent = matches!(&self.task(&frame.pointer)?.kind, Kind::Run(SubWorkflow { silent: true, .. }));
        self.finish(&frame, if silent { outcome.map(|_| Value::Null) } else { outcome })
    }
}

/// The effect of a sub-workflow that is wanted.
pub(super) fn effect(run: &Run, frame: &Frame) -> Option<Effect> {
    let Activity::Child { key, task, workflow, input, wait, .. } = &frame.activity else { return None };
    Some(Effect::StartChild(Box::new(StartChild {
        key: key.clone(),
        task: task.clone(),
        workflow: workflow.clone(),
        input: (**input).clone(),
        wait: *wait,
        starter: run.clone(),
    })))
}
