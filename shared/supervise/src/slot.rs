//! The place where an actor's current instance can be reached. Handles point here, so they outlive instances.

use std::sync::Arc;
use std::time::Duration;

use actix::Actor;
use parking_lot::RwLock;

use crate::error::SendError;
use crate::mailbox::{Envelope, Mailbox, Rejected};
use crate::node::{ChildState, Node};
use crate::telemetry;
use crate::vitals::Vitals;

/// Hint for a full mailbox: long enough for a busy actor to make room, short enough not to idle.
const FULL_RETRY_AFTER: Duration = Duration::from_millis(20);
/// Hint where the restart is due but not done.
const RESTART_RETRY_AFTER_MIN: Duration = Duration::from_millis(5);

pub(crate) struct Slot<A: Actor> {
    pub(crate) node: Arc<Node>,
    ask_deadline: RwLock<Duration>,
    current: RwLock<Option<Arc<Mailbox<A>>>>,
}

impl<A: Actor> Slot<A> {
    pub(crate) fn new(node: Arc<Node>, ask_deadline: Duration) -> Self {
        Self { node, ask_deadline: RwLock::new(ask_deadline), current: RwLock::new(None) }
    }

    pub(crate) fn ask_deadline(&self) -> Duration {
        *self.ask_deadline.read()
    }

    pub(crate) fn set_ask_deadline(&self, deadline: Duration) {
        *self.ask_deadline.write() = deadline;
    }

    pub(crate) fn open(&self, mailbox: Arc<Mailbox<A>>) {
        *self.current.write() = Some(mailbox);
    }

    pub(crate) fn close(&self) {
        *self.current.write() = None;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.current.read().is_some()
    }

    /// Hands the message to the current instance; its vitals tell when that instance has ended.
    pub(crate) fn push(&self, envelope: Box<dyn Envelope<A>>) -> Result<Arc<Vitals>, SendError> {
        let mailbox = self.current.read().clone();
        let outcome = match mailbox {
            Some(mailbox) => mailbox.push(envelope).map(|()| Arc::clone(mailbox.vitals())),
            None => Err(Rejected::Closed),
        };
        outcome.map_err(|rejected| {
            let error = self.explain(rejected);
            telemetry::count_send_error(&error, self.node.path());
            error
        })
    }

    fn explain(&self, rejected: Rejected) -> SendError {
        let child = self.node.name();
        if rejected == Rejected::Full {
            return SendError::Full { child, retry_after: FULL_RETRY_AFTER };
        }
        if matches!(self.node.state(), ChildState::Stopped | ChildState::Failed) {
            return SendError::Stopped { child };
        }
        if self.node.is_leaving() {
            return SendError::Draining { child };
        }
        let retry_after = self.node.restart_in().max(RESTART_RETRY_AFTER_MIN);
        SendError::Restarting { child, retry_after }
    }
}
