//! Pausing: nothing new is scheduled. Results that come are kept, and time that runs out acts when the run is resumed.

use super::Machine;
use crate::domain::command::{Reject, Scope};
use crate::domain::event::Fact;

impl Machine<'_> {
    /// A run that undoes what it did is on its way out and is not held up.
    pub(super) fn pause(&mut self, scope: Scope, by: String, reason: String) {
        if self.state.ending.is_none() && !self.state.pauses.contains(&scope) {
            self.record(Fact::Suspended { scope, by, reason, audited: true });
        }
    }

    pub(super) fn resume(&mut self, scope: Scope, by: String) -> Result<(), Reject> {
        if !self.state.pauses.contains(&scope) {
            return Ok(());
        }
        self.record(Fact::Resumed { scope, by, audited: true });
        if self.state.is_paused() {
            return Ok(());
        }
        self.wake()?;
        self.top_up_maps()?;
        self.proceed();
        Ok(())
    }
}
