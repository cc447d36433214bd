//! What callers hold: a handle that stays valid while instances come and go.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix::{Actor, Handler, Message};
use tokio::sync::oneshot;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::error::SendError;
use crate::mailbox::Call;
use crate::node::ChildState;
use crate::slot::{Accepted, Slot};
use crate::telemetry;

/// A stable, cloneable way to reach a supervised actor. Never queues beyond the mailbox bound and never drops a
/// message silently: every send ends in an answer or a [`SendError`].
pub struct Handle<A: Actor> {
    slot: Arc<Slot<A>>,
}

impl<A: Actor> Handle<A> {
    pub(crate) fn new(slot: Arc<Slot<A>>) -> Self {
        Self { slot }
    }

    /// Asks and waits for the answer, at most the child's `ask_deadline`. Dropping the future takes back a message
    /// that has not been handled yet.
    ///
    /// # Errors
    /// See [`SendError`]; `retry_after()` says whether sending again is safe.
    pub async fn ask<M>(&self, message: M) -> Result<M::Result, SendError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.ask_within(message, self.slot.ask_deadline()).await
    }

    /// [`Self::ask`] with its own deadline.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn ask_within<M>(&self, message: M, within: Duration) -> Result<M::Result, SendError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let receipt = self.send(message, true)?;
        match tokio::time::timeout(within, receipt).await {
            Ok(answer) => answer,
            Err(_) => {
                let error = SendError::Deadline { child: self.slot.node.name(), after: within };
                telemetry::count_send_error(&error, self.slot.node.path());
                Err(error)
            }
        }
    }

    /// [`Self::ask_within`] that sends again after `Full` and `Restarting`, by their hints, while time is left. It
    /// never repeats a message that was accepted.
    ///
    /// # Errors
    /// The last [`SendError`].
    pub async fn ask_patiently<M>(&self, message: M, within: Duration) -> Result<M::Result, SendError>
    where
        A: Handler<M>,
        M: Message + Clone + Send + 'static,
        M::Result: Send,
    {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ask_within(message.clone(), left).await {
                Err(error) => match error.retry_after() {
                    Some(pause) if pause < left => tokio::time::sleep(pause).await,
                    _ => return Err(error),
                },
                answer => return answer,
            }
        }
    }

    /// Hands a message over without waiting. The receipt resolves to the answer or to an error; dropping it says that
    /// the sender does not care, and the message is still handled. A drain waits for receipts that are still held.
    ///
    /// # Errors
    /// See [`SendError`]; here the message was never accepted.
    pub fn try_send<M>(&self, message: M) -> Result<Receipt<M::Result>, SendError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.send(message, false)
    }

    fn send<M>(&self, message: M, cancellable: bool) -> Result<Receipt<M::Result>, SendError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let (reply, answer) = oneshot::channel();
        let accepted = self.slot.push(Box::new(Call { message, reply, cancellable }))?;
        let dead = Box::pin(accepted.dead().clone().cancelled_owned());
        Ok(Receipt { answer, dead, accepted })
    }

    /// Messages accepted and not yet handled.
    #[must_use]
    pub fn mailbox_depth(&self) -> usize {
        self.slot.node.vitals().depth()
    }

    /// Whether an instance is up and takes messages.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.slot.is_open() && self.slot.node.state() == ChildState::Running
    }

    /// The child's name.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.slot.node.name()
    }
}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot) }
    }
}

impl<A: Actor> fmt::Debug for Handle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.slot.node.path()).finish()
    }
}

/// An accepted message whose answer is due. Resolves to the answer; or to [`SendError::Lost`] when the child ended
/// while it handled the message; or, when the child ended before that, to the error that a send would now get.
#[must_use = "await it for the answer, or drop it on purpose: the message is handled all the same"]
pub struct Receipt<R> {
    answer: oneshot::Receiver<R>,
    dead: Pin<Box<WaitForCancellationFutureOwned>>,
    accepted: Accepted,
}

impl<R> Future for Receipt<R> {
    type Output = Result<R, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.answer).poll(cx) {
            return Poll::Ready(answer.map_err(|_| self.accepted.unanswered()));
        }
        // A blocked thread keeps the reply channel open for ever; the end of the instance is what counts (S-2).
        if self.dead.as_mut().poll(cx).is_ready() {
            let last = self.answer.try_recv();
            return Poll::Ready(last.map_err(|_| self.accepted.unanswered()));
        }
        Poll::Pending
    }
}

impl<R> fmt::Debug for Receipt<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("child", &self.accepted.node().path()).finish_non_exhaustive()
    }
}
