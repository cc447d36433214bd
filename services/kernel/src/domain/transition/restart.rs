//! Beginning anew: a run takes over the events of another up to a step and goes on from there under its own name, so that
//! whatever it does has new keys.

use orrery_types::UnixMillis;

use super::Machine;
use crate::domain::command::{Beginning, Reject, Scope};
use crate::domain::event::{Event, Fact};
use crate::domain::state::Status;

impl Machine<'_> {
    /// Starts a run that is held from the beginning.
    pub(super) fn start_paused(&mut self, scopes: Vec<Scope>) -> Result<(), Reject> {
        self.start()?;
        self.suspend(scopes);
        Ok(())
    }

    fn suspend(&mut self, scopes: impl IntoIterator<Item = Scope>) {
        for scope in scopes {
            if !self.state.is_over() {
                let (by, reason) = ("system:pause".to_owned(), "it was paused before the task started".to_owned());
                self.record(Fact::Suspended { scope, by, reason, audited: true });
            }
        }
    }

    pub(super) fn restart(&mut self, beginning: Beginning) -> Result<(), Reject> {
        let Beginning { events, redo, by, reason } = beginning;
        if self.state.seq > 0 && self.state.status != Status::Pending {
            return Err(Reject::Stale);
        }
        let (held, records) = (self.state.pauses.clone(), self.state.audited);
        for Event { at, fact } in events {
            let fact = match fact {
                // The run is another; what it was begun with is the same.
                Fact::Started { timeout_at, root, audited, .. } => {
                    Fact::Started { run: Box::new((*self.state.run).clone()), timeout_at, root, audited }
                }
                fact => fact,
            };
            let event = Event { at, fact };
            self.state.apply(&event);
            self.events.push(event);
        }
        if self.state.seq == 0 || self.state.status != Status::Running {
            return Err(Reject::Invalid("the events to begin with are no beginning of a run".to_owned()));
        }
        let last = self.state.updated_at;
        self.now = UnixMillis(self.now.0.max(last.0));
        let attributes = self.state.run.attributes.clone();
        let shift_ms = self.now.0 - last.0;
        self.record(Fact::Restarted { by, reason, shift_ms, redo, attributes, records });
        // What held the other run is not its business; what holds this one while it waited for its turn still does.
        self.suspend(held);
        (self.first_step, self.first_byte) = (self.state.steps, self.state.bytes);
        self.proceed();
        Ok(())
    }
}
