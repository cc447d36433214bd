//! How an instance of each kind of child is brought to life on its thread.

mod actor;
mod task;

use std::any::Any;
use std::sync::Arc;

use tokio::sync::oneshot;

pub(crate) use actor::{ActorLaunch, Factory};
pub(crate) use task::{TaskFactory, TaskLaunch};

use crate::control::Control;
use crate::exit::ExitStatus;
use crate::host::Place;

/// Brings fresh instances to life.
pub(crate) trait Launch: Send + Sync {
    /// Begins a fresh instance on `place`. It ends when `control.kill` is cancelled, unless it blocks its thread.
    fn launch(&self, control: &Arc<Control>, place: &Place) -> Launched;
}

/// An instance on its way.
pub(crate) struct Launched {
    /// Resolves when the instance has ended; an error means that its thread went away under it.
    pub(crate) exit: oneshot::Receiver<ExitStatus>,
    /// The way in for messages, where there is one.
    pub(crate) door: Option<Box<dyn Door>>,
}

/// The supervisor's hold on an actor's mailbox.
pub(crate) trait Door: Send + Sync {
    /// Lets handles reach this instance.
    fn open(&self);
    /// Takes nothing new.
    fn drain(&self);
    /// Takes nothing at all and tells everyone who still waits.
    fn close(&self);
}

/// The exit of a life that may have panicked.
fn exit_of(outcome: Result<ExitStatus, Box<dyn Any + Send>>) -> ExitStatus {
    outcome.unwrap_or_else(|payload| ExitStatus::panicked(payload.as_ref()))
}
