//! `switch`: the first case that holds says where the flow goes; if none does, the default; without one, the task's own
//! `then`.

use super::block::holds;
use super::{Entered, Machine};
use crate::domain::command::Reject;
use crate::domain::definition::{Case, Directive};
use crate::domain::fault::Fault;

impl Machine<'_> {
    pub(super) fn switch(&mut self, entered: &Entered, cases: &[Case]) -> Result<Result<(), Fault>, Reject> {
        match self.choose(entered, cases) {
            Ok(then) => self.complete_entered(entered, entered.input.clone(), then),
            Err(fault) => Ok(Err(fault)),
        }
    }

    fn choose(&self, entered: &Entered, cases: &[Case]) -> Result<Option<Directive>, Fault> {
        for case in cases {
            if let Some(when) = &case.when
                && holds(&when.evaluate(&entered.input, &self.sight(entered))?)
            {
                return Ok(Some(case.then));
            }
        }
        let default = cases.iter().find(|case| case.when.is_none());
        Ok(default.map(|case| case.then))
    }
}
