//! The place where an actor's current instance can be reached. Handles point here, so they outlive instances.

use std::sync::Arc;
use std::time::Duration;

use actix::Actor;
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

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

    /// Hands the message to the current instance.
    pub(crate) fn push(&self, envelope: Box<dyn Envelope<A>>) -> Result<Accepted, SendError> {
        let mailbox = self.current.read().clone();
        let outcome = match mailbox {
            Some(mailbox) => mailbox.push(envelope).map(|number| (number, Arc::clone(mailbox.vitals()))),
            None => Err(Rejected::Closed),
        };
        match outcome {
            Ok((number, vitals)) => Ok(Accepted { number, vitals, node: Arc::clone(&self.node) }),
            Err(Rejected::Full) => {
                Err(counted(&self.node, SendError::Full { child: self.node.name(), retry_after: FULL_RETRY_AFTER }))
            }
            Err(Rejected::Draining | Rejected::Closed) => Err(not_taken(&self.node)),
        }
    }
}

/// A message in the mailbox of one instance. In flight until dropped.
pub(crate) struct Accepted {
    number: u64,
    vitals: Arc<Vitals>,
    node: Arc<Node>,
}

impl Accepted {
    /// Cancelled when the instance has ended.
    pub(crate) fn dead(&self) -> &CancellationToken {
        self.vitals.dead()
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// What to tell the sender now that the instance has ended without an answer. A message that never left the queue
    /// was not handled, so it may be sent again; one that did is lost.
    pub(crate) fn unanswered(&self) -> SendError {
        if self.vitals.begun() > self.number {
            counted(&self.node, SendError::Lost { child: self.node.name() })
        } else {
            not_taken(&self.node)
        }
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.vitals.leave_flight();
    }
}

/// Why the child does not handle the message, by the state it is in.
fn not_taken(node: &Node) -> SendError {
    let child = node.name();
    let error = if matches!(node.state(), ChildState::Stopped | ChildState::Failed) {
        SendError::Stopped { child }
    } else if node.is_leaving() {
        SendError::Draining { child }
    } else {
        SendError::Restarting { child, retry_after: node.restart_in().max(RESTART_RETRY_AFTER_MIN) }
    };
    counted(node, error)
}

fn counted(node: &Node, error: SendError) -> SendError {
    telemetry::count_send_error(&error, node.path());
    error
}
