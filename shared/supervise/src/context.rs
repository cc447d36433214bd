//! What a child may say and ask about its own life: extensions of the actix context, and the context of a task.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use actix::{Actor, ActorContext, Context};

use crate::control::Control;
use crate::exit::ExitStatus;

tokio::task_local! {
    static CURRENT: Arc<Control>;
}

/// Runs an instance so that [`SupervisedContext`] finds its control.
pub(crate) async fn scope<F: Future>(control: Arc<Control>, life: F) -> F::Output {
    CURRENT.scope(control, life).await
}

fn current<R>(read: impl FnOnce(&Control) -> R) -> Option<R> {
    CURRENT.try_with(|control| read(control)).ok()
}

/// What a supervised actor can do with its context, in `started`, in handlers and in actor futures. Outside a
/// supervised actor, `exit` and `fail` only stop it and the others do nothing.
pub trait SupervisedContext {
    /// Ends this instance with a typed exit; the supervisor decides what follows. Messages not yet handled are lost
    /// and their senders told.
    fn exit(&mut self, status: ExitStatus);

    /// Ends this instance as failed.
    fn fail(&mut self, reason: impl Display) {
        self.exit(ExitStatus::failed(reason));
    }

    /// Reports this instance ready, where its spec says `wait_ready`.
    fn ready(&mut self);

    /// Whether the supervisor asked this instance to finish what it has.
    fn is_draining(&self) -> bool;
}

impl<A: Actor<Context = Self>> SupervisedContext for Context<A> {
    fn exit(&mut self, status: ExitStatus) {
        if current(|control| control.declare(status.clone())).is_none() {
            tracing::warn!(exit = %status, "exit declared outside a supervised actor");
        }
        self.stop();
    }

    fn ready(&mut self) {
        current(|control| control.up.cancel());
    }

    fn is_draining(&self) -> bool {
        current(|control| control.drain.is_cancelled()).unwrap_or(false)
    }
}

/// The context of a supervised task.
#[derive(Debug, Clone)]
pub struct TaskContext {
    control: Arc<Control>,
}

impl TaskContext {
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self { control }
    }

    /// Shows progress. Needed at least once per heartbeat limit where the spec sets a heartbeat.
    pub fn beat(&self) {
        self.control.vitals.beat();
    }

    /// Reports the task ready, where its spec says `wait_ready`.
    pub fn ready(&self) {
        self.control.up.cancel();
    }

    /// Resolves when the task should take nothing new, finish and return. Past its drain deadline it is dropped.
    pub async fn draining(&self) {
        self.control.drain.cancelled().await;
    }

    /// Whether [`Self::draining`] has resolved.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.control.drain.is_cancelled()
    }
}
