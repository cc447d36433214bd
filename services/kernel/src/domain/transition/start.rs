//! The beginning and the end of a run: its input, its output, its timeout.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::sight::Sight;
use super::{Machine, Next, check_schema};
use crate::domain::command::{Beginning, Reject};
use crate::domain::definition::Definition;
use crate::domain::effect::Effect;
use crate::domain::event::Fact;
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, Ending, Frame, Status};

impl Machine<'_> {
    /// Takes a run in that may not start yet.
    pub(super) fn accept(&mut self, beginning: Option<Beginning>) -> Result<(), Reject> {
        if self.state.seq > 0 {
            return Err(Reject::Stale);
        }
        let run = Box::new((*self.state.run).clone());
        self.record(Fact::Accepted { run, beginning: beginning.map(Arc::new), audited: true });
        Ok(())
    }

    pub(super) fn start(&mut self) -> Result<(), Reject> {
        if self.state.seq > 0 && self.state.status != Status::Pending {
            return Err(Reject::Stale);
        }
        if let Some(beginning) = self.state.beginning.clone() {
            return self.restart((*beginning).clone());
        }
        let raw = self.state.run.input.clone();
        let (input, timeout_at, refused) = match self.take_in(&raw) {
            Ok((input, timeout)) => (input, timeout.map(|after| self.now.saturating_add(after)), None),
            Err(fault) => (raw.clone(), None, Some(fault)),
        };
        let root = Frame {
            id: self.state.next_frame,
            parent: None,
            pointer: Definition::ROOT.into(),
            iteration: 0,
            attempt: 1,
            raw_input: raw,
            input: input.clone(),
            variables: BTreeMap::new(),
            started_at: self.now,
            timeout_at: None,
            activity: Activity::List { next: 0, value: input, branch: None, done: false },
        };
        let id = root.id;
        let run = Box::new((*self.state.run).clone());
        let audited = self.state.audited == 0;
        self.record(Fact::Started { run, timeout_at, root: Box::new(root), audited });
        match refused {
            Some(fault) => self.fault(fault.at("/input")),
            None => self.agenda.push_back(Next::Step(id)),
        }
        Ok(())
    }

    fn take_in(&self, raw: &Arc<Value>) -> Result<(Arc<Value>, Option<std::time::Duration>), Fault> {
        let definition = self.definition;
        check_schema(definition.input.schema.as_ref(), raw, "the workflow's input")?;
        let sight = Sight::of(self, raw);
        let input = match &definition.input.from {
            Some(from) => Arc::new(from.evaluate(raw, &sight)?),
            None => raw.clone(),
        };
        let timeout = definition.timeout.as_ref().map(|timeout| timeout.evaluate(&input, &sight)).transpose()?;
        Ok((input, timeout))
    }

    /// Ends the run with an output.
    pub(super) fn complete(&mut self, raw: &Arc<Value>) {
        if self.state.ending.is_some() {
            // A compensation that ends the workflow ends itself: there is nothing else that it could end.
            return self.end_compensation();
        }
        let output = &self.definition.output;
        let transformed = match &output.transform {
            Some(transform) => {
                let input = self.state.run.input.clone();
                transform.evaluate(raw, &Sight::of(self, &input)).map(Arc::new).map_err(Fault::from)
            }
            None => Ok(raw.clone()),
        };
        let checked = transformed
            .and_then(|value| check_schema(output.schema.as_ref(), &value, "the workflow's output").map(|()| value));
        match checked {
            Ok(output) => {
                self.abandon_all();
                self.notify_parent(Ok((*output).clone()));
                self.record(Fact::Completed { output });
            }
            Err(fault) => self.fault(fault.at("/output")),
        }
    }

    /// Ends the run with an error.
    pub(super) fn fault(&mut self, error: Fault) {
        match self.state.ending {
            Some(_) => self.give_compensation_up(error),
            None => self.wind_up(Ending::Faulted(error)),
        }
    }

    /// Ends a run that took too long.
    pub(super) fn time_out(&mut self, what: &str) {
        self.fault(Fault::new(Standard::Timeout, format!("the workflow did not end within {what}")).at("/"));
    }

    pub(super) fn notify_parent(&mut self, outcome: Result<Value, Fault>) {
        if let Some(parent) = self.state.run.parent.clone() {
            self.effects.push(Effect::NotifyParent { parent, outcome });
        }
    }
}
