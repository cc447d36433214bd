//! `fork`: branches side by side. Joined: a list of their outputs in the order of the definition. Competing: the output of
//! the first to finish; the others are given up.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::block::ListOptions;
use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::definition::{Branch, Kind};
use crate::domain::event::Fact;
use crate::domain::fault::Fault;
use crate::domain::state::{Activity, FrameId};

impl Machine<'_> {
    pub(super) fn fork(&mut self, entered: &Entered, branches: &[Branch]) -> Result<(), Fault> {
        let step = self.open(entered, Activity::Fork { outputs: BTreeMap::new() })?;
        for (index, branch) in (0..).zip(branches) {
            let options = ListOptions { branch: Some(index), ..ListOptions::default() };
            self.open_list(step, false, &branch.list, entered.input.clone(), entered.attempt, options);
        }
        Ok(())
    }

    pub(super) fn branch_done(&mut self, step: FrameId, branch: u32, output: Arc<Value>) -> Result<(), Reject> {
        let task = self.task(&self.frame(step)?.pointer)?;
        let Kind::Fork { branches, compete } = &task.kind else {
            return Err(Reject::Corrupted(format!("fork {}", task.pointer)));
        };
        if *compete {
            return self.complete_step(step, output);
        }
        self.record(Fact::BranchCompleted { step, branch, output });
        let Activity::Fork { outputs } = &self.frame(step)?.activity else { return Ok(()) };
        if outputs.len() < branches.len() {
            return Ok(());
        }
        let joined = Value::Array(outputs.values().map(|output| (**output).clone()).collect());
        self.complete_step(step, Arc::new(joined))
    }
}
